//! A small Redis server, as a supervision tree.

use std::{process::exit, sync::Arc, time::Duration};

use mini_redis::{
    acceptor::acceptor,
    chaos::chaos,
    log::{Inbox, flusher, syncer},
    net,
    options::{Options, USAGE},
    reporter::reporter,
    server::Server,
    store::store,
    sweeper::sweeper,
};
use supervision::{AutoShutdown, RestartStrategy, Supervisor, SupervisorError};

fn main() -> std::io::Result<()> {
    let options = Options::read().unwrap_or_else(|error| {
        eprintln!("mini-redis: {error}\n\n{USAGE}");
        exit(2)
    });
    options.start_logging();
    supervision::capture_panics();
    net::block_on(async {
        let (server, inbox) = Server::new(options);
        match tree(&Arc::new(server), inbox) {
            Ok(root) => supervision::run(root).until_signal().exit().await,
            Err(error) => supervision::exit(Err(error)),
        }
    })
}

/// The tree. Children start in this order, each when the one before it is ready, and stop in the reverse order.
fn tree(server: &Arc<Server>, inbox: Inbox) -> Result<Supervisor, SupervisorError> {
    let restarts = if server.options.chaos { usize::MAX } else { 10 };
    let mut service = Supervisor::new("mini_redis")?
        .with_restart_strategy(
            RestartStrategy::one_for_one().with_intensity_and_period(restarts, Duration::from_secs(10)),
        )
        .with_auto_shutdown(AutoShutdown::AnySignificant);
    // First: it answers while the log is read, and until the last connection has ended.
    if let Some(probes) = &server.options.probes {
        let server = server.clone();
        service.add_worker(probes.clone().with_metrics(move || server.metrics()));
    }
    service.add_worker(store(server));
    service.add_worker(flusher(server, inbox));
    service.add_worker(syncer(server));
    service.add_worker(sweeper(server));
    service.add_worker(reporter(server));

    // Not a scope of the acceptor: that would end with it, and a restart of the acceptor must disconnect no client.
    let connections = Supervisor::dynamic("connections")?
        .with_max_children(server.options.max_connections)
        .with_shutdown_budget(Duration::from_secs(5));
    let handle = connections.handle();
    service.add_worker(connections);
    service.add_worker(acceptor(server, handle.clone()));

    if !server.options.chaos {
        return Ok(service);
    }
    // Added after the service, so it stops first.
    let chaos = chaos(server, service.handle(), handle);
    Ok(Supervisor::new("under_chaos")?.with_worker(service).with_worker(chaos))
}
