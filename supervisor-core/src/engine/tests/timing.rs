use super::*;

const MS: Duration = Duration::from_millis(1);

#[test]
fn b1_a_restart_waits_for_its_backoff() {
    let mut world = World::up(one_for_one(5), [child("a").backoff(Backoff::constant(100 * MS)), child("b")]);
    world.exit("a", error());
    world.did("delay a 100");
    world.shows("a~ b");
    world.pass(99 * MS);
    world.did("");
    world.pass(MS);
    world.did("start a");
}

#[test]
fn b1_the_failure_is_charged_when_it_happens() {
    let mut world = World::up(one_for_one(1), [child("a").backoff(Backoff::constant(60 * SECOND)), child("b")]);
    world.exit("a", error());
    world.exit("b", error());
    world.did("delay a 60000, gave up, finish");
}

#[test]
fn b1_delays_grow_and_stable_uptime_restores_the_first() {
    let backoff = Backoff::exponential(10 * MS, 40 * MS).without_jitter().with_reset_after(SECOND);
    let mut world = World::up(one_for_one(usize::MAX), [child("a").backoff(backoff)]);
    let mut delays = Vec::new();
    for uptime in [MS, MS, MS, MS, SECOND, MS] {
        world.pass(uptime);
        world.exit("a", error());
        delays.extend(world.take());
        world.pass(40 * MS);
        world.take();
    }
    assert_eq!(delays.join(" ").replace("delay a ", ""), "10 20 40 40 10 20");
}

#[test]
fn b1_shutdown_does_not_wait_for_a_delay() {
    let mut world = World::up(one_for_one(5), [child("a").backoff(Backoff::constant(60 * SECOND)), child("b")]);
    world.exit("a", error());
    world.shutdown();
    world.did("delay a 60000, ask b, finish");
    assert_eq!(world.engine.next_deadline(), None, "and leaves no timer behind");
}

#[test]
fn b1_a_group_stops_at_once_and_starts_after_the_delay() {
    let mut world = World::up(one_for_all(5), [child("a").backoff(Backoff::constant(SECOND)), child("b")]);
    world.exit("a", error());
    world.did("delay a 1000, ask b");
    world.shows("a~ b~");
    world.pass(SECOND - MS);
    world.did("");
    world.pass(MS);
    world.did("start a, start b");
}

#[test]
fn b1_a_second_failure_with_a_longer_delay_lengthens_the_wait() {
    let mut world = World::up(
        rest_for_one(5),
        [child("a").backoff(Backoff::constant(3 * SECOND)), child("b").backoff(Backoff::constant(SECOND)), child("c")],
    );
    world.exit("b", error());
    world.pass(SECOND / 2);
    world.exit("a", error());
    world.did("delay b 1000, ask c, delay a 3000");
    world.pass(SECOND);
    world.did("");
    world.pass(2 * SECOND);
    world.did("start a, start b, start c");
}

#[test]
fn b1_a_second_failure_does_not_shorten_the_groups_delay() {
    let mut world = World::up(
        rest_for_one(5),
        [child("a").backoff(Backoff::constant(SECOND)), child("b").backoff(Backoff::constant(3 * SECOND)), child("c")],
    );
    world.deaf.push("c");
    world.exit("b", error());
    world.exit("a", error());
    world.did("delay b 3000, ask c, delay a 1000");
    world.exit("c", Exit::Normal);
    assert_eq!(world.engine.next_deadline(), Some(world.now + 3 * SECOND));
    world.pass(SECOND);
    world.did("");
    world.pass(2 * SECOND);
    world.did("start a, start b, start c");
}

#[test]
fn b1_a_delay_runs_while_the_group_stops() {
    let mut world = World::up(one_for_all(5), [child("a").backoff(Backoff::constant(SECOND)), child("b")]);
    world.deaf.push("b");
    world.exit("a", error());
    world.pass(2 * SECOND);
    world.exit("b", Exit::Normal);
    world.pass(Duration::ZERO);
    world.did("delay a 1000, ask b, start a, start b");
}

