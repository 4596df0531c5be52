//! The requirements for a store, clause by clause.

use std::{
    fmt,
    future::{Future, poll_fn},
    ops::Range,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures_lite::future::{or, poll_once, yield_now};

use super::Backend;
use crate::{Acquisition, Bid, Holder, Renewal, Store, Token};

/// By how much the clocks may differ. There is only one here, so a little is enough.
const DRIFT: f64 = 0.01;

/// One replica, with an identity for one request.
struct Replica<'a, B: Backend> {
    backend: &'a B,
    store: B::Store,
    holder: Holder,
}

/// What a replica was granted.
struct Grant {
    token: Token,
    duration: Duration,
    /// Before the request was sent.
    asked: Duration,
}

impl<'a, B: Backend> Replica<'a, B> {
    async fn new(backend: &'a B) -> Self {
        Self { backend, store: backend.store().await, holder: Holder::new(fastrand::u64(..)) }
    }

    fn bid(&self) -> Bid<'_> {
        let (duration, clock) = (self.backend.duration(), self.backend.clock());
        Bid::new(&self.holder, duration, DRIFT, clock)
    }

    /// Takes another identity, as for each new request.
    fn renamed(mut self) -> Self {
        self.holder = Holder::new(fastrand::u64(..));
        self
    }

    async fn acquire(&self) -> Acquisition {
        let bid = self.bid();
        answer(self.backend, self.store.acquire(&bid)).await
    }

    async fn granted(&self) -> Grant {
        let asked = self.backend.clock().now();
        match self.acquire().await {
            Acquisition::Granted { token, duration } => Grant { token, duration, asked },
            Acquisition::HeldBy(other) => panic!("the lease should be free, and {other} has it"),
        }
    }

    async fn refused(&self) {
        let answer = self.acquire().await;
        assert!(matches!(answer, Acquisition::HeldBy(_)), "{answer:?}");
    }

    /// Asks again and again until the lease is granted.
    async fn granted_in_the_end(&self) -> Grant {
        let begin = self.backend.clock().now();
        let patience = self.backend.duration() * 3 + self.backend.limit();
        loop {
            let asked = self.backend.clock().now();
            if let Acquisition::Granted { token, duration } = self.acquire().await {
                return Grant { token, duration, asked };
            }
            assert!(self.backend.clock().now() - begin < patience, "the lease is never granted");
            self.backend.pass(self.backend.duration() / 20).await;
        }
    }

    async fn renew(&self, token: Token) -> Renewal {
        let bid = self.bid();
        answer(self.backend, self.store.renew(&bid, token)).await
    }

    async fn renewed(&self, token: Token) -> Duration {
        match self.renew(token).await {
            Renewal::Renewed(duration) => duration,
            Renewal::NotYours => panic!("the lease should be of {}", self.holder),
        }
    }

    async fn release(&self) {
        answer(self.backend, self.store.release(&self.holder)).await;
    }
}

/// Waits for an answer, which has to come within the limit.
async fn answer<B: Backend, T, E: fmt::Display>(backend: &B, request: impl Future<Output = Result<T, E>>) -> T {
    match within(backend, backend.limit(), request).await {
        Some(answer) => answer.unwrap_or_else(|error| panic!("the store answers with an error: {error}")),
        None => panic!("no answer within {:?}", backend.limit()),
    }
}

/// Waits for a future for so long, and drops it then.
async fn within<B: Backend, T>(backend: &B, time: Duration, future: impl Future<Output = T>) -> Option<T> {
    or(async { Some(future.await) }, async {
        backend.pass(time).await;
        None
    })
    .await
}

/// Drops a request at each of several points, from before its first poll to after its answer.
///
/// A store says with the clock of no replica how long a request takes, so these are points in real time.
async fn drop_early<T>(request: impl Future<Output = T>, point: u32) {
    let mut request = pin!(request);
    match point {
        0 => {}
        1 => drop(poll_once(request.as_mut()).await),
        _ => {
            let end = Instant::now() + Duration::from_micros(25 << point);
            while Instant::now() < end && poll_once(request.as_mut()).await.is_none() {
                yield_now().await;
            }
        }
    }
}

/// The last one is 26 ms after the request was sent.
const POINTS: Range<u32> = 0..11;

