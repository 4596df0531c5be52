//! PostgreSQL passes the contract of stores, and what is special about it. Each test starts a server of its own: `scripts/lease`
//! installs it.

mod server;

use std::{future::Future, time::Duration};

use futures_lite::future::or;
use lease::{Acquisition, Bid, Clock, Holder, MachineClock, Renewal, Store, contract::Backend};
use lease_postgres::{Postgres, SCHEMA};
use tokio::{
    runtime::{self, Runtime},
    time::sleep,
};
use tokio_postgres::NoTls;
use tokio_util::task::AbortOnDropHandle;

use self::server::Server;

const NAME: &str = "compactor";

/// A server, and a runtime for its clients. The futures of the stores are driven outside of that, as on another executor.
struct Place {
    runtime: Runtime,
    server: Server,
    clock: MachineClock,
}

impl Place {
    async fn inside<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        AbortOnDropHandle::new(self.runtime.spawn(future)).await.unwrap()
    }

    fn named(&self, name: &str) -> Postgres {
        Postgres::on(self.runtime.handle().clone(), self.server.config(), NoTls, name)
    }

    /// Asks the server over a connection of its own, which counts nothing itself.
    async fn number(&self, question: &'static str) -> i64 {
        let config = self.server.config();
        self.inside(async move {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            let driver = AbortOnDropHandle::new(tokio::spawn(connection));
            let number = client.query_one(question, &[]).await.unwrap().get(0);
            drop(client);
            // Until the server has been told.
            driver.await.unwrap().unwrap();
            number
        })
        .await
    }

    async fn command(&self, command: &'static str) {
        let config = self.server.config();
        self.inside(async move {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            let driver = AbortOnDropHandle::new(tokio::spawn(connection));
            client.batch_execute(command).await.unwrap();
            drop(client);
            driver.await.unwrap().unwrap();
        })
        .await;
    }
}

impl Backend for Place {
    type Store = Postgres;

