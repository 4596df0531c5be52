//! An HTTP service, with what belongs to one: a listener, a writer, a poller, jobs with results, probes, and a reload.
//!
//! ```text
//! service
//! ├── configured      rest-for-one: a reload of `settings` restarts what has read them
//! │   ├── settings    reads the configuration
//! │   └── poller      asks another service; while that is away, with longer and longer pauses
//! ├── reloader        reloads `settings` at SIGHUP
//! └── api             the part that serves. It starts last, and stops first
//!     ├── writer      puts rows into SQLite; its receiver outlives its processes
//!     ├── jobs        dynamic, with a bound: a process for each job
//!     └── listener    axum
//! ```
//!
//! `cargo run -p axum_service -- --drive` starts the service, drives it with an HTTP client and signals, and ends.
//! `cargo run -p axum_service -- examples/axum_service/service.toml` serves until Ctrl-C. Try:
//!
//! ```sh
//! curl -i localhost:8080/ready
//! curl -i localhost:8080/jobs --json '{"dividend": 84, "divisor": 2}'
//! ```

mod config;
#[cfg(unix)]
mod drive;
mod jobs;
mod listener;
mod poller;
#[cfg(unix)]
mod reloader;
mod routes;
mod writer;

use std::{env, path::Path, sync::Arc, time::Duration};

use supervision::{BoxError, RestartStrategy, Supervisor};
use tokio::sync::{mpsc, watch};

use crate::{config::Config, routes::App};

/// The rows that may wait for the writer. When there are more, the jobs wait.
const MAX_UNWRITTEN: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let argument = env::args().nth(1).ok_or("name the file of the configuration, or `--drive`")?;
    #[cfg(unix)]
    if argument == "--drive" {
        return drive::drive().await;
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let root = service(Path::new(&argument).into())?;
    supervision::run(root).until_signal().exit().await // SIGTERM or Ctrl-C
}

/// Puts the tree together.
fn service(file: Arc<Path>) -> Result<Supervisor, BoxError> {
    let config = Config::read(&file)?;
    let (published, current) = watch::channel(config.clone());
    let (answers, answer) = watch::channel(None);
    let (rows, received) = mpsc::channel(MAX_UNWRITTEN);

    // The upstream may be away for days. The backoff of the poller is the brake.
    let configured = Supervisor::new("configured")?
        .with_restart_strategy(RestartStrategy::rest_for_one().with_unlimited_restarts())
        .with_worker(config::settings(file.clone(), published))
        .with_worker(poller::poller(current, answers));

    // A database that is locked makes each start of the writer fail. This survives some minutes of that.
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(200, Duration::from_secs(600));
    let api = Supervisor::new("api")?.with_restart_strategy(patient);
    let jobs = jobs::jobs(config.max_jobs)?;
    let app = App { api: api.handle(), jobs: jobs.handle(), rows, answer };
    let api = api
        .with_worker(writer::writer(config.database, received))
        .with_worker(jobs)
        .with_worker(listener::listener(config.listen, routes::routes(app)));

    // Longer than `api` takes to give up. Otherwise the root would restart it for ever.
    let strict = RestartStrategy::one_for_one().with_intensity_and_period(1, Duration::from_secs(3600));
    let mut root = Supervisor::new("service")?.with_restart_strategy(strict);
    root.add_worker(configured);
    #[cfg(unix)]
    root.add_worker(reloader::reloader(file, "service.configured.settings"));
    root.add_worker(api);
    Ok(root)
}