/// Waits until no more is kept than there was before.
async fn keeps_at_most<B: Backend>(backend: &B, before: usize) {
    let begin = backend.clock().now();
    loop {
        let kept = backend.kept().await;
        if kept <= before {
            return;
        }
        let waited = backend.clock().now() - begin;
        assert!(waited < backend.duration() * 2 + backend.limit(), "{before} before, {kept} after {waited:?}");
        backend.pass(backend.duration() / 20).await;
    }
}

/// Runs a clause on a new backend.
fn run<B: Backend>(clause: impl AsyncFnOnce(&B)) {
    let backend = B::new();
    backend.block_on(clause(&backend));
}

/// Requires that the first who asks is granted the lease for some time, and keeps it by renewals.
pub fn a_free_lease_is_granted<B: Backend>() {
    run(async |backend: &B| {
        let first = Replica::new(backend).await;
        let grant = first.granted().await;
        assert!(!grant.duration.is_zero());
        assert!(!first.renewed(grant.token).await.is_zero());
    });
}

/// Requires that no other holder is granted the lease, or waits for it, for as long as it is renewed.
pub fn a_second_holder_is_refused_while_the_first_renews<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let mut grant = first.granted().await;
        let begin = backend.clock().now();
        while backend.clock().now() - begin < grant.duration * 2 {
            let answer = second.acquire().await;
            assert_eq!(answer, Acquisition::HeldBy(first.holder.to_string()));
            backend.pass(grant.duration / 4).await;
            grant.duration = first.renewed(grant.token).await;
        }
    });
}

/// Requires that the next holder has the lease right after it was released, and not only after its time.
pub fn a_released_lease_is_granted_at_once<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        first.granted().await;
        second.refused().await;
        first.release().await;
        second.granted().await;
        first.renamed().refused().await;
    });
}

/// Requires that a lease which is not renewed is granted to another: in time, and never before the first holder has ended by its own
/// count, which begins before it asks.
pub fn a_lease_is_granted_after_its_time_and_never_before<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let mut grant = first.granted().await;
        // A waiter that has looked before the last renewal counts from that one.
        second.refused().await;
        backend.pass(grant.duration / 2).await;
        grant.asked = backend.clock().now();
        grant.duration = first.renewed(grant.token).await;
        second.granted_in_the_end().await;
        let waited = backend.clock().now() - grant.asked;
        assert!(waited >= grant.duration.mul_f64(1.0 - DRIFT), "granted after {waited:?} of {:?}", grant.duration);
        let late = grant.duration * 2 + backend.limit() / 2;
        assert!(waited < late, "granted only after {waited:?} of {:?}", grant.duration);
    });
}

/// Requires that of several requests at one time exactly one is granted.
pub fn one_of_many_who_ask_at_once_is_granted<B: Backend>() {
    run(async |backend: &B| {
        for _ in 0..5 {
            let mut replicas = Vec::new();
            for _ in 0..8 {
                replicas.push(Replica::new(backend).await);
            }
            let answers = join(replicas.iter().map(Replica::acquire)).await;
            let granted: Vec<_> = answers.iter().map(|answer| matches!(answer, Acquisition::Granted { .. })).collect();
            assert_eq!(granted.iter().filter(|granted| **granted).count(), 1, "{answers:?}");
            for replica in &replicas {
                replica.release().await;
            }
        }
    });
}

/// Requires that the token of a grant is larger than that of the one before, which was released.
pub fn the_token_grows_over_a_release<B: Backend>() {
    run(async |backend: &B| {
        let mut replica = Replica::new(backend).await;
        let mut last = None;
        for _ in 0..5 {
            let token = replica.granted().await.token;
            assert!(last < Some(token), "{last:?}, then {token:?}");
            last = Some(token);
            replica.release().await;
            replica = replica.renamed();
        }
    });
}

/// Requires that the token of a grant is larger than that of the one before, whose time was over.
pub fn the_token_grows_over_an_expiry<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let token = first.granted().await.token;
        let next = second.granted_in_the_end().await.token;
        assert!(token < next, "{token:?}, then {next:?}");
    });
}

/// Requires that the token of a grant is larger than that of the one before, also if the lease was deleted by hand: what was fenced by
/// the old token must accept the new one.
pub fn the_token_grows_over_a_deletion<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let token = first.granted().await.token;
        backend.delete().await;
        let next = second.granted().await.token;
        assert!(token < next, "{token:?}, then {next:?}");
    });
}

/// Requires that the token of a grant is larger than that of the one before, also if the place was restarted in between.
pub fn the_token_grows_over_a_restart<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let token = first.granted().await.token;
        first.release().await;
        if backend.restart().await {
            back(&second).await;
            let next = second.granted().await.token;
            assert!(token < next, "{token:?}, then {next:?}");
        }
    });
}

