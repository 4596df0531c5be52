use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use supervisor_core::{Process, ProcessId};

use crate::{
    current::{self, Hand},
    fault::Fault,
    fault_plan::{FaultPlan, Intervention},
    tasks::Tasks,
};

/// One process of a simulation.
pub(crate) struct Task {
    /// Its number, in the order in which processes were spawned.
    pub(crate) number: u64,
    pub(crate) executor: u32,
    /// The id of its process, which has it until it ends.
    pub(crate) id: Option<ProcessId>,
    pub(crate) name: String,
    /// Its number among the processes of its name, counted from 1.
    pub(crate) incarnation: u32,
    process: Mutex<Option<Process>>,
    plan: Mutex<FaultPlan>,
    /// Since when its last poll has not returned to the executor.
    held_since: Mutex<Option<Duration>>,
    is_ready: AtomicBool,
    tasks: Weak<Tasks>,
}

impl Task {
    pub(crate) fn new(
        tasks: &Arc<Tasks>,
        (number, executor): (u64, u32),
        (name, incarnation): (String, u32),
        process: Process,
        plan: FaultPlan,
    ) -> Self {
        let id = process.id();
        let (process, plan, tasks) = (Mutex::new(Some(process)), Mutex::new(plan), Arc::downgrade(tasks));
        let (held_since, is_ready) = (Mutex::default(), AtomicBool::new(true));
        Self { number, executor, id, name, incarnation, process, plan, held_since, is_ready, tasks }
    }

    /// Polls the process, unless a fault intervenes. `thread` is the thread of its executor, if that counts threads.
    pub(crate) fn poll(self: &Arc<Self>, thread: Option<usize>) {
        let Some(tasks) = self.tasks.upgrade() else { return };
        let hand = Hand { executor: self.executor, thread, task: Some(self.number), is_timer: false };
        let entered = current::enter(&tasks, hand);
        self.is_ready.store(false, SeqCst);
        // Taken out, so that an executor which ends inside of this poll finds nothing to drop here.
        let Some(mut process) = self.lock().take() else { return };
        let now = tasks.clock.elapsed();
        self.lock_plan().notice_ready(&process, now, |limit| tasks.random_up_to(limit));
        let intervention = self.lock_plan().intervention(now);
        match &intervention {
            Some(Intervention::Stall | Intervention::Block(_)) => self.begin_to_hold(now),
            // The clock stands still during a poll. So the process is told how long the last one has held it up.
            _ => {
                if let Some(since) = self.lock_held().take() {
                    process.held_up(now.saturating_sub(since));
                }
            }
        }
        match intervention {
            Some(Intervention::Drop) => drop(process),
            Some(Intervention::BreakOff(exit)) => process.break_off(exit),
            // It is polled when the stall is over.
            Some(Intervention::Stall) => return self.put_back(process, &tasks),
            Some(Intervention::Block(until)) => {
                self.block(thread, until, &tasks);
                return self.put_back(process, &tasks);
            }
            None => {
                let waker = Waker::from(self.clone());
                let polled = Pin::new(&mut process).poll(&mut Context::from_waker(&waker));
                if let Some(block) = entered.block() {
                    self.begin_to_hold(now);
                    self.block(thread, block.until, &tasks);
                }
                if polled.is_pending() {
                    self.lock_plan().notice_ready(&process, now, |limit| tasks.random_up_to(limit));
                    return self.put_back(process, &tasks);
                }
            }
        }
        tasks.forget(self);
    }

    fn begin_to_hold(&self, now: Duration) {
        self.lock_held().get_or_insert(now);
    }

    /// Blocks the process until this time: nothing reaches it, and its thread polls nothing else.
    fn block(self: &Arc<Self>, thread: Option<usize>, until: Option<Duration>, tasks: &Tasks) {
        let Some(thread) = thread else { return self.lock_plan().stall(until) };
        tasks.block(self, thread, until);
        if let Some(until) = until {
            tasks.clock.set_after_start(until, Waker::from(Arc::new(Resumption { task: self.clone(), thread })));
        }
    }

    fn put_back(self: &Arc<Self>, process: Process, tasks: &Tasks) {
        *self.lock() = Some(process);
        let due = self.lock_plan().take_alarms();
        for at in due {
            tasks.clock.set_after_start(at, Waker::from(Arc::new(WakesTask(self.clone()))));
        }
    }

    /// Drops the process, unless it is in a poll right now.
    pub(crate) fn end(&self) {
        let process = self.lock().take();
        drop(process);
    }

    /// Adds a fault that strikes it, from now on.
    pub(crate) fn add_fault(self: &Arc<Self>, fault: Fault) {
        self.lock_plan().add(fault);
        self.wake_now(false);
    }

    fn wake_now(self: &Arc<Self>, is_by_driver: bool) {
        if !self.is_ready.swap(true, SeqCst) {
            if let Some(tasks) = self.tasks.upgrade() {
                tasks.push(self.clone(), is_by_driver);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_held(&self) -> MutexGuard<'_, Option<Duration>> {
        self.held_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_plan(&self) -> MutexGuard<'_, FaultPlan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let late_by = self.lock_plan().wakes_late_by();
        let (Some(late_by), Some(tasks)) = (late_by, self.tasks.upgrade()) else { return self.wake_now(false) };
        let at = tasks.clock.elapsed() + tasks.random_up_to(late_by);
        tasks.clock.set_after_start(at, Waker::from(Arc::new(WakesTask(self))));
    }
}

/// A waker for a time that the fault plan names. The plan does not delay it.
struct WakesTask(Arc<Task>);

impl Wake for WakesTask {
    fn wake(self: Arc<Self>) {
        let Some(tasks) = self.0.tasks.upgrade() else { return };
        let is_by_driver = self.0.lock_plan().is_about_to_block(tasks.clock.elapsed());
        self.0.wake_now(is_by_driver);
    }
}

/// A waker that resumes a poll that blocked.
struct Resumption {
    task: Arc<Task>,
    thread: usize,
}

impl Wake for Resumption {
    fn wake(self: Arc<Self>) {
        if let Some(tasks) = self.task.tasks.upgrade() {
            tasks.resume(self.task.clone(), self.thread);
        }
    }
}
