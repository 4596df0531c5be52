//! A small agent, as it would run beside a service: it samples the machine's load, reports it, and goes on when either
//! part fails. On one thread; on smol without Tokio in the binary, or on Tokio.
//!
//! `cargo run --example agent --no-default-features --features smol` ends by itself after two seconds;
//! with `--profile lightweight` the binary is as small as it gets. `--features tokio` is the same on Tokio.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use supervision::{
    BoxError, InitializationError, ProcessShutdown, RestartStrategy, Supervisable, Supervisor, SupervisorError,
    SupervisorFuture, process, worker,
};

const EVERY: Duration = Duration::from_millis(250);
#[cfg(any(feature = "smol", feature = "tokio"))]
const FOR: Duration = Duration::from_secs(2);

fn main() -> Result<(), SupervisorError> {
    std::panic::set_hook(Box::new(|_| {})); // one panic is on purpose
    let sample = Arc::new(AtomicU32::new(0));
    let reports = Arc::new(AtomicU32::new(0));

    // The reporter needs the sampler, so it is restarted with it.
    let strategy = RestartStrategy::rest_for_one().with_intensity_and_period(5, Duration::from_secs(60));
    let mut root = Supervisor::new("agent")?.with_restart_strategy(strategy);
    root.add_worker(Sampler { sample: sample.clone() });
    let (read, count) = (sample, reports.clone());
    root.add_worker(worker("reporter", move |shutdown| report(read.clone(), count.clone(), shutdown)));

    run(root)?;
    println!("{} reports, one of them a crash", reports.load(Relaxed));
    assert!(reports.load(Relaxed) > 3, "the agent has gone on after the crash");
    Ok(())
}

#[cfg(feature = "smol")]
fn run(root: Supervisor) -> Result<(), SupervisorError> {
    let enough = async {
        smol::Timer::after(FOR).await;
    };
    supervision::block_on(root, |run| run.with_shutdown(enough))
}

#[cfg(not(any(feature = "smol", feature = "tokio")))]
fn run(_: Supervisor) -> Result<(), SupervisorError> {
    Err(SupervisorError::executor("turn on the feature `smol` or `tokio`"))
}

#[cfg(all(feature = "tokio", not(feature = "smol")))]
fn run(root: Supervisor) -> Result<(), SupervisorError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(SupervisorError::executor)?;
    runtime.block_on(async { supervision::run(root).with_shutdown(tokio::time::sleep(FOR)).await })
}

/// A worker that reads the load of the machine again and again.
struct Sampler {
    sample: Arc<AtomicU32>,
}

/// Returns the load in hundredths; zero if the machine does not tell.
fn load() -> io::Result<u32> {
    let Ok(text) = fs::read_to_string("/proc/loadavg") else { return Ok(0) };
    // `0.42`: always two decimals. Read without them, it is in hundredths; to read floating point takes 20 KB of a binary.
    let first = text.split_whitespace().next().and_then(|first| first.replace('.', "").parse().ok());
    first.ok_or_else(|| io::Error::other("what the machine tells is no load"))
}

impl Supervisable for Sampler {
    fn name(&self) -> &str {
        "sampler"
    }

    /// Becomes ready when there is a first sample.
    async fn initialize(&self, mut shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        let sample = self.sample.clone();
        sample.store(load()?, Relaxed);
        Ok(Box::pin(async move {
            while !pause(&mut shutdown).await {
                sample.store(load()?, Relaxed);
            }
            Ok(())
        }))
    }
}

async fn report(
    sample: Arc<AtomicU32>,
    reports: Arc<AtomicU32>,
    mut shutdown: ProcessShutdown,
) -> Result<(), BoxError> {
    while !pause(&mut shutdown).await {
        if reports.fetch_add(1, Relaxed) == 1 {
            panic!("the second report, on purpose");
        }
        let load = sample.load(Relaxed);
        println!("load {}.{:02}", load / 100, load % 100);
    }
    Ok(())
}

/// Waits for a moment. Returns whether it is time to stop.
async fn pause(shutdown: &mut ProcessShutdown) -> bool {
    let asked = async {
        shutdown.wait_for_shutdown().await;
        true
    };
    let elapsed = async {
        process::sleep(EVERY).await;
        false
    };
    futures_lite::future::or(asked, elapsed).await
}
