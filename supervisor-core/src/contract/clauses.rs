//! The requirements for a backend, clause by clause.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    panic,
    pin::Pin,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use futures_lite::future::{poll_once, yield_now};

use super::{Backend, Outcome, TestProcess};
use crate::{
    incarnation::{Exit, guard},
    spawner::{Spawner, Timer},
};

/// Long enough to tell times apart, short enough for a clock that cannot be sped up.
const MOMENT: Duration = Duration::from_millis(20);

fn spawn(spawner: &impl Spawner, future: impl Future<Output = ()> + Send + 'static) -> Outcome {
    let (process, outcome) = TestProcess::new(future).into_parts();
    spawner.spawn(process);
    outcome
}

async fn ends_normally(outcome: Outcome) {
    let exit = outcome.exit().await;
    assert!(matches!(exit, Exit::Normal), "{exit}");
}

async fn elapsed(timer: &mut Pin<Box<dyn Timer>>) {
    poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
}

/// Requires that a process is polled whenever it was woken, until it is ready.
pub fn a_process_is_polled_until_it_has_ended<B: Backend>() {
    let backend = B::new();
    backend.block_on(async {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let future = poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if counted.fetch_add(1, SeqCst) < 3 { Poll::Pending } else { Poll::Ready(()) }
        });
        ends_normally(spawn(&backend.spawner(), future)).await;
        assert_eq!(polls.load(SeqCst), 4);
    });
}

/// Requires that `spawn` only takes the process over. The spawning code may hold a lock that the process needs.
pub fn a_process_is_never_polled_on_the_stack_that_spawns_it<B: Backend>() {
    thread_local! { static SPAWNING: Cell<bool> = const { Cell::new(false) }; }
    let backend = B::new();
    backend.block_on(async {
        for _ in 0..100 {
            SPAWNING.set(true);
            let outcome = spawn(&backend.spawner(), async { assert!(!SPAWNING.get(), "polled inside of spawn") });
            SPAWNING.set(false);
            ends_normally(outcome).await;
        }
    });
}

/// Requires that a process can spawn others: a supervisor is a process.
pub fn a_process_can_be_spawned_from_inside_another<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    backend.block_on(async {
        let outer = backend.spawner();
        ends_normally(spawn(&spawner, async move {
            ends_normally(spawn(&outer, async {})).await;
        }))
        .await;
    });
}

/// Requires that any thread can spawn: supervisors of other executors spawn here, too.
pub fn a_process_can_be_spawned_from_a_foreign_thread<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    let outcome = thread::spawn(move || spawn(&spawner, async {})).join().expect("spawned without panic");
    backend.block_on(ends_normally(outcome));
}

/// Requires that a process can yield by waking itself.
pub fn a_process_that_wakes_itself_is_polled_again<B: Backend>() {
    let backend = B::new();
    backend.block_on(async {
        ends_normally(spawn(&backend.spawner(), async {
            for _ in 0..1000 {
                yield_now().await;
            }
        }))
        .await;
    });
}

/// Requires that a waker works on any thread.
pub fn a_process_is_woken_from_a_foreign_thread<B: Backend>() {
    let backend = B::new();
    let (sender, receiver) = async_channel::bounded(1);
    let outcome = spawn(&backend.spawner(), async move {
        receiver.recv().await.expect("sent");
    });
    backend.block_on(async {
        yield_now().await;
        let thread = thread::spawn(move || sender.send_blocking(()).expect("received"));
        ends_normally(outcome).await;
        thread.join().expect("sent without panic");
    });
}

/// Requires that each process is a task of its own: none waits for another to end.
pub fn processes_run_independently_of_each_other<B: Backend>() {
    const MANY: usize = 500;
    let backend = B::new();
    backend.block_on(async {
        let spawner = backend.spawner();
        let (arrive, arrivals) = async_channel::unbounded();
        let (go, gate) = async_channel::bounded::<()>(1);
        let outcomes: Vec<_> = (0..MANY)
            .map(|_| {
                let (arrive, gate) = (arrive.clone(), gate.clone());
                spawn(&spawner, async move {
                    arrive.send(()).await.expect("awaited");
                    // Closed when all have arrived.
                    let _ = gate.recv().await;
                })
            })
            .collect();
        for _ in 0..MANY {
            arrivals.recv().await.expect("all arrive");
        }
        drop(go);
        for outcome in outcomes {
            ends_normally(outcome).await;
        }
    });
}

