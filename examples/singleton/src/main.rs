//! A service that runs as several replicas, of which one at a time does the work: see README.md.

mod journal;
mod memory;
mod options;
mod work;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use etcd_client::{Client, ConnectOptions};
use lease::{Leased, Store};
use lease_etcd::Etcd;
use lease_postgres::Postgres;
use supervision::{BoxError, Supervisor};

use self::{
    journal::Journal,
    options::{Options, Place},
    work::Work,
};

/// How long an aborted job may take to yield.
const GRACE: Duration = Duration::from_millis(250);

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let Some(options) = Options::from_args()? else {
        println!("{}", options::HELP);
        return Ok(());
    };
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
    let leased = match &options.place {
        Place::Memory => return memory::run(&options).await,
        Place::Etcd(endpoint) => {
            // Without keepalives a connection over which nothing comes any more is found dead after a quarter of an hour.
            let limit = Duration::from_secs(1);
            let settings = ConnectOptions::new()
                .with_keep_alive(limit, limit)
                .with_keep_alive_while_idle(true)
                .with_connect_timeout(limit);
            leased(&options, Etcd::new(Client::connect([endpoint], Some(settings)).await?, "singleton")?)
        }
        Place::Postgres(config) => leased(&options, Postgres::new(config.parse()?, "singleton")?),
    };
    let work = Work::new(&options, Journal::open(&options.log)?);
    let mut service = Supervisor::new("service")?;
    // What runs on every replica is added here, beside what runs on one.
    service.add_worker(leased.run(move |held| work.subtree(held))?);
    supervision::run(service).until_signal().exit().await
}

/// Makes the lease. Its times are short, so that a hand-over can be watched: the defaults are for services.
fn leased(options: &Options, store: impl Store) -> Leased {
    Leased::new("singleton", store)
        .with_duration(options.duration)
        .with_stop_budget(options.stop)
        .with_abort_grace(GRACE)
        .with_margin(Duration::from_millis(250))
        .with_renewal_interval(Duration::from_millis(100))
        .with_request_limit(Duration::from_millis(500))
}
