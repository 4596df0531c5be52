//! A tree with trouble in it, and what an operator sees: every event as it happens, and the tree as a picture, now and
//! then. Ends by itself after a few seconds.
//!
//! With `--serve`, it shows another tree in the browser until Ctrl-C:
//! `cargo run --features observer --example observe -- --serve`. `--port 8080` chooses the port, `--crowd 10000` the number of
//! connections, and `--control TOKEN` lets who has this token restart children.
//!
//! - `feed.poller` fails again and again, until its supervisor gives up and is restarted;
//! - `peer` waits for a server that does not answer, and its watchdog finds it;
//! - `parser` blocks its thread for two seconds, and is named while it does;
//! - `cache` takes a while to warm up, and reports itself when it is ready.

#[cfg(feature = "observer")]
#[path = "support/shop.rs"]
mod shop;

use std::{future::pending, thread, time::Duration};

use supervision::{
    Backoff, EventKind, RestartStrategy, ShutdownStrategy, Supervisor, SupervisorError, process, watch_polls, worker,
};

const MOMENT: Duration = Duration::from_millis(100);

fn tree() -> Result<Supervisor, SupervisorError> {
    let mut feed = Supervisor::new("feed")?
        .with_default_backoff(Backoff::exponential(MOMENT / 2, 5 * MOMENT))
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(3, Duration::from_secs(10)));
    feed.add_worker(worker("poller", |_| async {
        process::sleep(MOMENT).await;
        Err::<(), _>("connection refused")
    }));
    feed.add_worker(worker("writer", |shutdown| shutdown));

    let patient = RestartStrategy::one_for_one().with_intensity_and_period(10, Duration::from_secs(10));
    let mut root = Supervisor::new("root")?.with_restart_strategy(patient);
    let cache = worker("cache", |shutdown| async move {
        process::sleep(3 * MOMENT).await; // warms up
        process::ready();
        shutdown.await;
    });
    root.add_worker(cache.with_explicit_ready().with_start_timeout(Duration::from_secs(5)));
    root.add_worker(feed);
    let peer = worker("peer", |_| async {
        process::heartbeat();
        pending::<()>().await; // waits for an answer that does not come
    });
    root.add_worker(peer.with_watchdog(5 * MOMENT).with_shutdown_strategy(ShutdownStrategy::Graceful(MOMENT)));
    let mut is_first = true;
    root.add_worker(worker("parser", move |shutdown| {
        let is_hard = std::mem::replace(&mut is_first, false);
        async move {
            process::sleep(6 * MOMENT).await;
            if is_hard {
                thread::sleep(Duration::from_secs(2)); // a poll that does not end
            }
            shutdown.await;
        }
    }));
    Ok(root)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _watch = watch_polls(5 * MOMENT)?;
    if std::env::args().any(|argument| argument == "--serve") {
        #[cfg(feature = "observer")]
        return shop::serve().await;
        #[cfg(not(feature = "observer"))]
        return Err("build it with `--features observer` to show a tree in the browser".into());
    }
    let root = tree()?;
    let mut events = root.handle().events();
    let printer = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let mark = match event.kind {
                EventKind::GaveUp(_) | EventKind::Blocked { .. } | EventKind::Unresponsive { .. } => "!!",
                EventKind::Restarting { .. } | EventKind::Exited(_) => " !",
                _ => "  ",
            };
            println!("{mark} {event}");
        }
    });

    let tree = supervision::start(root).await?;
    println!("\nready: {}\n{}\n", tree.snapshot().await.ready, tree.snapshot().await);
    for _ in 0..3 {
        tokio::time::sleep(10 * MOMENT).await;
        println!("\n{}\n", tree.snapshot().await);
    }
    let handle = tree.handle();
    let outcome = tree.shutdown().await;
    println!("\nafter the end:\n{}\n", handle.snapshot().await);
    drop(handle);
    printer.await?;
    // The peer ignores the request, so it is aborted, and the shutdown says so.
    if let Err(error) = outcome {
        println!("{error:#}");
    }
    Ok(())
}
