//! The poller: asks another service, again and again, and keeps its last answer.

use std::time::Duration;

use supervision::{Backoff, BoxError, ChildSpec, ProcessShutdown, worker};
use tokio::{sync::watch, time::sleep};

use crate::config::{Config, PollerConfig};

/// Returns the worker. An upstream that does not answer is its failure: it is restarted, and each time it waits longer.
pub(crate) fn poller(config: watch::Receiver<Config>, answer: watch::Sender<Option<String>>) -> ChildSpec {
    worker("poller", move |shutdown| poll(config.borrow().poller.clone(), answer.clone(), shutdown))
        .with_backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(5)))
}

async fn poll(
    config: PollerConfig,
    answer: watch::Sender<Option<String>>,
    shutdown: ProcessShutdown,
) -> Result<(), BoxError> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let asks = async {
        loop {
            let response = client.get(&config.upstream).send().await?.error_for_status()?;
            answer.send_replace(Some(response.text().await?));
            sleep(Duration::from_millis(config.every_ms)).await;
        }
    };
    // A request that is under way is dropped when the shutdown comes: there is nothing to finish.
    shutdown.run_until(asks).await.unwrap_or(Ok(()))
}
