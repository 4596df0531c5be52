//! The stores in memory pass the contract of stores, on a clock that waits for no time.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_lite::future::{block_on, yield_now};
use lease::{Acquisition, Bid, Clock, Holder, Memory, MemoryRow, Renewal, Store, Token, contract::Backend};
use supervisor_core::BoxError;

/// A clock that is set by hand.
#[derive(Clone, Debug, Default)]
struct Hands(Arc<Mutex<Duration>>);

impl Clock for Hands {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

/// A store in memory that can be stopped: no request reaches it then.
struct Place<S> {
    clock: Hands,
    store: S,
    stopped: Gate,
}

#[derive(Clone, Debug, Default)]
struct Gate(Arc<Mutex<bool>>);

impl Gate {
    async fn pass(&self) {
        while *self.0.lock().unwrap() {
            yield_now().await;
        }
    }
}

/// What a replica has: the way to the store.
struct Way<S> {
    store: S,
    gate: Gate,
}

impl<S: Store> Store for Way<S> {
    async fn acquire(&self, bid: &Bid<'_>) -> Result<Acquisition, BoxError> {
        self.gate.pass().await;
        self.store.acquire(bid).await
    }

    async fn renew(&self, bid: &Bid<'_>, token: Token) -> Result<Renewal, BoxError> {
        self.gate.pass().await;
        self.store.renew(bid, token).await
    }

    async fn release(&self, holder: &Holder) -> Result<(), BoxError> {
        self.gate.pass().await;
        self.store.release(holder).await
    }

    async fn freed(&self) {
        self.gate.pass().await;
        self.store.freed().await;
    }
}

trait InMemory: Store + Clone {
    fn new(clock: Hands) -> Self;
    fn delete(&self);
}

impl InMemory for Memory {
    fn new(clock: Hands) -> Self {
        Self::with_clock(Arc::new(clock))
    }

    fn delete(&self) {
        self.delete();
    }
}

impl InMemory for MemoryRow {
    fn new(_: Hands) -> Self {
        Self::new()
    }

    fn delete(&self) {
        self.delete();
    }
}

impl<S: InMemory> Backend for Place<S> {
    type Store = Way<S>;

    fn new() -> Self {
        let clock = Hands::default();
        Self { store: S::new(clock.clone()), clock, stopped: Gate::default() }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(future)
    }

    async fn store(&self) -> Way<S> {
        Way { store: self.store.clone(), gate: self.stopped.clone() }
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    async fn pass(&self, time: Duration) {
        // What is possible now happens now.
        for _ in 0..3 {
            yield_now().await;
        }
        *self.clock.0.lock().unwrap() += time;
    }

    async fn delete(&self) {
        self.store.delete();
    }

    fn stop(&self) -> bool {
        *self.stopped.0.lock().unwrap() = true;
        true
    }

    fn resume(&self) {
        *self.stopped.0.lock().unwrap() = false;
    }
}

mod memory {
    lease::contract_tests!(super::Place<lease::Memory>);
}

mod memory_row {
    lease::contract_tests!(super::Place<lease::MemoryRow>);
}
