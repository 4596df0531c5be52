//! How supervisors and workers are composed, and how failed workers and supervisors are restarted.
//!
//! ```text
//! root                      one-for-one
//! ├── heartbeat             runs for as long as the program does
//! ├── admin_api             one-for-one: its children do not need each other
//! │   ├── router
//! │   └── connections       fails now and then, and is restarted alone
//! └── telemetry             rest-for-one: what comes later needs what comes before
//!     ├── collector         panics too often for its supervisor, which gives up, and is restarted as a whole
//!     └── flusher           takes a moment to stop
//! ```
//!
//! `cargo run --example basic_supervisor`

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use supervision::{
    BoxError, InitializationError, ProcessShutdown, RestartStrategy, Supervisable, Supervisor, SupervisorError,
    SupervisorFuture, process, worker,
};
use tokio::time::{interval, sleep};

#[tokio::main]
async fn main() -> Result<(), SupervisorError> {
    explain_panics_in_one_line();
    // The library's own log: what failed, what is restarted, who gave up.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .init();

    let mut admin_api = Supervisor::new("admin-api")?
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(5, Duration::from_secs(5)));
    admin_api.add_worker(worker("router", |shutdown| async {
        say("routing requests");
        shutdown.await;
        say("stopped");
    }));
    admin_api.add_worker(worker("connections", handle_connections));

    let mut telemetry = Supervisor::new("telemetry")?
        .with_restart_strategy(RestartStrategy::rest_for_one().with_intensity_and_period(2, Duration::from_secs(10)));
    telemetry.add_worker(Collector { port: 4317 });
    telemetry.add_worker(worker("flusher", flush));

    let mut root = Supervisor::new("root")?;
    root.add_worker(worker("heartbeat", beat));
    root.add_worker(admin_api);
    root.add_worker(telemetry);

    println!("--- starting: one child after the other, each when the one before is ready");
    let enough = async {
        sleep(Duration::from_secs(7)).await;
        println!("--- shutting down: the last one started stops first");
    };
    supervision::run(root).with_shutdown(enough).await?;
    println!("--- everything has stopped in order");
    Ok(())
}

/// Runs as a worker from an async function: it has no set-up, so it is ready as soon as it runs.
async fn beat(mut shutdown: ProcessShutdown) {
    let mut ticks = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = shutdown.wait_for_shutdown() => break,
            _ = ticks.tick() => say("still here, and never restarted"),
        }
    }
    say("stopped");
}

/// Fails now and then. An error ends a worker like a panic does. The worker is restarted, because a child is permanent
/// by default.
async fn handle_connections(mut shutdown: ProcessShutdown) -> Result<(), BoxError> {
    say("accepting connections");
    tokio::select! {
        () = shutdown.wait_for_shutdown() => {
            say("stopped");
            Ok(())
        }
        () = sleep(Duration::from_millis(1800)) => Err("a client sent nonsense".into()),
    }
}

/// A worker with a set-up: the next child starts when `initialize` is done.
struct Collector {
    port: u16,
}

impl Supervisable for Collector {
    fn name(&self) -> &str {
        "collector"
    }

    async fn initialize(&self, mut shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        static STARTS: AtomicU32 = AtomicU32::new(0);
        let start = STARTS.fetch_add(1, Relaxed) + 1;
        sleep(Duration::from_millis(100)).await; // binding, connecting, ...
        say(&format!("collecting on port {} (start number {start})", self.port));
        Ok(Box::pin(async move {
            let trouble = async {
                sleep(Duration::from_millis(700)).await;
                // Three panics are one more than its supervisor allows. After that, all is well.
                assert!(start > 3, "a malformed metric");
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = shutdown.wait_for_shutdown() => say("stopped"),
                () = trouble => {}
            }
            Ok(())
        }))
    }
}

async fn flush(shutdown: ProcessShutdown) {
    say("flushing now and then");
    shutdown.await;
    say("asked to stop: one last flush, please wait");
    sleep(Duration::from_millis(400)).await;
    say("flushed, and stopped");
}

/// Prints a line with the time since the start and the name of the process that speaks.
fn say(message: &str) {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    let time = BEGIN.get_or_init(Instant::now).elapsed().as_secs_f32();
    let name = process::current().map(|me| me.path()).unwrap_or_default();
    println!("{time:4.1}s  {name:27} {message}");
}

fn explain_panics_in_one_line() {
    std::panic::set_hook(Box::new(|info| {
        say(&format!("panics: {}", info.payload().downcast_ref::<&str>().unwrap_or(&"without a word")));
    }));
}