/// Requires that a lease which was granted is still held after the place was restarted, and that its holder can renew it.
pub fn a_lease_outlives_a_restart<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        if backend.restart().await {
            back(&first).await;
            first.renewed(grant.token).await;
            back(&second).await;
            second.refused().await;
            first.renewed(grant.token).await;
        }
    });
}

/// Requires that the holder of a lease that was deleted by hand is told so.
pub fn a_renewal_after_a_deletion_is_not_yours<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        backend.delete().await;
        assert_eq!(first.renew(grant.token).await, Renewal::NotYours);
        let other = second.granted().await;
        assert_eq!(first.renew(grant.token).await, Renewal::NotYours);
        second.renewed(other.token).await;
    });
}

/// Requires that a renewal which comes after the release of its holder brings nothing back.
pub fn a_renewal_after_a_release_is_not_yours<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        first.release().await;
        assert_eq!(first.renew(grant.token).await, Renewal::NotYours);
        second.granted().await;
        assert_eq!(first.renew(grant.token).await, Renewal::NotYours);
    });
}

/// Requires that the holder is told that another one was granted the lease after its time.
pub fn a_renewal_after_another_was_granted_is_not_yours<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        let other = second.granted_in_the_end().await;
        assert_eq!(first.renew(grant.token).await, Renewal::NotYours);
        second.renewed(other.token).await;
    });
}

/// Requires that a renewal which comes late is refused, or renews the lease so that no other is granted it.
///
/// A store that counts time knows that it is late. One that does not may renew it if no other has taken it over.
pub fn a_renewal_after_the_time_shares_the_lease_with_no_other<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        second.refused().await;
        backend.pass(grant.duration * 2).await;
        let late = first.renew(grant.token).await;
        let other = second.acquire().await;
        assert_ne!(late == Renewal::NotYours, matches!(other, Acquisition::HeldBy(_)), "{late:?}, {other:?}");
    });
}

/// Requires that a grant is renewed by its own token alone.
pub fn a_renewal_with_another_token_is_not_yours<B: Backend>() {
    run(async |backend: &B| {
        let replica = Replica::new(backend).await;
        let token = replica.granted().await.token;
        assert_eq!(replica.renew(Token::new(token.as_u64() + 1)).await, Renewal::NotYours);
        replica.renewed(token).await;
    });
}

/// Requires that a release is no error for a holder that has released already, or never had anything.
pub fn a_release_may_be_repeated<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        first.release().await;
        first.granted().await;
        first.release().await;
        first.release().await;
        let grant = second.granted().await;
        first.release().await;
        second.renewed(grant.token).await;
    });
}

/// Requires that a holder which has nothing can take nothing from the one that has the lease.
pub fn a_release_by_another_changes_nothing<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        second.release().await;
        second.refused().await;
        second.release().await;
        first.renewed(grant.token).await;
        second.renamed().refused().await;
    });
}

/// Requires that a release undoes a request whose answer was lost, wherever it was lost: the next holder need not wait.
pub fn a_lost_answer_is_undone_by_a_release<B: Backend>() {
    run(async |backend: &B| {
        let (mut first, mut second) = (Replica::new(backend).await, Replica::new(backend).await);
        for point in POINTS {
            drop_early(first.store.acquire(&first.bid()), point).await;
            first.release().await;
            second.granted().await;
            second.release().await;
            (first, second) = (first.renamed(), second.renamed());
        }
    });
}

/// Requires that a renewal whose answer was lost leaves the lease where it is, and that the next one is answered.
pub fn a_lost_renewal_does_no_harm<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        for point in POINTS {
            drop_early(first.store.renew(&first.bid(), grant.token), point).await;
            first.renewed(grant.token).await;
            second.refused().await;
        }
    });
}

/// Requires that a release whose answer was lost can be repeated.
pub fn a_lost_release_can_be_repeated<B: Backend>() {
    run(async |backend: &B| {
        let (mut first, mut second) = (Replica::new(backend).await, Replica::new(backend).await);
        for point in POINTS {
            first.granted().await;
            drop_early(first.store.release(&first.holder), point).await;
            first.release().await;
            second.granted().await;
            second.release().await;
            (first, second) = (first.renamed(), second.renamed());
        }
    });
}

