use std::{
    future::{pending, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use supervisor_core::Timer;

use crate::{current, timer::SimTimer};

/// Blocks the thread that polls this future for this much virtual time, like a call that does not await:
/// `std::thread::sleep`, a long computation, a lock that another thread holds.
///
/// For the future of a process in a test. Until the time has passed, nothing reaches the process, not even an abort,
/// and the thread that polled it polls nothing else. On an executor with [unlimited](crate::Threads::unlimited)
/// threads, only the process is held up, as by [`Fault::stall`](crate::Fault::stall).
///
/// A poll of a simulation cannot be suspended in its middle, so the block takes effect at the end of the poll. What the
/// poll did before the call has happened. What it does after the call, such as polling the other half of a `join`,
/// happens before the block. If the poll ends the process all the same, its thread stays occupied for the time. Two
/// blocks in one poll add up. When the time has passed, the same thread polls the process again: an abort that came in
/// between ends it then, and otherwise this future resolves.
///
/// # Panics
///
/// If it is polled outside of a simulated process. The future given to [`Sim::run_until`](crate::Sim::run_until) is
/// outside.
///
/// ```
/// use std::time::Duration;
/// use supervision::sim::{Sim, Threads, block_for};
/// use supervision::{Supervisor, process, worker};
///
/// let sim = Sim::with_threads(1, Threads::like_tokio(2));
/// let mut root = Supervisor::new("root").unwrap();
/// root.add_worker(worker("parser", |_| async {
///     loop {
///         process::sleep(Duration::from_secs(1)).await;
///         block_for(Duration::from_secs(3)).await;
///     }
/// }));
/// let record = sim.run_for(root, Duration::from_secs(60));
/// # assert!(record.outcome.is_err(), "it hears no shutdown");
/// ```
pub async fn block_for(time: Duration) {
    let (clock, block) = poll_fn(|_| Poll::Ready(current::block(Some(time)))).await;
    let Some(until) = block.until else { return pending().await };
    // The process is polled again in any case. The timer is for a combinator that polls only futures that were woken.
    let mut timer = SimTimer::of_the_simulation(clock.clone());
    Pin::new(&mut timer).reset(clock.at(until));
    poll_fn(|cx| Pin::new(&mut timer).poll_elapsed(cx)).await;
}

/// Blocks the thread that polls this future for good, like a deadlock or an endless loop. Never resolves; otherwise it
/// works as [`block_for`]. The process and its thread are gone until the executor ends.
///
/// # Panics
///
/// If it is polled outside of a simulated process.
pub async fn block_for_good() {
    poll_fn(|_| Poll::Ready(current::block(None))).await;
    pending().await
}
