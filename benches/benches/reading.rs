//! How long readers delay a supervisor: a call is made again and again, alone, and beside snapshots of a million
//! children, while they stand still and while some are restarted.
//!
//! `cargo bench -p supervision-benches --bench reading [-- --smoke]`

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use executor_tokio::Tokio;
use supervision_benches::{
    measure::Tally,
    subject::{Failing, Order},
};
use supervision_instructions::subject::root;
use supervisor_core::{ChildId, RestartStrategy, Supervisor, SupervisorError, SupervisorHandle, worker};

/// The restarts in each millisecond, where some are restarted.
const RESTARTS: usize = 10;

fn main() -> Result<(), SupervisorError> {
    let is_smoke = env::args().any(|argument| argument == "--smoke");
    let (children, time) =
        if is_smoke { (10_000, Duration::from_millis(200)) } else { (1_000_000, Duration::from_secs(5)) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let failing = Failing::new(&Tally::default());
        let mut root = root(RestartStrategy::one_for_one(), Order::Concurrent);
        for child in 0..children {
            if child == children / 2 {
                let failing = failing.clone();
                root.add_worker(worker("failing", move |shutdown| failing.clone().run(shutdown)));
            }
            root.add_worker(worker("parked", |shutdown| shutdown));
        }
        let unknown = Supervisor::new("elsewhere")?.add_worker(worker("unknown", |shutdown| shutdown));
        let tree = root.start_on(Tokio::current().map_err(SupervisorError::executor)?).await?;
        println!("{children} children, a call of which the answer is waited for, for {time:?}:\n");
        println!("| beside | calls | median | 99.9 % | longest |\n|---|---|---|---|---|");
        let handle = tree.handle();
        calls("nothing", &handle, unknown, time).await;
        let still = beside_snapshots("snapshots", &handle, unknown, time).await;
        let move_on = tokio::spawn(async move {
            loop {
                failing.fail(RESTARTS);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        calls("restarts", &handle, unknown, time).await;
        let moving = beside_snapshots("snapshots and restarts", &handle, unknown, time).await;
        move_on.abort();
        println!("\na snapshot took {still:.0?}, beside restarts {moving:.0?}");
        tree.shutdown().await
    })
}

/// Returns how long a snapshot took.
async fn beside_snapshots(beside: &str, handle: &SupervisorHandle, unknown: ChildId, time: Duration) -> Duration {
    let (reader, is_over) = (handle.clone(), Arc::new(AtomicBool::new(false)));
    let reading = tokio::spawn({
        let is_over = is_over.clone();
        async move {
            let (begin, mut count) = (Instant::now(), 0);
            while !is_over.load(Relaxed) {
                std::hint::black_box(reader.snapshot().await);
                count += 1;
            }
            begin.elapsed() / count
        }
    });
    calls(beside, handle, unknown, time).await;
    is_over.store(true, Relaxed);
    reading.await.expect("no panic")
}

async fn calls(beside: &str, handle: &SupervisorHandle, unknown: ChildId, time: Duration) {
    let (begin, mut took) = (Instant::now(), Vec::new());
    while begin.elapsed() < time {
        let asked = Instant::now();
        let _not_found = handle.delete_child(unknown).await;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("| {beside} | {} | {:.1?} | {:.1?} | {:.1?} |", took.len(), at(0.5), at(0.999), at(1.0));
}
