use super::*;

const SECOND: Duration = Duration::from_secs(1);
const D: Duration = Duration::from_secs(15);

/// An engine with the default times and no drift: of 15 s, the stop begins at 8.5 s, the abort at 13.5 s, and the last resort acts at
/// 14.5 s.
struct World {
    engine: Engine,
    now: Duration,
    sent: Vec<(RequestId, Request)>,
    did: Vec<String>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(settings: impl FnOnce(&mut Timing)) -> Self {
        let mut timing = Timing { drift: 0.0, ..Timing::default() };
        settings(&mut timing);
        let mut world = Self { engine: Engine::new(timing), now: 1000 * SECOND, sent: Vec::new(), did: Vec::new() };
        world.engine.start(world.now);
        world.take();
        world
    }

    /// A replica that was granted the lease at once.
    fn holding() -> Self {
        let mut world = Self::new();
        world.grant(1);
        world.did();
        world
    }

    fn take(&mut self) {
        while let Some(effect) = self.engine.next_effect() {
            match effect {
                Effect::Send(id, request) => self.sent.push((id, request)),
                Effect::Cancel(id) => self.sent.retain(|(sent, _)| *sent != id),
                Effect::Start(token, until) => {
                    self.did.push(format!("start {token} until {:?}", self.since_begin(until)))
                }
                Effect::Stop(within) => self.did.push(format!("stop within {within:?}")),
                Effect::ValidUntil(until) => self.did.push(format!("valid until {:?}", self.since_begin(until))),
                Effect::Lose => self.did.push("lose".into()),
                Effect::Revoke => self.did.push("revoke".into()),
                Effect::ActNow => self.did.push("act now".into()),
                Effect::Tell(_) => {}
                Effect::Finish(Ok(())) => self.did.push("finish".into()),
                Effect::Finish(Err(error)) => self.did.push(format!("finish: {error}")),
            }
        }
    }

    fn since_begin(&self, at: Duration) -> Duration {
        at.saturating_sub(1000 * SECOND)
    }

    fn did(&mut self) -> Vec<String> {
        mem::take(&mut self.did)
    }

    /// Lets time pass, with all the deadlines in it.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.engine.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.engine.tick(self.now);
            self.take();
        }
        self.now = end;
        self.engine.tick(end);
        self.take();
    }

    fn request(&mut self) -> (RequestId, Request) {
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        self.sent.remove(0)
    }

    fn grant(&mut self, token: u64) {
        self.grant_for(token, D);
    }

    fn grant_for(&mut self, token: u64, duration: Duration) {
        let (id, request) = self.request();
        assert!(matches!(request, Request::Acquire(_)), "{request:?}");
        let granted = Acquisition::Granted { token: Token::new(token), duration };
        self.engine.answer(id, Answer::Acquisition(Ok(granted)), self.now);
        self.take();
    }

    fn renewed(&mut self, answer: Result<Renewal, String>) {
        let (id, request) = self.request();
        assert!(matches!(request, Request::Renew(..)), "{request:?}");
        self.engine.answer(id, Answer::Renewal(answer), self.now);
        self.take();
    }

    fn released(&mut self) {
        let (id, request) = self.request();
        assert!(matches!(request, Request::Release(_)), "{request:?}");
        self.engine.answer(id, Answer::Release(Ok(())), self.now);
        self.take();
    }

    fn gone(&mut self, end: BodyEnd) {
        self.engine.gone(end, 7, self.now);
        self.take();
    }

    fn is_releasing(&self) -> bool {
        self.sent.iter().any(|(_, request)| matches!(request, Request::Release(_)))
    }
}

#[test]
fn the_time_counts_from_before_the_request_was_sent() {
    let mut world = World::new();
    world.pass(SECOND);
    world.grant(1);
    assert_eq!(world.did(), ["start 1 until 14.5s"]);
}

#[test]
fn what_counts_is_the_time_that_was_granted() {
    let mut world = World::new();
    world.grant_for(1, 20 * SECOND);
    assert_eq!(world.did(), ["start 1 until 19.5s"]);
    let mut world = World::new();
    world.grant_for(1, 12 * SECOND);
    assert_eq!(world.did(), [""; 0], "nothing starts");
    assert!(world.is_releasing());
    world.released();
    assert!(world.did()[0].starts_with("finish: a lease of 12s is too short"));
}

#[test]
fn an_answer_that_comes_too_late_starts_nothing() {
    let mut world = World::new();
    // The keeper was not polled for so long.
    world.now += 9 * SECOND;
    world.grant(1);
    assert_eq!(world.did(), [""; 0]);
    assert!(world.is_releasing());
}

#[test]
fn a_renewal_prolongs_from_before_it_was_sent() {
    let mut world = World::holding();
    world.pass(3 * SECOND);
    world.renewed(Ok(Renewal::Renewed(D)));
    assert_eq!(world.did(), ["valid until 16.5s"]);
}

