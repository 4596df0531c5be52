//! etcd passes the contract of stores, and what is special about it. Each test starts a server of its own: `scripts/lease` installs it.

mod server;

use std::{future::Future, time::Duration};

use etcd_client::{Client, ConnectOptions};
use lease::{Acquisition, Bid, Clock, Holder, MachineClock, Renewal, Store, contract::Backend};
use lease_etcd::Etcd;
use tokio::{
    runtime::{self, Runtime},
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use self::server::Server;

const KEY: &str = "compactor";

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

    async fn client(&self) -> Client {
        let options = ConnectOptions::new()
            .with_keep_alive(Duration::from_secs(1), Duration::from_secs(1))
            .with_keep_alive_while_idle(true);
        let url = self.server.url();
        self.inside(async { Client::connect([url], Some(options)).await.unwrap() }).await
    }

    async fn leases(&self) -> usize {
        let mut client = self.client().await;
        self.inside(async move { client.leases().await.unwrap().leases().len() }).await
    }
}

impl Backend for Place {
    type Store = Etcd;

    fn new() -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, server: Server::start(), clock: MachineClock::default() }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        futures_lite::future::block_on(future)
    }

    async fn store(&self) -> Etcd {
        Etcd::on(self.runtime.handle().clone(), self.client().await, KEY)
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
        let mut client = self.client().await;
        self.inside(async move { client.delete(KEY, None).await.unwrap() }).await;
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
        // Before a client for the count is there.
        let tasks = self.runtime.metrics().num_alive_tasks();
        tasks + self.leases().await
    }
}

lease::contract_tests!(Place);

/// Runs a test on a server, with two stores and two holders.
fn on_a_server(test: impl AsyncFnOnce(&Place, [Etcd; 2], [Holder; 2])) {
    let place = Place::new();
    place.block_on(async {
        let stores = [place.store().await, place.store().await];
        test(&place, stores, [Holder::new(11), Holder::new(12)]).await;
    });
}

fn bid<'a>(holder: &'a Holder, duration: Duration, clock: &'a dyn Clock) -> Bid<'a> {
    Bid::new(holder, duration, 0.01, clock)
}

#[test]
fn the_time_is_the_one_that_etcd_has_granted() {
    on_a_server(async |place, [store, _], [holder, _]| {
        let bid = bid(&holder, Duration::from_millis(100), &place.clock);
        let Acquisition::Granted { token, duration } = store.acquire(&bid).await.unwrap() else { panic!() };
        assert_eq!(duration, Duration::from_secs(1));
        assert_eq!(store.renew(&bid, token).await.unwrap(), Renewal::Renewed(duration));
    });
}

#[test]
fn a_key_of_another_kind_is_not_taken_over() {
    on_a_server(async |place, [store, _], [holder, _]| {
        let mut client = place.client().await;
        place.inside(async move { client.put(KEY, "an operator's note", None).await.unwrap() }).await;
        let answer = store.acquire(&bid(&holder, Duration::from_secs(1), &place.clock)).await.unwrap();
        assert_eq!(answer, Acquisition::HeldBy("an operator's note".to_owned()));
        assert_eq!(place.leases().await, 0);
    });
}

#[test]
fn a_key_that_was_made_again_by_hand_is_not_the_holders() {
    on_a_server(async |place, [store, _], [holder, _]| {
        let bid = bid(&holder, Duration::from_secs(1), &place.clock);
        let Acquisition::Granted { token, .. } = store.acquire(&bid).await.unwrap() else { panic!() };
        let (mut client, same) = (place.client().await, holder.to_string());
        place
            .inside(async move {
                client.delete(KEY, None).await.unwrap();
                client.put(KEY, same, None).await.unwrap();
            })
            .await;
        // Its lease is still alive.
        assert_eq!(place.leases().await, 1);
        assert_eq!(store.renew(&bid, token).await.unwrap(), Renewal::NotYours);
    });
}

#[test]
fn requests_that_lose_a_race_take_their_leases_along() {
    on_a_server(async |place, _, _| {
        let mut races = Vec::new();
        for number in 1..=8 {
            let store = place.store().await;
            races.push(place.runtime.spawn(async move {
                let (holder, clock) = (Holder::new(number << 1), MachineClock::default());
                store.acquire(&bid(&holder, Duration::from_secs(60), &clock)).await.unwrap()
            }));
        }
        let mut granted = 0;
        for race in races {
            granted += usize::from(matches!(race.await.unwrap(), Acquisition::Granted { .. }));
        }
        assert_eq!((granted, place.leases().await), (1, 1));
    });
}

#[test]
fn a_request_is_small_where_it_is_awaited() {
    on_a_server(async |place, [store, _], [holder, _]| {
        let bid = bid(&holder, Duration::from_secs(1), &place.clock);
        let sizes =
            [size_of_val(&store.acquire(&bid)), size_of_val(&store.release(&holder)), size_of_val(&store.freed())];
        assert!(sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    });
}

#[test]
fn leases_of_several_keys_are_independent() {
    on_a_server(async |place, [store, _], [first, second]| {
        let other = Etcd::on(place.runtime.handle().clone(), place.client().await, "scheduler");
        for (store, holder) in [(&store, &first), (&other, &second)] {
            let answer = store.acquire(&bid(holder, Duration::from_secs(1), &place.clock)).await.unwrap();
            assert!(matches!(answer, Acquisition::Granted { .. }), "{answer:?}");
        }
    });
}

#[test]
fn a_waiter_is_told_of_a_release_after_a_restart() {
    on_a_server(async |place, [first, second], [holder, _]| {
        let answer = first.acquire(&bid(&holder, Duration::from_secs(60), &place.clock)).await.unwrap();
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
        assert!(futures_lite::future::or(told, released).await);
    });
}

#[test]
fn outside_of_a_runtime_the_error_says_what_to_do() {
    let place = Place::new();
    let client = place.block_on(place.client());
    let error = Etcd::new(client, KEY).unwrap_err();
    assert!(error.to_string().contains("Etcd::on"), "{error}");
}
