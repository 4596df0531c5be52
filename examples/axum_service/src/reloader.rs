//! The reloader: applies the configuration again at each SIGHUP.

use std::{path::Path, sync::Arc};

use supervision::{ChildSpec, ProcessShutdown, SupervisorError, process, worker_with_setup};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;

/// Returns the worker. `settings` is the dotted name of the child that reads the file.
pub(crate) fn reloader(file: Arc<Path>, settings: &'static str) -> ChildSpec {
    worker_with_setup("reloader", move |shutdown| {
        let file = file.clone();
        async move {
            let hangups = signal(SignalKind::hangup())?; // from here on the signal does not end the program
            Ok(reload(hangups, file, settings, shutdown))
        }
    })
}

async fn reload(
    mut hangups: Signal,
    file: Arc<Path>,
    settings: &str,
    shutdown: ProcessShutdown,
) -> Result<(), SupervisorError> {
    while shutdown.run_until(hangups.recv()).await.is_some() {
        // A file that cannot be read stops nothing: what runs goes on with what it has.
        if let Err(error) = Config::read(&file) {
            tracing::error!("the configuration is not applied: {error}");
            continue;
        }
        match process::supervisor()?.reload_by_path(settings).await {
            Ok(()) => tracing::info!("the configuration is applied"),
            Err(error) => tracing::error!("the configuration is not applied: {error:#}"),
        }
    }
    Ok(())
}
