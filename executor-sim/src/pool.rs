use std::{mem, sync::Arc};

use fastrand::Rng;

use crate::{clock::Hearing, current::Hand, task::Task, threads::Threads};

/// The threads of one executor, and the processes that wait for them.
///
/// A ready process is in exactly one place: in the queue, in a slot, or on the thread that is to resume it. A process
/// whose poll blocks is in none of them, even if it is woken.
pub(crate) struct Pool {
    threads: Vec<Thread>,
    /// Processes that any free thread may poll.
    queue: Vec<Arc<Task>>,
    has_slots: bool,
    has_one_driver: bool,
    driver: Driver,
}

struct Thread {
    /// The process that only this thread may poll.
    slot: Option<Arc<Task>>,
    state: ThreadState,
}

enum ThreadState {
    Free,
    /// A poll of this process blocks.
    Blocked(u64),
    /// The block is over, and the poll goes on: before anything else on this thread.
    Resuming(Arc<Task>),
}

/// The thread that waits for the timers.
///
/// ```text
///        a timer wakes a process,
///        and nothing else is ready             a thread polls it
///  Held ---------------------------> Leaving --------------------> Left
///   ^                                   |                            |
///   | another process is woken          |                            |
///   +-----------------------------------+                            |
///   | a thread polls from the queue, or another one goes on;         |
///   | a nudge from outside; the thread has nothing more to do        |
///   +----------------------------------------------------------------+
/// ```
///
/// Timers are not heard in `Left`, while that thread is blocked. A poll from the thread's own slot keeps the state,
/// because it wakes no other thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// A free thread waits for the timers, as soon as it has nothing else to do.
    Held,
    /// A timer has woken this process. The thread that waited is about to poll it.
    Leaving(u64),
    /// This thread has stopped waiting, and no other has begun.
    Left(usize),
}

impl Pool {
    /// Makes a pool; `None` for an executor that needs none.
    pub(crate) fn new(threads: Threads) -> Option<Self> {
        let thread = || Thread { slot: None, state: ThreadState::Free };
        Some(Self {
            threads: std::iter::repeat_with(thread).take(threads.count?).collect(),
            queue: Vec::new(),
            has_slots: threads.has_slots,
            has_one_driver: threads.has_one_driver,
            driver: Driver::Held,
        })
    }

    /// Returns how many ways there are to go on.
    pub(crate) fn choices(&self) -> usize {
        // A thread polls what is in its slot before it looks into the queue.
        let queued = if self.threads.iter().any(Thread::is_idle) { self.queue.len() } else { 0 };
        self.own().count() + queued
    }

    /// Takes the process that is polled in the `index`th of these ways, and the thread that polls it.
    pub(crate) fn take(&mut self, index: usize, rng: &mut Rng) -> (Arc<Task>, usize) {
        let own: Vec<_> = self.own().collect();
        let (task, thread, is_own) = match own.get(index) {
            Some(thread) => (self.threads[*thread].take_own(), *thread, true),
            None => {
                let thread = self.draw_idle_thread(rng);
                (Some(self.queue.swap_remove(index - own.len())), thread, false)
            }
        };
        let task = task.expect("counted as a choice");
        self.driver = match self.driver {
            Driver::Leaving(number) if number == task.number => Driver::Left(thread),
            Driver::Left(by) if by == thread && is_own => self.driver,
            _ => Driver::Held,
        };
        (task, thread)
    }

    /// Adds a ready process: woken or spawned by a poll or by a timer, of this executor or from outside.
    pub(crate) fn push(&mut self, task: Arc<Task>, by: Option<Hand>) {
        let by = by.filter(|by| by.executor == task.executor);
        // It is polled when its thread goes on.
        if self.threads.iter().any(|thread| thread.is_held_by(task.number)) {
            return;
        }
        self.driver = match self.driver {
            Driver::Held if by.is_some_and(|by| by.is_timer) && self.choices() == 0 => Driver::Leaving(task.number),
            Driver::Leaving(_) => Driver::Held,
            driver => driver,
        };
        // A process that wakes itself yields: the slot is not for that.
        let slot = by.filter(|by| self.has_slots && by.task != Some(task.number)).and_then(|by| by.thread);
        let queued = match slot.and_then(|thread| self.threads.get_mut(thread)) {
            Some(thread) => thread.slot.replace(task),
            None => Some(task),
        };
        self.queue.extend(queued);
    }

