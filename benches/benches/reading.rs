//! How long readers delay a supervisor: a call is made again and again, alone, and beside snapshots of a million
//! children.
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
use supervisor_core::{ChildId, Supervisor, SupervisorError, SupervisorHandle, worker};

fn main() -> Result<(), SupervisorError> {
    let is_smoke = env::args().any(|argument| argument == "--smoke");
    let (children, time) =
        if is_smoke { (10_000, Duration::from_millis(200)) } else { (1_000_000, Duration::from_secs(5)) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut root = Supervisor::new("root")?;
        for _ in 0..children {
            root.add_worker(worker("parked", |shutdown| shutdown));
        }
        let unknown = Supervisor::new("elsewhere")?.add_worker(worker("unknown", |shutdown| shutdown));
        let tree = root.start_on(Tokio::current().map_err(SupervisorError::executor)?).await?;
        println!("{children} children, a call of which the answer is waited for, for {time:?}:\n");
        println!("| beside | calls | median | 99.9 % | longest |\n|---|---|---|---|---|");
        calls("nothing", &tree.handle(), unknown, time).await;
        let (reader, is_over) = (tree.handle(), Arc::new(AtomicBool::new(false)));
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
        calls("snapshots", &tree.handle(), unknown, time).await;
        is_over.store(true, Relaxed);
        println!("\na snapshot took {:.0?}", reading.await.expect("no panic"));
        tree.shutdown().await
    })
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