/// Requires that an abort wakes the process, and its next poll ends it.
pub fn an_abort_reaches_a_process_that_waits<B: Backend>() {
    let backend = B::new();
    backend.block_on(async {
        let (arrive, arrivals) = async_channel::bounded(1);
        let outcome = spawn(&backend.spawner(), async move {
            arrive.send(()).await.expect("awaited");
            pending::<()>().await;
        });
        arrivals.recv().await.expect("it arrives");
        outcome.abort();
        assert!(matches!(outcome.exit().await, Exit::Aborted));
    });
}

/// Requires that a panic in a process never reaches the executor.
pub fn a_panic_in_one_process_harms_no_other<B: Backend>() {
    let backend = B::new();
    backend.block_on(async {
        let spawner = backend.spawner();
        let panicking = spawn(&spawner, async { panic!("a panic on purpose, which must harm no other process") });
        assert!(matches!(panicking.exit().await, Exit::Panicked(_)));
        ends_normally(spawn(&spawner, async {})).await;
    });
}

/// Requires that `now` can be called on any thread, inside and outside of a process.
pub fn the_clock_is_one_for_all_threads_and_never_goes_back<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    let before = spawner.now();
    let foreign = spawner.clone();
    let there = thread::spawn(move || foreign.now()).join().expect("told the time without panic");
    let (sender, receiver) = async_channel::bounded(1);
    let inside = spawner.clone();
    let outcome = spawn(&spawner, async move { sender.send(inside.now()).await.expect("awaited") });
    let inside = backend.block_on(async {
        ends_normally(outcome).await;
        receiver.recv().await.expect("sent")
    });
    let after = spawner.now();
    assert!(before <= there && there <= inside && inside <= after);
    assert!(after - before < Duration::from_secs(60));
}

/// Requires that an executor whose clock stands still or jumps says so: nothing with a real clock can be placed below
/// it.
pub fn a_clock_that_jumps_is_said_to_be_virtual<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    let begin = spawner.now();
    thread::sleep(MOMENT);
    let is_late = spawner.now() - begin < MOMENT;
    assert_eq!(spawner.is_virtual(), is_late, "after {MOMENT:?}, it has gone on by {:?}", spawner.now() - begin);
}

/// Requires that `now` works while a thread ends: a process that is dropped there reports its end with the time.
pub fn the_clock_is_there_at_the_very_end_of_a_thread<B: Backend>() {
    struct AtEnd(Box<dyn FnMut()>);

    impl Drop for AtEnd {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    thread_local! { static LAST: Cell<Option<AtEnd>> = const { Cell::new(None) }; }
    let backend = B::new();
    let spawner = backend.spawner();
    let (tell, told) = mpsc::channel();
    let look = move || {
        let mut timer = spawner.timer();
        timer.as_mut().reset(Some(spawner.now() + Duration::from_secs(3600)));
        assert!(timer.as_mut().poll_elapsed(&mut Context::from_waker(Waker::noop())).is_pending());
    };
    thread::spawn(move || {
        // Registered before the executor's own thread-locals, and so destroyed after them.
        LAST.set(None);
        let at_end = look.clone();
        LAST.set(Some(AtEnd(Box::new(move || {
            // A panic that unwinds out of here would end the program.
            let (_, panics) = counting_panics(|| guard(&at_end));
            tell.send(panics).expect("awaited");
        }))));
        look();
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(0));
}

fn with_timer<B: Backend>(test: impl AsyncFnOnce(B::Spawner, Pin<Box<dyn Timer>>)) {
    let backend = B::new();
    let spawner = backend.spawner();
    let timer = spawner.timer();
    backend.block_on(test(spawner, timer));
}

/// Requires that a new timer is pending.
pub fn a_timer_that_is_not_armed_never_elapses<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
        let mut other = spawner.timer();
        other.as_mut().reset(Some(spawner.now() + MOMENT));
        elapsed(&mut other).await;
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
    });
}

/// Requires that a timer is never early.
pub fn a_timer_elapses_at_its_deadline_and_not_before<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        let deadline = spawner.now() + MOMENT;
        timer.as_mut().reset(Some(deadline));
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
        elapsed(&mut timer).await;
        assert!(spawner.now() >= deadline);
    });
}