/// Requires that requests which are refused leave nothing in the place, however many there are.
pub fn a_refused_request_leaves_nothing_behind<B: Backend>() {
    run(async |backend: &B| {
        let (first, mut second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        second.refused().await;
        let before = backend.kept().await;
        for _ in 0..10 {
            second = second.renamed();
            second.refused().await;
            first.renewed(grant.token).await;
        }
        keeps_at_most(backend, before).await;
    });
}

/// Requires that requests to a place which does not answer end when they are dropped, with all that was there for them.
pub fn requests_that_get_no_answer_leave_nothing_behind<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        let grant = first.granted().await;
        second.refused().await;
        first.renewed(grant.token).await;
        let before = backend.kept().await;
        if !backend.stop() {
            return;
        }
        for _ in 0..10 {
            given_up(backend, first.store.renew(&first.bid(), grant.token)).await;
            given_up(backend, first.store.release(&second.holder)).await;
            given_up(backend, second.store.acquire(&second.bid())).await;
            given_up(backend, async {
                second.store.freed().await;
                Ok::<(), String>(())
            })
            .await;
        }
        backend.resume();
        back(&first).await;
        back(&second).await;
        first.release().await;
        second.release().await;
        keeps_at_most(backend, before).await;
        second.renamed().granted().await;
    });
}

/// Requires that a renewal which gets no answer is not refused, and that the lease is there when the place is back in time.
pub fn a_place_that_does_not_answer_has_taken_nothing_away<B: Backend>() {
    run(async |backend: &B| {
        let first = Replica::new(backend).await;
        let grant = first.granted().await;
        if !backend.stop() {
            return;
        }
        for _ in 0..3 {
            let answer = within(backend, grant.duration / 10, first.store.renew(&first.bid(), grant.token)).await;
            assert!(!matches!(answer, Some(Ok(_))), "a place that is stopped has answered");
        }
        backend.resume();
        back(&first).await;
        first.renewed(grant.token).await;
    });
}

/// Requires that a wait for a lease which is free resolves at once, if the store tells anything: the release may have come before it.
pub fn a_free_lease_is_said_to_be_free<B: Backend>() {
    run(async |backend: &B| {
        let (first, second) = (Replica::new(backend).await, Replica::new(backend).await);
        if !backend.tells() {
            return;
        }
        within(backend, backend.limit(), second.store.freed()).await.expect("a lease that was never granted is free");
        first.granted().await;
        second.refused().await;
        first.release().await;
        within(backend, backend.limit(), second.store.freed()).await.expect("a lease that was released is free");
    });
}

/// Requires that a release ends the waits of all other replicas, if the store tells anything.
pub fn a_release_is_told_to_those_who_wait<B: Backend>() {
    run(async |backend: &B| {
        let (first, second, third) =
            (Replica::new(backend).await, Replica::new(backend).await, Replica::new(backend).await);
        if !backend.tells() {
            return;
        }
        let grant = first.granted().await;
        let (mut one, mut other) = (pin!(second.store.freed()), pin!(third.store.freed()));
        for wait in [&mut one, &mut other] {
            let early = within(backend, grant.duration / 4, wait).await;
            assert!(early.is_none(), "a lease that is held is said to be free");
            first.renewed(grant.token).await;
        }
        first.release().await;
        for wait in [one, other] {
            within(backend, backend.limit(), wait).await.expect("a release is told to those who wait");
        }
        second.granted().await;
    });
}

/// Waits until a place that was stopped or restarted answers this replica, with a request that changes nothing.
async fn back<B: Backend>(replica: &Replica<'_, B>) {
    let (backend, store) = (replica.backend, &replica.store);
    let none = Holder::new(fastrand::u64(..));
    let begin = backend.clock().now();
    loop {
        if let Some(Ok(())) = within(backend, backend.limit() / 10, store.release(&none)).await {
            return;
        }
        assert!(backend.clock().now() - begin < backend.limit(), "the place does not come back");
        backend.pass(backend.limit() / 100).await;
    }
}

/// Drives futures together until all of them have an output.
async fn join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        for (future, output) in &mut futures {
            if output.is_none() {
                if let Poll::Ready(value) = future.as_mut().poll(cx) {
                    *output = Some(value);
                }
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

/// Makes a request that gets no answer, and drops it.
async fn given_up<B: Backend, T, E>(backend: &B, request: impl Future<Output = Result<T, E>>) {
    let answer = within(backend, Duration::from_millis(20), request).await;
    assert!(!matches!(answer, Some(Ok(_))), "a place that is stopped has answered");
}