#[test]
fn b1_a_failed_start_waits_for_the_backoff_too() {
    let mut world = World::up(one_for_one(5), [child("a").backoff(Backoff::constant(SECOND))]);
    world.plan("a", [Some(error())]);
    world.exit("a", error());
    world.pass(SECOND);
    world.did("delay a 1000, start a, delay a 1000");
    world.pass(SECOND);
    world.did("start a");
}

#[test]
fn case_s_no_time_is_too_long() {
    let mut world = World::up(
        SupervisorSettings {
            strategy: RestartStrategy::one_for_all().with_intensity_and_period(5, Duration::MAX),
            abort_grace: Duration::MAX,
            ..Default::default()
        },
        [
            child("a").backoff(Backoff::constant(Duration::MAX)).start_timeout(Duration::MAX),
            child("b").shutdown(ShutdownStrategy::Graceful(Duration::MAX)),
            supervisor("s"),
        ],
    );
    world.stuck.extend(["a", "b", "s"]);
    world.exit("a", error());
    assert_eq!(world.engine.next_deadline(), None);
    world.engine.handle_shutdown(StopRequest { no_successor: true, kill: true }, world.now);
    world.settle();
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn r34_a_quiet_supervisor_has_no_deadline() {
    let mut world = World::up(one_for_one(5), [child("a").start_timeout(SECOND), supervisor("s")]);
    world.exit("a", error());
    assert_eq!(world.engine.next_deadline(), None);
    assert_eq!(world.engine.unsettled(), 0);
}

#[test]
fn numbers_that_are_used_up_start_again() {
    let mut world = World::up(one_for_all(usize::MAX), [child("a"), child("b").transient()]);
    for name in ["a", "b"] {
        let key = world.engine.children.find(world.id(name)).unwrap();
        world.engine.children.edit(key, |slot| {
            slot.incarnation = u32::MAX - 2;
            slot.set_failures(u32::MAX - 2);
        });
        world.incarnations.insert(key.id, u32::MAX - 2);
    }
    world.engine.group = u32::MAX - 2;
    world.engine.stop_sequence = StopSequence::numbered(u32::MAX - 2);
    for _ in 0..6 {
        world.exit("a", error());
        world.did("ask b, start a, start b");
        world.shows("a b");
    }
    // The numbers before the first one mean something: no process, no group, no sweep.
    assert!(world.incarnations.values().all(|incarnation| *incarnation == 4), "{:?}", world.incarnations);
    assert_eq!(world.engine.group, 4);
    // One that is left out of a group is left out of that one alone.
    world.deaf.push("b");
    world.exit("a", error());
    world.terminate("b");
    world.exit("b", Exit::Normal);
    world.did("ask b, start a");
    world.deaf.clear();
    world.exit("a", error());
    world.did("start a, start b");
    world.shutdown();
    world.did("ask b, ask a, finish");
}

#[test]
fn of_several_limits_the_earliest_comes_first() {
    let quick = ShutdownStrategy::Graceful(2 * SECOND);
    let settings = SupervisorSettings { shutdown_order: ShutdownOrder::Concurrent, ..one_for_one(1) };
    let mut world = World::up(settings, [child("a"), child("b").shutdown(quick), child("c"), child("d")]);
    world.deaf.extend(["a", "b", "c", "d"]);
    world.shutdown();
    world.did("ask d, ask c, ask b, ask a");
    assert_eq!(world.engine.next_deadline(), Some(world.now + 2 * SECOND));
    world.pass(2 * SECOND);
    world.did("abort b");
    world.exit("d", Exit::Normal);
    assert_eq!(world.engine.next_deadline(), Some(world.now + 3 * SECOND));
    world.pass(3 * SECOND);
    // They were asked in reverse order, and have the same limit.
    world.did("abort a, abort c, finish");
}
