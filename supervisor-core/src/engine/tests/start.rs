use super::*;

#[test]
fn r1_children_start_in_order_each_after_the_one_before() {
    let mut world = World::new(one_for_one(1), [child("a"), child("b"), child("c")]);
    world.plan("b", [None]);
    world.start();
    world.did("start a, start b");
    world.shows("a b? c?");
    world.report("b", ReportKind::Ready);
    world.settle();
    world.did("start c, ready");
    world.shows("a b c");
}

#[test]
fn r2_a_supervisor_is_ready_when_its_last_child_is() {
    let mut world = World::new(one_for_one(1), [child("a")]);
    world.plan("a", [None]);
    world.start();
    world.did("start a");
    world.report("a", ReportKind::Ready);
    world.settle();
    world.did("ready");
    World::up(one_for_one(1), []);
}

#[test]
fn r3_a_failed_start_rolls_back_in_reverse() {
    for kind in [child("c"), child("c").transient(), child("c").temporary()] {
        let mut world = World::new(one_for_one(10), [child("a"), child("b"), kind, child("d")]);
        world.plan("c", [Some(error())]);
        world.start();
        world.did("start a, start b, start c, ask b, ask a, finish");
        let Cause::FailedToStart { child, .. } = world.engine.poll_outcome().cause else {
            panic!("not a failed start")
        };
        assert_eq!(child.name, "c");
    }
}

#[test]
fn r4_error_panic_abort_and_loss_are_the_same_failed_start() {
    for exit in [error(), Exit::Panicked(Failure::new("boom")), Exit::Aborted, Exit::Lost] {
        let mut world = World::new(one_for_one(10), [child("a"), child("b")]);
        world.plan("b", [Some(exit)]);
        world.start();
        world.did("start a, start b, ask a, finish");
    }
}

#[test]
fn r5_a_child_with_nothing_to_run_is_kept_unless_temporary() {
    let mut world =
        World::new(one_for_one(1), [child("a"), child("b").transient(), child("c").temporary(), child("d")]);
    for name in ["a", "b", "c"] {
        world.plan(name, [Some(Exit::Ignored)]);
    }
    world.start();
    world.did("start a, start b, start c, start d, ready");
    world.shows("a- b- d");
}

#[test]
fn a2_a_child_without_set_up_is_ready_when_it_is_spawned() {
    let mut worker = child("a");
    worker.settings.ready_at_once = true;
    let mut world = World::new(one_for_one(1), [worker, child("b")]);
    world.plan("a", [None]);
    world.start();
    world.did("start a, start b, ready");
}

#[test]
fn a2_a_child_not_ready_in_time_has_failed_to_start() {
    let mut world = World::new(one_for_one(1), [child("a"), child("b").start_timeout(3 * SECOND)]);
    world.plan("b", [None]);
    world.start();
    world.did("start a, start b");
    assert_eq!(world.engine.next_deadline(), Some(world.now + 3 * SECOND));
    world.pass(3 * SECOND - Duration::from_nanos(1));
    world.did("");
    world.pass(Duration::from_nanos(1));
    world.did("abort b, ask a, finish");
    let Cause::FailedToStart { failure, .. } = world.engine.poll_outcome().cause else { panic!("not a failed start") };
    assert_eq!(failure.to_string(), "failed to start: not ready within its start timeout of 3s");
}

#[test]
fn a2_a_ready_child_has_no_start_timeout() {
    let mut world = World::up(one_for_one(1), [child("a").start_timeout(SECOND)]);
    assert_eq!(world.engine.next_deadline(), None);
    world.pass(10 * SECOND);
    world.did("");
}

#[test]
fn n1_shutdown_in_the_first_start_aborts_the_set_up() {
    let mut world = World::new(one_for_one(1), [child("a"), child("b"), child("c")]);
    world.plan("b", [None]);
    world.start();
    world.shutdown();
    world.did("start a, start b, abort b, ask a, finish");
    let outcome = world.engine.poll_outcome();
    assert!(matches!(outcome.cause, Cause::Requested));
    assert!(outcome.unclean.is_empty(), "a set-up that is cut short is not unclean");
}

#[test]
fn n1_a_starting_nested_supervisor_is_asked_to_roll_back() {
    let mut world = World::new(one_for_one(1), [child("a"), supervisor("s")]);
    world.plan("s", [None]);
    world.start();
    world.shutdown();
    world.did("start a, start s, ask s, ask a, finish");
}

#[test]
fn n3_a_child_that_fails_in_the_first_start_is_restarted() {
    let mut world = World::new(one_for_one(1), [child("a"), child("b"), child("c")]);
    world.plan("b", [None]);
    world.start();
    world.did("start a, start b");
    world.exit("a", error());
    world.did("start a");
    world.report("b", ReportKind::Ready);
    world.settle();
    world.did("start c, ready");
    world.exit("a", error());
    world.did("gave up, ask c, ask b, finish");
}

#[test]
fn n3_in_a_group_strategy_it_starts_the_group_again() {
    let mut world = World::new(rest_for_one(1), [child("a"), child("b"), child("c"), child("d")]);
    world.plan("c", [None]);
    world.start();
    world.did("start a, start b, start c");
    world.exit("b", error());
    world.did("abort c, start b, start c, start d, ready");
    world.shows("a b c d");
}

#[test]
fn n3_giving_up_before_being_ready_stops_what_has_started() {
    let mut world = World::new(one_for_one(0), [child("a"), child("b")]);
    world.plan("b", [None]);
    world.start();
    world.exit("a", error());
    world.did("start a, start b, gave up, abort b, finish");
    assert!(matches!(world.engine.poll_outcome().cause, Cause::GaveUp));
}

#[test]
fn n3_exits_during_a_rollback_are_absorbed() {
    let mut world = World::new(one_for_one(5), [child("a"), child("b"), child("c")]);
    world.deaf.push("b");
    world.plan("c", [Some(error())]);
    world.start();
    world.did("start a, start b, start c, ask b");
    world.exit("a", error());
    world.did("");
    world.exit("b", Exit::Normal);
    world.did("finish");
}

#[test]
fn a3_a_failed_second_start_does_not_end_the_first_start() {
    let mut world = World::new(one_for_one(5), [child("a"), child("b")]);
    world.plan("b", [None]);
    world.start();
    world.plan("a", [Some(error())]);
    world.exit("a", error());
    world.did("start a, start b, start a, start a");
    world.shows("a b?");
}
