//! The configuration: a file in TOML.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use supervision::{BoxError, ChildSpec, worker_with_setup};
use tokio::sync::watch;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) database: PathBuf,
    pub(crate) max_jobs: usize,
    pub(crate) poller: PollerConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollerConfig {
    pub(crate) upstream: String,
    pub(crate) every_ms: u64,
}

impl Config {
    /// Reads a file. The error names the file, and the place in it.
    pub(crate) fn read(file: &Path) -> Result<Self, BoxError> {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {}", file.display(), error.to_string().trim_end()).into())
    }
}

/// Returns the worker that reads the file when it starts, and publishes what it says. A reload of this worker restarts those
/// that started after it.
pub(crate) fn settings(file: Arc<Path>, published: watch::Sender<Config>) -> ChildSpec {
    worker_with_setup("settings", move |shutdown| {
        let (file, published) = (file.clone(), published.clone());
        async move {
            published.send_replace(Config::read(&file)?);
            Ok(shutdown) // nothing to do until it is asked to stop
        }
    })
}
