use super::*;

#[test]
fn r31_the_limit_is_inclusive() {
    let mut world = World::up(one_for_one(2), [child("a"), child("b")]);
    world.exit("a", error());
    world.exit("b", error());
    world.did("start a, start b");
    world.exit("a", error());
    world.did("gave up, ask b, finish");
}

#[test]
fn r31_an_intensity_of_zero_makes_the_first_restart_fatal() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b")]);
    world.exit("a", error());
    world.did("gave up, ask b, finish");
}

#[test]
fn r32_d4_a_restart_counts_for_exactly_the_period() {
    let period = 5 * SECOND;
    let mut world = World::up(one_for_one(1), [child("a")]);
    world.exit("a", error());
    world.pass(period + Duration::from_nanos(1));
    world.exit("a", error());
    world.did("start a, start a");
    world.pass(period);
    world.exit("a", error());
    world.did("gave up, finish");
}

#[test]
fn r31_case_h_only_crashes_faster_than_the_budget_trip_it() {
    let slow = 5 * SECOND / 3 + Duration::from_nanos(1);
    let mut world = World::up(one_for_one(3), [child("a")]);
    for _ in 0..1000 {
        world.pass(slow);
        world.exit("a", error());
    }
    assert!(world.take().iter().all(|line| line == "start a"));
    let fast = 5 * SECOND / 3;
    for _ in 0..4 {
        world.pass(fast);
        world.exit("a", error());
    }
    assert_eq!(world.take().last().map(String::as_str), Some("finish"));
}

#[test]
fn r30_a_group_restart_costs_one_however_many_children_move() {
    for settings in [one_for_all(2), rest_for_one(2)] {
        let mut world = World::up(settings, [child("a"), child("b"), child("c")]);
        world.exit("a", error());
        world.exit("a", error());
        assert!(!world.take().contains(&"gave up".to_owned()));
        world.exit("a", error());
        world.did("gave up, ask c, ask b, finish");
    }
}

#[test]
fn r30_exits_without_a_restart_cost_nothing() {
    let mut world = World::up(one_for_one(0), [child("a").transient(), child("b").temporary(), child("c")]);
    world.exit("a", Exit::Normal);
    world.exit("b", error());
    world.did("");
}

#[test]
fn r33_on_the_fatal_exit_no_group_logic_runs() {
    let mut world = World::up(one_for_all(0), [child("a"), child("b"), child("c")]);
    world.exit("b", error());
    world.did("gave up, ask c, ask a, finish");
    world.shows("a- b- c-");
}

#[test]
fn r37_a_supervisor_costs_one_like_any_child() {
    let mut world = World::up(one_for_one(1), [supervisor("s"), child("a")]);
    world.exit("s", error());
    world.did("start s");
    world.exit("a", error());
    world.did("gave up, ask s, finish");
}

#[test]
fn r31_case_s_an_unlimited_intensity_never_gives_up() {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(usize::MAX, Duration::MAX);
    let mut world = World::up(SupervisorSettings { strategy, ..Default::default() }, [child("a")]);
    // Miri is a thousand times slower.
    let exits = if cfg!(miri) { 100 } else { 10_000 };
    for _ in 0..exits {
        world.exit("a", error());
    }
    assert_eq!(world.take().len(), exits);
    assert!(world.engine.history().count() <= 16);
}

#[test]
fn a1_the_history_keeps_the_last_16_failures_in_order() {
    let mut world = World::up(one_for_one(30), [child("a"), child("b")]);
    for n in 0..30 {
        world.exit("a", Exit::Failed(Failure::new(format!("boom {n}"))));
    }
    world.exit("b", Exit::Failed(Failure::new("the last straw")));
    let history: Vec<_> =
        world.engine.history().map(|charge| format!("{} {}", charge.child.name, charge.cause)).collect();
    assert_eq!(history.len(), 16);
    assert_eq!(history[0], "a failed: boom 15");
    assert_eq!(history[15], "b failed: the last straw");
}

#[test]
fn a1_the_history_has_only_failures_that_count() {
    let mut world = World::up(one_for_one(1), [child("a"), child("b")]);
    world.exit("a", error());
    world.pass(6 * SECOND);
    world.exit("b", error());
    world.exit("b", error());
    let history: Vec<_> = world.engine.history().map(|charge| charge.child.name).collect();
    assert_eq!(history, ["b", "b"]);
}

#[test]
fn r34_d4_old_restarts_free_their_room_when_a_new_one_comes() {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(100_000, SECOND);
    let (mut intensity, start) = (Intensity::new(strategy), Instant::now());
    let charge = |at| Charge { child: (), at, cause: RestartCause::Exit(Exit::Aborted) };
    assert!((0..100_000).all(|_| intensity.charge(start, || charge(start))));
    assert!(!intensity.charge(start, || charge(start)));
    assert_eq!(intensity.room().0, 100_000);
    for later in 1..=1000u32 {
        let at = start + later * 2 * SECOND;
        assert!(intensity.charge(at, || charge(at)));
    }
    let (held, room) = intensity.room();
    assert!(held == 1 && room <= 32, "{held} in a room for {room}");
}