/// Requires that this also holds if the deadline had passed before the timer was armed.
pub fn a_timer_whose_deadline_has_passed_elapses_at_once<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        let begin = spawner.now();
        timer.as_mut().reset(Some(begin));
        assert!(poll_once(elapsed(&mut timer)).await.is_some());
        timer.as_mut().reset(Some(begin + MOMENT));
        elapsed(&mut timer).await;
        timer.as_mut().reset(Some(begin));
        assert!(poll_once(elapsed(&mut timer)).await.is_some());
    });
}

/// Requires that an elapsed timer can be polled again.
pub fn a_timer_stays_elapsed_until_it_is_reset<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        timer.as_mut().reset(Some(spawner.now() + MOMENT));
        elapsed(&mut timer).await;
        for _ in 0..3 {
            assert!(poll_once(elapsed(&mut timer)).await.is_some());
        }
    });
}

/// Requires that `None` disarms.
pub fn a_timer_that_is_disarmed_does_not_elapse<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        timer.as_mut().reset(Some(spawner.now() + MOMENT));
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
        timer.as_mut().reset(None);
        let mut other = spawner.timer();
        other.as_mut().reset(Some(spawner.now() + 2 * MOMENT));
        elapsed(&mut other).await;
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
    });
}

/// Requires that the earlier deadline counts.
pub fn a_timer_can_be_armed_again_for_an_earlier_time<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        let begin = spawner.now();
        timer.as_mut().reset(Some(begin + Duration::from_secs(3600)));
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
        timer.as_mut().reset(Some(begin + MOMENT));
        elapsed(&mut timer).await;
        assert!(spawner.now() - begin < Duration::from_secs(3600));
    });
}

/// Requires that the later deadline counts.
pub fn a_timer_can_be_armed_again_for_a_later_time<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        let begin = spawner.now();
        timer.as_mut().reset(Some(begin + MOMENT));
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
        timer.as_mut().reset(Some(begin + 3 * MOMENT));
        elapsed(&mut timer).await;
        assert!(spawner.now() >= begin + 3 * MOMENT);
    });
}

/// Requires that one timer serves a supervisor for ever.
pub fn a_timer_can_be_armed_again_after_it_has_elapsed<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        for _ in 0..3 {
            let deadline = spawner.now() + MOMENT;
            timer.as_mut().reset(Some(deadline));
            elapsed(&mut timer).await;
            assert!(spawner.now() >= deadline);
        }
    });
}

/// Requires that a deadline centuries away is pending, and no error.
pub fn a_timer_can_be_armed_for_a_time_beyond_all_reason<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        timer.as_mut().reset(Some(spawner.now() + 3 * CENTURY));
        assert!(poll_once(elapsed(&mut timer)).await.is_none());
        timer.as_mut().reset(Some(spawner.now() + MOMENT));
        elapsed(&mut timer).await;
    });
}

/// Requires that a timer can move from one task to another.
pub fn a_timer_wakes_the_task_that_polled_it_last<B: Backend>() {
    with_timer::<B>(async |spawner, mut timer| {
        timer.as_mut().reset(Some(spawner.now() + MOMENT));
        assert!(timer.as_mut().poll_elapsed(&mut Context::from_waker(Waker::noop())).is_pending());
        ends_normally(spawn(&spawner, async move { elapsed(&mut timer).await })).await;
    });
}

/// Requires that a timer can be made on any thread: a supervisor makes one wherever it is polled.
pub fn a_timer_can_be_made_and_armed_on_a_foreign_thread<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    let foreign = spawner.clone();
    let (deadline, mut timer) = thread::spawn(move || -> (Instant, Pin<Box<dyn Timer>>) {
        let deadline = foreign.now() + MOMENT;
        let mut timer = foreign.timer();
        timer.as_mut().reset(Some(deadline));
        (deadline, timer)
    })
    .join()
    .expect("armed without panic");
    backend.block_on(async {
        elapsed(&mut timer).await;
        assert!(spawner.now() >= deadline);
    });
}

