//! A new configuration while the tree runs: one worker is restarted by hand, and with it what depends on it.
//!
//! ```text
//! root                    one-for-one
//! ├── log                 reads no settings, so it never notices
//! └── feed                rest-for-one: what comes later needs what comes before
//!     ├── connection      reads the settings in its set-up
//!     └── parser          reads from the connection
//! ```
//!
//! It also shows what follows from settings that do not work: the call returns the failure, and the old settings are put
//! back; or they stay, and the supervisor tries again until it gives up; or no restart is tried, because none can help.
//!
//! `cargo run --example reload` ends by itself.

use std::{error::Error, fmt, time::Duration};

use supervision::{
    Backoff, BoxError, ChildId, ChildSpec, RestartStrategy, Supervisor, SupervisorError, worker_with_setup,
};
use tokio::sync::watch;

/// The settings: the name of the peer.
type Settings = watch::Sender<&'static str>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    reloads().await?;
    gives_up().await?;
    stays_stopped().await
}

/// Reloads with settings that work, and with settings that do not.
async fn reloads() -> Result<(), BoxError> {
    let settings = Settings::new("alpha");
    // Time to put the old settings back before the next attempt.
    let connection = connection(&settings).with_backoff(Backoff::constant(Duration::from_secs(60)));
    let (feed, connection) = feed(connection)?;
    let handle = feed.handle();

    println!("--- starts");
    let root = Supervisor::new("root")?.with_worker(reporting("log")).with_worker(feed);
    let tree = supervision::start(root).await?;

    println!("--- new settings: beta");
    settings.send_replace("beta"); // first the settings, then the call
    handle.reload_child(connection).await?;

    println!("--- new settings that do not work: nowhere");
    let old = settings.send_replace("nowhere");
    match handle.reload_child(connection).await {
        Ok(()) => println!("applied"),
        Err(error) => {
            println!("not applied: {error:#}");
            println!("--- the old settings again: {old}");
            settings.send_replace(old);
            handle.reload_child(connection).await?; // does not wait for the backoff
        }
    }
    assert!(tree.snapshot().await.ready);

    println!("--- stops");
    Ok(tree.shutdown().await?)
}

/// Leaves settings in place that do not work. They are charged as any failed restart is.
async fn gives_up() -> Result<(), BoxError> {
    println!("--- settings that do not work, and stay");
    let settings = Settings::new("alpha");
    let connection = connection(&settings).with_backoff(Backoff::constant(Duration::from_millis(10)));
    let (feed, connection) = feed(connection)?;
    let mut tree = supervision::start(feed).await?;

    settings.send_replace("nowhere");
    if let Err(error) = tree.handle().reload_child(connection).await {
        println!("not applied: {error:#}");
    }
    match tree.wait().await {
        Err(SupervisorError::GaveUp(gave_up)) => println!("{gave_up}"),
        other => panic!("the peer was found: {other:?}"),
    }
    Ok(())
}

/// Makes the failure final, because no restart can help. The supervisor charges nothing, and the child waits for a reload.
async fn stays_stopped() -> Result<(), BoxError> {
    println!("--- settings that do not work, and a connection that is not restarted for such an error");
    let settings = Settings::new("alpha");
    let (feed, connection) = feed(connection(&settings).with_restart_if(|error| !error.is::<UnknownPeer>()))?;
    let tree = supervision::start(feed).await?;

    settings.send_replace("nowhere");
    let applied = tree.handle().reload_child(connection).await;
    tree.ready().await?; // the call returns the failure at once, and the rest of the group starts
    if let Err(error) = applied {
        println!("not applied: {error:#}");
    }
    println!("--- settings that work");
    settings.send_replace("gamma");
    tree.handle().reload_child(connection).await?;
    println!("--- stops");
    Ok(tree.shutdown().await?)
}

/// Returns the part of the tree that the settings concern, and the child that reads them.
fn feed(connection: ChildSpec) -> Result<(Supervisor, ChildId), SupervisorError> {
    let strategy = RestartStrategy::rest_for_one().with_intensity_and_period(3, Duration::from_secs(60));
    let mut feed = Supervisor::new("feed")?.with_restart_strategy(strategy);
    let connection = feed.add_worker(connection);
    feed.add_worker(reporting("parser"));
    Ok((feed, connection))
}

/// Returns a worker that reads the settings each time it starts.
fn connection(settings: &Settings) -> ChildSpec {
    let settings = settings.subscribe();
    worker_with_setup("connection", move |shutdown| {
        let peer = *settings.borrow();
        async move {
            if peer == "nowhere" {
                println!("  connection: {peer} does not answer");
                return Err(UnknownPeer(peer).into());
            }
            println!("  connection: to {peer}");
            Ok(async move {
                shutdown.await;
                println!("  connection: closed");
            })
        }
    })
}

/// Returns a worker that prints that it starts and stops.
fn reporting(name: &'static str) -> ChildSpec {
    worker_with_setup(name, move |shutdown| async move {
        println!("  {name}: runs");
        Ok(async move {
            shutdown.await;
            println!("  {name}: stopped");
        })
    })
}

#[derive(Debug)]
struct UnknownPeer(&'static str);

impl fmt::Display for UnknownPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown peer {}", self.0)
    }
}

impl Error for UnknownPeer {}