    fn new() -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let place = Self { runtime, server: Server::start(), clock: MachineClock::default() };
        place.block_on(async {
            place.command(SCHEMA).await;
            // It may be there already.
            place.command(SCHEMA).await;
        });
        place
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        futures_lite::future::block_on(future)
    }

    async fn store(&self) -> Postgres {
        self.named(NAME)
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    async fn pass(&self, time: Duration) {
        let slept = {
            let _inside = self.runtime.enter();
            sleep(time)
        };
        slept.await;
    }

    async fn delete(&self) {
        self.command("DELETE FROM supervision_lease").await;
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn stop(&self) -> bool {
        self.server.freeze();
        true
    }

    fn resume(&self) {
        self.server.thaw();
    }

    async fn restart(&self) -> bool {
        self.server.restart();
        true
    }

    async fn kept(&self) -> usize {
        // Before a connection for the count is there.
        let tasks = self.runtime.metrics().num_alive_tasks();
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND query <> ''";
        tasks + usize::try_from(self.number(others).await).unwrap()
    }
}

lease::contract_tests!(Place);

/// Runs a test on a server, with two stores and two holders.
fn on_a_server(test: impl AsyncFnOnce(&Place, [Postgres; 2], [Holder; 2])) {
    let place = Place::new();
    place.block_on(async {
        let stores = [place.store().await, place.store().await];
        test(&place, stores, [Holder::new(11), Holder::new(12)]).await;
    });
}

fn bid<'a>(holder: &'a Holder, clock: &'a dyn Clock) -> Bid<'a> {
    Bid::new(holder, Duration::from_secs(1), 0.01, clock)
}

#[test]
fn a_waiter_counts_the_time_that_the_holder_was_granted() {
    on_a_server(async |place, [first, second], [holder, other]| {
        let long = Bid::new(&holder, Duration::from_secs(60), 0.01, &place.clock);
        first.acquire(&long).await.unwrap();
        for _ in 0..2 {
            let answer = second.acquire(&bid(&other, &place.clock)).await.unwrap();
            assert_eq!(answer, Acquisition::HeldBy(holder.to_string()));
            place.pass(Duration::from_millis(1_100)).await;
        }
        assert_eq!(place.number("SELECT duration_ms FROM supervision_lease").await, 60_000);
    });
}

#[test]
fn a_role_needs_no_more_than_to_read_and_write_the_table() {
    on_a_server(async |place, _, [holder, _]| {
        place.command("CREATE ROLE service LOGIN; GRANT SELECT, INSERT, UPDATE ON supervision_lease TO service").await;
        let mut config = place.server.config();
        config.user("service");
        let store = Postgres::on(place.runtime.handle().clone(), config, NoTls, NAME);
        let bid = bid(&holder, &place.clock);
        // The first makes the row, the second changes it.
        for _ in 0..2 {
            let Acquisition::Granted { token, .. } = store.acquire(&bid).await.unwrap() else { panic!() };
            assert!(matches!(store.renew(&bid, token).await.unwrap(), Renewal::Renewed(_)));
            store.release(&holder).await.unwrap();
        }
        store.freed().await;
    });
}

#[test]
fn a_connection_that_the_server_has_closed_is_opened_again() {
    on_a_server(async |place, [store, _], [holder, _]| {
        let bid = bid(&holder, &place.clock);
        let Acquisition::Granted { token, .. } = store.acquire(&bid).await.unwrap() else { panic!() };
        place
            .command(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query <> ''",
            )
            .await;
        // The connection is gone now. The request that finds it closed may fail, and no later one.
        let _ = store.renew(&bid, token).await;
        assert!(matches!(store.renew(&bid, token).await.unwrap(), Renewal::Renewed(_)));
    });
}

#[test]
fn a_connection_that_has_left_a_request_unanswered_is_replaced() {
    on_a_server(async |place, [store, _], [holder, _]| {
        let bid = bid(&holder, &place.clock);
        let Acquisition::Granted { token, .. } = store.acquire(&bid).await.unwrap() else { panic!() };
        let dead = place.server.freeze_connections();
        assert!(within(place, 200, store.renew(&bid, token)).await.is_none(), "no process is there to answer");
        let renewal = within(place, 5_000, store.renew(&bid, token)).await.expect("an answer over a new connection");
        assert!(matches!(renewal.unwrap(), Renewal::Renewed(_)));
        dead.thaw();
    });
}

/// Waits for a while, and drops the future then.
async fn within<T>(place: &Place, millis: u64, future: impl Future<Output = T>) -> Option<T> {
    or(async { Some(future.await) }, async {
        place.pass(Duration::from_millis(millis)).await;
        None
    })
    .await
}

#[test]
fn a_statement_that_waits_for_a_lock_is_not_left_behind() {
    on_a_server(async |place, [store, _], [holder, _]| {
        let bid = bid(&holder, &place.clock);
        let Acquisition::Granted { token, .. } = store.acquire(&bid).await.unwrap() else { panic!() };
        let config = place.server.config();
        let (operator, driver) = place
            .inside(async move {
                let (client, connection) = config.connect(NoTls).await.unwrap();
                let driver = AbortOnDropHandle::new(tokio::spawn(connection));
                client.batch_execute("BEGIN; SELECT * FROM supervision_lease FOR UPDATE").await.unwrap();
                (client, driver)
            })
            .await;
        for _ in 0..5 {
            assert!(within(place, 200, store.renew(&bid, token)).await.is_none(), "the row is locked");
        }
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        // The last one is cancelled by the request that comes next.
        assert!(place.number(waiting).await <= 2);
        place.inside(async move { operator.batch_execute("ROLLBACK").await.unwrap() }).await;
        drop(driver);
        assert!(matches!(store.renew(&bid, token).await.unwrap(), Renewal::Renewed(_)));
    });
}

#[test]
fn a_missing_table_is_an_error_that_names_it() {
    on_a_server(async |place, [store, _], [holder, _]| {
        place.command("DROP TABLE supervision_lease").await;
        let error = store.acquire(&bid(&holder, &place.clock)).await.unwrap_err();
        let all = format!("{error}: {:?}", error.source().map(ToString::to_string));
        assert!(all.contains("supervision_lease"), "{all}");
    });
}

#[test]
fn leases_of_several_names_are_independent() {
    on_a_server(async |place, [store, _], [first, second]| {
        for (store, holder) in [(&store, &first), (&place.named("scheduler"), &second)] {
            let answer = store.acquire(&bid(holder, &place.clock)).await.unwrap();
            assert!(matches!(answer, Acquisition::Granted { .. }), "{answer:?}");
        }
    });
}

#[test]
fn a_waiter_is_told_of_a_release_after_a_restart() {
    on_a_server(async |place, [first, second], [holder, _]| {
        let answer = first.acquire(&Bid::new(&holder, Duration::from_secs(60), 0.01, &place.clock)).await.unwrap();
        assert!(matches!(answer, Acquisition::Granted { .. }), "{answer:?}");
        let told = async {
            second.freed().await;
            true
        };
        let released = async {
            place.pass(Duration::from_millis(300)).await;
            place.server.restart();
            // In which the waiter finds the server again.
            place.pass(Duration::from_secs(3)).await;
            while first.release(&holder).await.is_err() {
                place.pass(Duration::from_millis(100)).await;
            }
            place.pass(Duration::from_secs(1)).await;
            false
        };
        assert!(or(told, released).await);
    });
}

#[test]
fn outside_of_a_runtime_the_error_says_what_to_do() {
    let error = Postgres::new("host=localhost".parse().unwrap(), NAME).unwrap_err();
    assert!(error.to_string().contains("Postgres::on"), "{error}");
}