/// Requires that an executor that ends drops its processes, and each reports so after its destructors. Processes keep
/// their spawner, so a spawner must not keep its executor alive.
pub fn the_end_of_the_executor_loses_every_process<B: Backend>() {
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }

    let backend = B::new();
    let spawner = backend.spawner();
    let (arrive, arrivals) = async_channel::unbounded();
    let processes: Vec<_> = (0..100)
        .map(|_| {
            let dropped = Arc::new(AtomicBool::new(false));
            let (flag, arrive, kept) = (Flag(dropped.clone()), arrive.clone(), spawner.clone());
            let outcome = spawn(&spawner, async move {
                let _held = (flag, kept);
                arrive.send(()).await.expect("awaited");
                pending::<()>().await;
            });
            (outcome, dropped)
        })
        .collect();
    backend.block_on(async {
        for _ in 0..processes.len() {
            arrivals.recv().await.expect("all arrive");
        }
    });
    if !backend.end() {
        processes.iter().for_each(|(outcome, _)| outcome.abort());
        return;
    }
    for (outcome, dropped) in processes {
        let exit = futures_lite::future::block_on(outcome.exit());
        assert!(matches!(exit, Exit::Lost), "{exit}");
        assert!(dropped.load(SeqCst), "lost before its destructors had run");
    }
}

/// Requires that each destructor that panics is guarded by itself, wherever the executor drops the process: many may
/// panic.
pub fn the_end_of_the_executor_survives_destructors_that_panic<B: Backend>() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }

    let backend = B::new();
    let spawner = backend.spawner();
    let outcomes: Vec<_> = (0..10)
        .map(|_| {
            let bomb = Bomb;
            spawn(&spawner, async move {
                let _held = bomb;
                pending::<()>().await;
            })
        })
        .collect();
    if !backend.end() {
        outcomes.iter().for_each(Outcome::abort);
        return;
    }
    for outcome in outcomes {
        let exit = futures_lite::future::block_on(outcome.exit());
        assert!(matches!(exit, Exit::Lost | Exit::Panicked(_)), "{exit}");
    }
}

/// Requires that a refused process is dropped elsewhere: it owns user code, whose destructor may take long.
pub fn a_discarded_process_is_lost_and_dropped_elsewhere<B: Backend>() {
    thread_local! { static DISCARDING: Cell<bool> = const { Cell::new(false) }; }
    struct Slow(Arc<AtomicBool>);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.store(DISCARDING.get(), SeqCst);
        }
    }

    let backend = B::new();
    backend.block_on(async {
        let on_the_stack = Arc::new(AtomicBool::new(true));
        let slow = Slow(on_the_stack.clone());
        let (process, outcome) = TestProcess::refused(async move { drop(slow) });
        DISCARDING.set(true);
        backend.spawner().discard(process);
        DISCARDING.set(false);
        let exit = outcome.exit().await;
        assert!(matches!(exit, Exit::Lost), "{exit}");
        assert!(!on_the_stack.load(SeqCst), "dropped inside of discard");
    });
}

/// Requires that a process which can no longer run reports that it is lost.
pub fn a_process_that_is_spawned_after_the_end_is_lost<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    if backend.end() {
        let exit = futures_lite::future::block_on(spawn(&spawner, async {}).exit());
        assert!(matches!(exit, Exit::Lost), "{exit}");
    }
}

/// Requires that reading the clock of a dead executor and using its timers is harmless. A reader of its tree may do so,
/// or a supervisor elsewhere whose children it ran. Its time has ended, so its timers never fire, and a panic would hit
/// the caller. This checks the panic hook, too: a hook that ends the program must not be called.
pub fn a_timer_of_a_dead_executor_neither_panics_nor_fires<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    let mut timers = Vec::new();
    let mut arm = |name: &'static str, deadline: Instant, mut timer: Pin<Box<dyn Timer>>| {
        timer.as_mut().reset(Some(deadline));
        timers.push((name, timer));
    };
    let begin = spawner.now();
    backend.block_on(async {
        for (name, deadline) in [("elapsed", begin), ("due after the end", begin + 2 * MOMENT)] {
            let mut timer = spawner.timer();
            timer.as_mut().insist();
            arm(name, deadline, timer);
        }
        // Known to the executor's clock, not just armed.
        let mut polled = spawner.timer();
        polled.as_mut().reset(Some(begin + 2 * MOMENT));
        assert!(poll_once(elapsed(&mut polled)).await.is_none());
        arm("polled before the end", begin + 2 * MOMENT, polled);
    });
    let idle = spawner.timer();
    if !backend.end() {
        return;
    }
    arm("armed after the end", begin + 2 * MOMENT, idle);
    arm("made and armed after the end, elapsed", begin, spawner.timer());
    arm("made and armed after the end", begin + 2 * MOMENT, spawner.timer());
    let mut insistent = spawner.timer();
    insistent.as_mut().insist();
    arm("insistent", begin + 2 * MOMENT, insistent);
    let mut cx = Context::from_waker(Waker::noop());
    let mut look = |when: &str| {
        for (name, timer) in &mut timers {
            let (elapsed, panics) = counting_panics(|| timer.as_mut().poll_elapsed(&mut cx).is_ready());
            assert_eq!((elapsed, panics), (false, 0), "the timer that was {name}, polled {when}");
        }
    };
    look("at the end");
    thread::sleep(3 * MOMENT);
    look("when its deadline had passed");
    for (_, timer) in &mut timers {
        timer.as_mut().reset(Some(begin + 4 * MOMENT));
        timer.as_mut().reset(None);
    }
}