#[test]
fn no_answer_is_no_loss() {
    let mut world = World::holding();
    world.pass(2 * SECOND);
    world.renewed(Err("the store is down".into()));
    world.pass(6 * SECOND);
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(world.engine.state(), LeaseState::Holding);
    // The requests were repeated, and given up.
    world.renewed(Ok(Renewal::Renewed(D)));
    assert_eq!(world.did(), ["valid until 22.5s"]);
}

#[test]
fn without_a_renewal_the_stop_begins_in_time() {
    let mut world = World::holding();
    world.pass(Duration::from_millis(8499));
    assert_eq!(world.did(), [""; 0]);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.did(), ["lose", "stop within 5s"]);
    world.pass(5 * SECOND);
    assert_eq!(world.did(), ["stop within 0ns"], "what is left is aborted");
    world.pass(SECOND);
    assert!(!world.is_releasing(), "not before it is gone");
    world.gone(BodyEnd::Failed("aborted".into()));
    assert!(world.is_releasing());
}

#[test]
fn a_tick_that_comes_late_leaves_less_time_to_stop() {
    let mut world = World::holding();
    world.now += 10 * SECOND;
    world.engine.tick(world.now);
    world.take();
    assert_eq!(world.did(), ["lose", "stop within 3.5s"]);
}

#[test]
fn a_lease_that_is_not_ours_is_lost_at_once() {
    let mut world = World::holding();
    world.pass(2 * SECOND);
    world.renewed(Ok(Renewal::NotYours));
    assert_eq!(world.did(), ["valid until 3s", "revoke", "stop within 0ns"]);
    assert_eq!(world.engine.state(), LeaseState::Lost);
    world.pass(10 * SECOND);
    assert!(world.sent.is_empty(), "it is not renewed any more: {:?}", world.sent);
}

#[test]
fn renewing_goes_on_while_the_subtree_drains() {
    let mut world = World::holding();
    world.engine.stop(world.now);
    world.pass(2 * SECOND);
    world.renewed(Ok(Renewal::Renewed(D)));
    assert_eq!(world.did(), ["valid until 16.5s"]);
    assert!(!world.is_releasing());
    world.gone(BodyEnd::Well);
    world.released();
    assert_eq!(world.did(), ["revoke", "finish"]);
}

#[test]
fn renewing_goes_on_while_the_subtree_stops_for_want_of_it() {
    let mut world = World::holding();
    world.pass(9 * SECOND);
    world.did();
    assert!(matches!(world.sent[..], [(_, Request::Renew(..))]));
    world.renewed(Ok(Renewal::Renewed(D)));
    assert_eq!(world.engine.state(), LeaseState::Stopping, "it has been asked to stop");
    world.gone(BodyEnd::Well);
    world.released();
    assert!(world.engine.is_waiting() || matches!(world.sent[..], [(_, Request::Acquire(_))]));
}

#[test]
fn a_stuck_subtree_keeps_the_lease() {
    let mut world = World::holding();
    world.engine.stuck(world.now);
    world.take();
    assert_eq!(world.did(), ["act now"]);
    world.pass(2 * SECOND);
    world.renewed(Ok(Renewal::Renewed(D)));
    world.engine.stop(world.now);
    world.engine.abandon(world.now);
    world.take();
    assert_eq!(world.did(), ["valid until 17s", "finish"].map(|text| text.replace("17s", "16.5s")));
    assert!(!world.is_releasing());
}

#[test]
fn a_release_holds_up_the_next_request_until_its_lease_ends() {
    let mut world = World::holding();
    world.gone(BodyEnd::Well);
    for _ in 0..3 {
        assert!(world.is_releasing());
        let (id, _) = world.request();
        world.engine.answer(id, Answer::Release(Err("the store is down".into())), world.now);
        world.take();
        world.pass(2 * SECOND);
    }
    world.pass(10 * SECOND);
    assert!(world.sent.iter().any(|(_, request)| matches!(request, Request::Acquire(_))), "{:?}", world.sent);
}

#[test]
fn a_release_is_repeated_until_the_store_answers() {
    let mut world = World::holding();
    world.gone(BodyEnd::Well);
    // The lease has ended by this clock, but the store was frozen, and may have a renewal that it has not carried out.
    world.pass(60 * SECOND);
    let index = world.sent.iter().position(|(_, request)| *request == Request::Release(BidId(1))).unwrap();
    let (id, _) = world.sent.remove(index);
    world.engine.answer(id, Answer::Release(Ok(())), world.now);
    world.take();
    world.pass(10 * SECOND);
    assert!(!world.sent.iter().any(|(_, request)| *request == Request::Release(BidId(1))), "{:?}", world.sent);
}

#[test]
fn a_subtree_without_work_does_not_ask_all_the_time() {
    let mut world = World::holding();
    world.gone(BodyEnd::Well);
    world.released();
    assert!(world.sent.is_empty(), "others may have it: {:?}", world.sent);
    world.pass(2 * SECOND);
    assert!(matches!(world.request(), (_, Request::Acquire(_))));
}

