//! A worker that panics with ten thousand children in its scope, against a dynamic supervisor of as many that is terminated,
//! on Tokio with two threads: how long until all are gone, and what each child weighs. In turn, medians of some rounds.
//!
//! `cargo run --release -p supervision-benches --bin scope [-- --smoke]`: with `--smoke` a single round of a tenth.

use std::{
    alloc::System,
    env,
    panic::resume_unwind,
    time::{Duration, Instant},
};

use executor_tokio::Tokio;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use supervision_benches::measure::{Heap, median};
use supervisor_core::{Supervisor, SupervisorError, SupervisorHandle, one_shot, process, worker};
use tokio::{runtime::Builder, sync::mpsc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The end of a crowd.
struct Sample {
    took: Duration,
    /// The bytes on the heap, for each child.
    bytes: f64,
}

fn main() {
    let (children, rounds) = if env::args().any(|argument| argument == "--smoke") { (1_000, 1) } else { (10_000, 11) };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    let (mut scope, mut dynamic) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        scope.push(runtime.block_on(scope_of_a_worker_that_panics(children)));
        dynamic.push(runtime.block_on(dynamic_supervisor_that_is_terminated(children)));
    }
    println!("| {children} children | milliseconds until all are gone | bytes for each |");
    println!("|---|---|---|");
    for (what, samples) in [("the scope of a worker that panics", scope), ("a dynamic supervisor", dynamic)] {
        let took = median(samples.iter().map(|sample| sample.took.as_secs_f64() * 1e3));
        let bytes = median(samples.iter().map(|sample| sample.bytes));
        println!("| {what} | {took:.2} | {bytes:.0} |");
    }
}

/// Adds children, and waits until all run. Returns what each of them weighs.
async fn fill(supervisor: &SupervisorHandle, children: usize) -> Result<f64, SupervisorError> {
    let before = Heap::now().bytes;
    let (tell, mut told) = mpsc::unbounded_channel();
    for _ in 0..children {
        let tell = tell.clone();
        supervisor.spawn(one_shot("child", async move {
            let _ = tell.send(());
            drop(tell);
            process::shutdown().await;
        }))?;
    }
    drop(tell);
    while told.recv().await.is_some() {}
    drop(told);
    Ok((Heap::now().bytes - before) / children as f64)
}

/// Measures from the panic of the worker to the first instruction of its successor.
async fn scope_of_a_worker_that_panics(children: usize) -> Sample {
    let (tell, mut told) = mpsc::unbounded_channel();
    let owner = worker("owner", move |shutdown| {
        let (now, tell) = (Instant::now(), tell.clone());
        async move {
            if tell.send((now, 0.0)).is_ok() && process::current().is_some_and(|me| me.last_exit().is_some()) {
                shutdown.await;
                return Ok::<_, SupervisorError>(());
            }
            let bytes = fill(&process::scope()?, children).await?;
            let _ = tell.send((Instant::now(), bytes));
            // Without the hook, which would print it.
            resume_unwind(Box::new("boom"))
        }
    });
    let root = Supervisor::new("root").expect("a valid name").with_worker(owner);
    let spawner = Tokio::current().expect("a runtime");
    let tree = root.start_on(spawner).await.expect("a start without failure");
    told.recv().await.expect("it starts");
    let (panicked, bytes) = told.recv().await.expect("it panics");
    let (restarted, _) = told.recv().await.expect("it is restarted");
    tree.shutdown().await.expect("a clean stop");
    Sample { took: restarted - panicked, bytes }
}

/// Measures the call that terminates it.
async fn dynamic_supervisor_that_is_terminated(children: usize) -> Sample {
    let pool = Supervisor::dynamic("pool").expect("a valid name");
    let handle = pool.handle();
    let mut root = Supervisor::new("root").expect("a valid name");
    let pool = root.add_worker(pool);
    let tree = root.start_on(Tokio::current().expect("a runtime")).await.expect("a start without failure");
    let bytes = fill(&handle, children).await.expect("it runs");
    let begin = Instant::now();
    tree.handle().terminate_child(pool).await.expect("it runs");
    let took = begin.elapsed();
    tree.shutdown().await.expect("a clean stop");
    Sample { took, bytes }
}