    /// Marks that the poll of this process blocks this thread.
    ///
    /// The process is not ready, even if it was woken. The caller drops the returned task when it holds no lock.
    pub(crate) fn block(&mut self, thread: usize, number: u64) -> Option<Arc<Task>> {
        // There are no threads any more if the executor has ended meanwhile.
        self.threads.get_mut(thread)?.state = ThreadState::Blocked(number);
        let is_blocked = |task: &Arc<Task>| task.number == number;
        match self.queue.iter().position(is_blocked) {
            Some(index) => Some(self.queue.swap_remove(index)),
            None => self.threads.iter_mut().find_map(|thread| thread.slot.take_if(|task| is_blocked(task))),
        }
    }

    /// Resumes the poll that blocked.
    pub(crate) fn resume(&mut self, thread: usize, task: Arc<Task>) {
        let Some(thread) = self.threads.get_mut(thread) else { return };
        if matches!(thread.state, ThreadState::Blocked(number) if number == task.number) {
            thread.state = ThreadState::Resuming(task);
        }
    }

    /// Makes the threads look for work. From inside of a poll, other threads can take what is in the thread's slot.
    /// From outside, a free thread wakes up, and waits for timers if no other does.
    pub(crate) fn nudge(&mut self, by: Option<Hand>) {
        match by.and_then(|by| by.thread) {
            Some(thread) => {
                let slot = self.threads.get_mut(thread).and_then(|thread| thread.slot.take());
                if slot.is_some() && matches!(self.driver, Driver::Leaving(_)) {
                    self.driver = Driver::Held;
                }
                self.queue.extend(slot);
            }
            None if self.has_free_thread() => self.driver = Driver::Held,
            None => {}
        }
    }

    /// Notes that no process can go on: a thread that is not blocked then waits for timers.
    pub(crate) fn rest(&mut self) {
        if matches!(self.driver, Driver::Left(thread) if self.threads.get(thread).is_none_or(Thread::is_free)) {
            self.driver = Driver::Held;
        }
    }

    /// Returns which timers of this executor can elapse, after a [`rest`](Self::rest).
    pub(crate) fn hearing(&self) -> Hearing {
        match self.driver {
            _ if !self.has_one_driver => Hearing::All,
            _ if !self.has_free_thread() => Hearing::Nothing,
            Driver::Left(_) => Hearing::Insistent,
            Driver::Held | Driver::Leaving(_) => Hearing::All,
        }
    }

    /// Draws the thread that hears the next timer: one that waits for timers, if this executor has no other way to hear
    /// them.
    pub(crate) fn draw_listener(&self, rng: &mut Rng) -> Option<usize> {
        let can_hear = self.has_one_driver && self.hearing() == Hearing::All;
        can_hear.then(|| self.draw_idle_thread(rng))
    }

    /// Ends the pool. The caller drops what it returns when it holds no lock.
    pub(crate) fn end(&mut self) -> impl Sized + use<> {
        (mem::take(&mut self.threads), mem::take(&mut self.queue))
    }

    /// Returns the threads with a process that no other thread may poll.
    fn own(&self) -> impl Iterator<Item = usize> {
        self.threads.iter().enumerate().filter(|(_, thread)| thread.has_own()).map(|(number, _)| number)
    }

    fn has_free_thread(&self) -> bool {
        self.threads.iter().any(Thread::is_free)
    }

    /// Draws an idle thread. Draws no number if there is only one.
    fn draw_idle_thread(&self, rng: &mut Rng) -> usize {
        let idle: Vec<_> = (0..self.threads.len()).filter(|thread| self.threads[*thread].is_idle()).collect();
        match idle[..] {
            [only] => only,
            _ => idle[rng.usize(..idle.len())],
        }
    }
}

impl Thread {
    fn is_free(&self) -> bool {
        matches!(self.state, ThreadState::Free)
    }

    fn is_idle(&self) -> bool {
        self.is_free() && self.slot.is_none()
    }

    fn is_held_by(&self, number: u64) -> bool {
        match &self.state {
            ThreadState::Free => false,
            ThreadState::Blocked(by) => *by == number,
            ThreadState::Resuming(task) => task.number == number,
        }
    }

    fn has_own(&self) -> bool {
        match self.state {
            ThreadState::Free => self.slot.is_some(),
            ThreadState::Blocked(_) => false,
            ThreadState::Resuming(_) => true,
        }
    }

    fn take_own(&mut self) -> Option<Arc<Task>> {
        match mem::replace(&mut self.state, ThreadState::Free) {
            ThreadState::Resuming(task) => Some(task),
            _ => self.slot.take(),
        }
    }
}
