//! A shop with trouble in it, for a person to look at in the browser.
//!
//! - `payments.db` fails every few seconds, and comes back;
//! - `search.indexer` waits a minute for its next attempt;
//! - `media.thumbnails` is stuck: it was aborted, and never yields;
//! - `search.query` keeps its thread busy, with polls of 30 ms;
//! - `notify.mail` gives up again and again, because its `sender` panics;
//! - the others, and a crowd of connections, are well.

use std::{error::Error, thread, time::Duration};

use supervision::{
    Backoff, Probes, RestartStrategy, Supervisor, SupervisorError, capture_panics, local_worker, observer::Observer,
    process, worker,
};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the value of an option: `--port 8080`.
fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn supervisor(name: &str, intensity: usize, period: Duration) -> Result<Supervisor, SupervisorError> {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(intensity, period);
    Ok(Supervisor::new(name.to_owned())?.with_restart_strategy(strategy))
}

fn payments() -> Result<Supervisor, SupervisorError> {
    let mut payments = supervisor("payments", 40, 60 * SECOND)?;
    payments.add_worker(worker("db", |_| async {
        process::sleep(3 * SECOND).await;
        Err::<(), _>("cannot reach db.internal:5432: connection refused")
    }));
    payments.add_worker(worker("gateway", |shutdown| shutdown));
    payments.add_worker(worker("ledger", |shutdown| shutdown));
    Ok(payments)
}

fn search() -> Result<Supervisor, SupervisorError> {
    let mut search = supervisor("search", 5, 60 * SECOND)?;
    let indexer = worker("indexer", |_| async {
        process::sleep(SECOND / 2).await;
        Err::<(), _>("the index is locked by another process")
    });
    search.add_worker(indexer.with_backoff(Backoff::constant(60 * SECOND)));
    search.add_worker(worker("query", |_| async {
        loop {
            thread::sleep(SECOND * 3 / 100); // a computation
            process::sleep(SECOND / 10).await;
        }
        #[expect(unreachable_code, reason = "gives the future its type")]
        ()
    }));
    Ok(search.with_accounting())
}

fn media() -> Result<Supervisor, SupervisorError> {
    let mut media = supervisor("media", 5, 60 * SECOND)?.with_abort_grace(SECOND);
    // On a thread of its own, so that it blocks no other process.
    let thumbnails = local_worker("thumbnails", |_| async {
        process::heartbeat();
        process::sleep(SECOND).await;
        loop {
            thread::sleep(60 * SECOND); // a call into a library that does not return
        }
        #[expect(unreachable_code, reason = "gives the future its type")]
        ()
    });
    media.add_worker(thumbnails.with_watchdog(SECOND));
    media.add_worker(worker("uploads", |shutdown| shutdown));
    Ok(media)
}

fn notify() -> Result<Supervisor, SupervisorError> {
    let mut mail = supervisor("mail", 2, 10 * SECOND)?;
    mail.add_worker(worker("sender", |_| async {
        process::sleep(2 * SECOND).await;
        let recipients: [&str; 0] = [];
        let first = recipients.first().expect("a letter without a recipient");
        println!("sent to {first}");
    }));
    mail.add_worker(worker("queue", |shutdown| shutdown));
    let mut notify = supervisor("notify", 20, 60 * SECOND)?;
    notify.add_worker(mail);
    notify.add_worker(worker("push", |shutdown| shutdown));
    Ok(notify)
}

fn web(crowd: usize) -> Result<Supervisor, SupervisorError> {
    let mut web = supervisor("web", 5, 60 * SECOND)?;
    let connections = Supervisor::dynamic("connections")?;
    let handle = connections.handle();
    web.add_worker(connections);
    web.add_worker(worker("listener", move |shutdown| {
        for number in 0..crowd {
            // A restarted listener finds its connections still there.
            let _ = handle.spawn(worker(format!("connection_{number}"), |shutdown| shutdown));
        }
        shutdown
    }));
    Ok(web)
}

pub(crate) async fn serve() -> Result<(), Box<dyn Error>> {
    capture_panics();
    let mut observer = Observer::new();
    if let Some(token) = option("--control") {
        observer = observer.with_control(token);
    }
    let port = option("--port").map_or(Ok(8080), |port| port.parse())?;
    let crowd = option("--crowd").map_or(Ok(40), |crowd| crowd.parse())?;
    let probes = Probes::on_loopback(port).with_observer(observer)?;

    let mut root = supervisor("shop", 10, 60 * SECOND)?.with_shutdown_budget(5 * SECOND);
    root.add_worker(probes.clone());
    for part in [payments()?, search()?, media()?, notify()?, web(crowd)?] {
        root.add_worker(part);
    }
    let tree = supervision::start(root).await?;
    let address = probes.local_addr().ok_or("the probes listen")?;
    println!("the tree is on http://localhost:{}", address.port());
    tokio::signal::ctrl_c().await?;
    if let Err(error) = tree.shutdown().await {
        // The stuck one.
        println!("{error:#}");
    }
    std::process::exit(0)
}