/// Requires that a supervisor elsewhere can make its first timer late.
pub fn a_timer_can_be_made_after_the_end_of_its_executor<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    if !backend.end() {
        return;
    }
    let ((), panics) = counting_panics(|| {
        let begin = spawner.now();
        for deadline in [Some(begin), Some(begin + MOMENT), begin.checked_add(Duration::MAX), None] {
            let mut timer = spawner.timer();
            timer.as_mut().insist();
            timer.as_mut().reset(deadline);
            assert!(timer.as_mut().poll_elapsed(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    });
    assert_eq!(panics, 0);
}

/// Requires that a nudge is harmless on any thread: inside of a poll, outside, and after the end.
pub fn a_nudge_never_panics_also_after_the_end<B: Backend>() {
    let backend = B::new();
    let spawner = backend.spawner();
    let nudge = |spawner: &B::Spawner| {
        let ((), panics) = counting_panics(|| spawner.nudge());
        assert_eq!(panics, 0);
    };
    nudge(&spawner);
    backend.block_on(async {
        let inside = spawner.clone();
        ends_normally(spawn(&spawner, async move { inside.nudge() })).await;
        nudge(&spawner);
    });
    backend.end();
    nudge(&spawner);
}

/// Requires that a process on a local executor is polled and dropped on one thread, whatever wakes it or ends it: its
/// future need not be `Send`. A backend without local executors passes.
pub fn a_local_executor_keeps_a_process_on_one_thread<B: Backend>() {
    struct Bound(ThreadId, Arc<AtomicBool>);

    impl Bound {
        fn here(has_moved: &Arc<AtomicBool>) -> Self {
            Self(thread::current().id(), has_moved.clone())
        }

        fn look(&self) {
            self.1.fetch_or(thread::current().id() != self.0, SeqCst);
        }
    }

    impl Drop for Bound {
        fn drop(&mut self) {
            self.look();
        }
    }

    let backend = B::new();
    let spawner = backend.spawner();
    let Ok(local) = spawner.local_executor("local") else { return };
    let has_moved = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = async_channel::bounded(1);
    backend.block_on(async {
        let (seen, mut timer) = (has_moved.clone(), local.timer());
        timer.as_mut().reset(Some(local.now() + MOMENT));
        let ends = spawn(&local, async move {
            let bound = Bound::here(&seen);
            while receiver.recv().await.is_ok() {
                bound.look();
                yield_now().await;
                bound.look();
            }
            elapsed(&mut timer).await;
            bound.look();
        });
        let thread = thread::spawn(move || (0..100).for_each(|_| sender.send_blocking(()).expect("received")));
        ends_normally(ends).await;
        thread.join().expect("sent without panic");

        let (seen, (arrive, arrival)) = (has_moved.clone(), async_channel::bounded(1));
        let waits = spawn(&local, async move {
            let _bound = Bound::here(&seen);
            arrive.send(()).await.expect("awaited");
            pending::<()>().await;
        });
        arrival.recv().await.expect("sent");
        waits.abort();
        let exit = waits.exit().await;
        assert!(matches!(exit, Exit::Aborted), "{exit}");
    });
    assert!(!has_moved.load(SeqCst), "polled or dropped on a second thread");
}

/// Runs a closure, and returns how many panics the panic hook saw on this thread. If a hook ends the program, even a
/// caught panic is one too many.
fn counting_panics<R>(run: impl FnOnce() -> R) -> (R, usize) {
    thread_local! { static PANICS: Cell<Option<usize>> = const { Cell::new(None) }; }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Clauses run at the same time in one program.
            if let Some(panics) = PANICS.get() {
                PANICS.set(Some(panics + 1));
            }
            before(info);
        }));
    });
    PANICS.set(Some(0));
    let result = run();
    (result, PANICS.take().unwrap_or_default())
}
