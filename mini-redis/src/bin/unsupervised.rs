//! The same server without supervision: the same parts, each in a plain task. It is what the supervised one is compared
//! with. A panic in one of its parts goes unnoticed, and that part is gone.

use std::{
    io,
    process::exit,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use mini_redis::{
    acceptor::{OUT_OF_DESCRIPTORS, listen, refuse},
    connection::serve,
    log::{SYNC_EVERY, flush},
    net,
    options::{Options, USAGE},
    reporter::report,
    server::Server,
    sweeper::{SWEEP_EVERY, sweep},
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use supervision::ProcessShutdown;

fn main() -> io::Result<()> {
    let options = Options::read().unwrap_or_else(|error| {
        eprintln!("unsupervised: {error}\n\n{USAGE}");
        exit(2)
    });
    options.start_logging();
    net::block_on(run(options))?
}

async fn run(options: Options) -> io::Result<()> {
    let (server, mut inbox) = Server::new(options);
    let server = Arc::new(server);
    server.load()?;

    // Used as a plain token.
    let (shutdown, stop) = ProcessShutdown::paired();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        signals.forever().next();
        stop.trigger();
    });

    let (flusher, stop_flusher) = ProcessShutdown::paired();
    let (is_flushed, flushed) = oneshot::channel();
    let shared = server.clone();
    net::spawn(async move {
        let _ = is_flushed.send(flush(&shared, &mut inbox, &flusher).await);
    });
    let shared = server.clone();
    net::spawn(async move {
        loop {
            net::sleep(SYNC_EVERY).await;
            let shared = shared.clone();
            if let Err(error) = blocking::unblock(move || shared.log.sync()).await {
                tracing::error!(%error, "cannot synchronize the log");
                exit(1);
            }
        }
    });
    let shared = server.clone();
    net::spawn(async move {
        loop {
            net::sleep(SWEEP_EVERY).await;
            while sweep(&shared) {
                futures_lite::future::yield_now().await;
            }
        }
    });
    let shared = server.clone();
    net::spawn(async move {
        loop {
            net::sleep(shared.options.report).await;
            report(&shared);
        }
    });

    let listener = listen(&server).await?;
    let connections = Arc::new(AtomicUsize::new(0));
    while let Some(accepted) = shutdown.run_until(listener.accept()).await {
        match accepted {
            Ok((stream, _)) if connections.load(SeqCst) >= server.options.max_connections => {
                refuse(stream, &server).await;
            }
            Ok((stream, _)) => {
                let room = Room::take(&connections);
                let (server, shutdown) = (server.clone(), shutdown.clone());
                net::spawn(async move {
                    let _room = room;
                    if let Err(error) = serve(stream, server, shutdown, net::sleep).await {
                        tracing::info!(%error, "a connection has failed");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                net::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
    for _ in 0..500 {
        if connections.load(SeqCst) == 0 {
            break;
        }
        net::sleep(Duration::from_millis(10)).await;
    }
    stop_flusher.trigger();
    flushed.await.map_err(io::Error::other)?
}

/// The place of a connection, until it is dropped.
struct Room(Arc<AtomicUsize>);

impl Room {
    fn take(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
