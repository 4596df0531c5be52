use std::{thread, time::Duration};

use tokio::sync::oneshot;

use crate::{
    executor::Executor,
    measure::{Tally, threads},
    subject::{Family, Subject},
};

/// The time until an executor's threads have found that there is nothing to do.
const SETTLE: Duration = Duration::from_millis(500);

/// Watches from a thread of its own, which is not counted, and needs a process of its own, whose other threads are the
/// executor's.
pub(super) fn sample<S: Subject>(children: usize, seconds: u64) -> Vec<f64> {
    let (parked, all_parked) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let watching = thread::spawn(move || {
        all_parked.blocking_recv().expect("they are started");
        thread::sleep(SETTLE);
        let before = threads();
        thread::sleep(Duration::from_secs(seconds));
        let after = threads();
        drop(stop);
        vec![after.waits - before.waits, (after.nanoseconds - before.nanoseconds) / 1e3]
    });
    S::Executor::run(move |executor| async move {
        let arrivals = Tally::default();
        let supervisor = S::start(executor, Family::parked(children, &arrivals)).await;
        arrivals.reach(children).await;
        let _ = parked.send(());
        let _ = stopped.await;
        supervisor.stop().await;
    });
    watching.join().expect("it does not panic")
}