#[test]
fn a_new_grant_ends_the_release_of_the_last_one() {
    let mut world = World::holding();
    world.gone(BodyEnd::Well);
    world.pass(60 * SECOND);
    let index = world.sent.iter().position(|(_, request)| matches!(request, Request::Acquire(_))).unwrap();
    let (id, _) = world.sent.remove(index);
    let granted = Acquisition::Granted { token: Token::new(2), duration: D };
    world.engine.answer(id, Answer::Acquisition(Ok(granted)), world.now);
    world.take();
    world.pass(SECOND);
    assert!(!world.sent.iter().any(|(_, request)| *request == Request::Release(BidId(1))), "{:?}", world.sent);
}

#[test]
fn an_end_waits_for_its_release_and_not_for_ever() {
    let mut world = World::holding();
    world.engine.stop(world.now);
    world.gone(BodyEnd::Well);
    world.pass(4 * SECOND);
    assert_eq!(world.did(), ["revoke", "finish"]);
}

#[test]
fn an_acquisition_without_an_answer_is_released() {
    let mut world = World::new();
    world.pass(2 * SECOND);
    let kinds: Vec<_> = world.sent.iter().map(|(_, request)| *request).collect();
    assert_eq!(kinds, [Request::Release(BidId(1)), Request::Acquire(BidId(2))]);
}

#[test]
fn a_shutdown_while_it_asks_releases_what_it_may_get() {
    let mut world = World::new();
    world.engine.stop(world.now);
    world.take();
    world.released();
    assert_eq!(world.did(), ["finish"]);
}

#[test]
fn a_subtree_that_keeps_failing_climbs() {
    let mut world = World::with(|timing| timing.max_failures = 2);
    world.grant(1);
    world.gone(BodyEnd::Failed("it is ill".into()));
    world.released();
    assert!(world.engine.is_waiting(), "others may try");
    world.pass(2 * SECOND);
    world.grant(2);
    world.gone(BodyEnd::Failed("it is ill".into()));
    world.released();
    assert_eq!(world.did().last().unwrap(), "finish: the subtree has failed 2 times in a row: it is ill");
}

#[test]
fn a_subtree_that_has_run_for_long_fails_for_the_first_time() {
    let mut world = World::with(|timing| {
        timing.max_failures = 2;
        timing.backoff = timing.backoff.with_reset_after(SECOND);
    });
    for token in 1..5 {
        world.grant(token);
        world.pass(SECOND);
        world.gone(BodyEnd::Failed("it is ill".into()));
        world.released();
        assert_eq!(world.engine.failures(), 1);
        world.pass(SECOND);
    }
}

#[test]
fn a_subtree_that_ends_well_ends_all_if_it_is_to() {
    let mut world = World::with(|timing| timing.ends_with_body = true);
    world.grant(1);
    world.gone(BodyEnd::Well);
    world.released();
    assert_eq!(world.did().last().unwrap(), "finish");
}

#[test]
fn a_token_that_does_not_grow_starts_nothing() {
    let mut world = World::holding();
    world.gone(BodyEnd::Well);
    world.released();
    world.pass(2 * SECOND);
    world.did();
    world.grant(1);
    world.released();
    assert!(world.did()[0].starts_with("finish: the store has granted the token 1 after 1"));
}

#[test]
fn a_store_that_says_so_all_the_time_is_not_asked_all_the_time() {
    let mut world = World::new();
    let mut asked = 0;
    for _ in 0..100 {
        if let Some((id, Request::Acquire(_))) = world.sent.pop() {
            asked += 1;
            let held = Acquisition::HeldBy("other".into());
            world.engine.answer(id, Answer::Acquisition(Ok(held)), world.now);
        }
        world.engine.freed(world.now);
        world.take();
        world.pass(SECOND / 100);
    }
    assert!(asked <= 11, "{asked} times in a second");
}

#[test]
fn a_tick_after_the_end_of_the_lease_leaves_nothing_due() {
    let mut world = World::holding();
    // The machine has slept through all of it.
    world.now += 60 * SECOND;
    for _ in 0..3 {
        world.engine.tick(world.now);
        world.take();
    }
    assert!(world.engine.next_deadline().is_none_or(|next| next > world.now), "{:?}", world.engine.next_deadline());
}

#[test]
fn a_subtree_without_work_is_not_hastened_by_its_own_release() {
    let mut world = World::holding();
    world.pass(SECOND);
    world.gone(BodyEnd::Well);
    world.released();
    world.engine.freed(world.now);
    world.take();
    assert!(world.sent.is_empty(), "others may have it: {:?}", world.sent);
}

#[test]
fn a_backoff_without_end_overflows_nothing() {
    let mut world = World::with(|timing| timing.backoff = supervisor_core::Backoff::constant(Duration::MAX));
    world.grant(1);
    world.gone(BodyEnd::Failed("it is ill".into()));
    world.released();
    assert!(world.engine.is_waiting());
}

#[test]
fn one_release_is_under_way_at_a_time() {
    let mut world = World::new();
    for _ in 0..20 {
        world.pass(SECOND);
        let releases = world.sent.iter().filter(|(_, request)| matches!(request, Request::Release(_))).count();
        assert!(releases <= 1, "{:?}", world.sent);
        assert!(world.engine.next_deadline().is_none_or(|next| next > world.now));
    }
}
