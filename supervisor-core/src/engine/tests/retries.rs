use super::*;

#[test]
fn r22_a_failed_restart_is_retried_and_each_attempt_costs_one() {
    let mut world = World::up(one_for_one(3), [child("a"), child("b")]);
    world.plan("a", [Some(error()), Some(error())]);
    world.exit("a", error());
    world.did("start a, start a, start a");
    world.exit("a", error());
    world.did("gave up, ask b, finish");
}

#[test]
fn r22_a_start_that_keeps_failing_ends_the_supervisor() {
    let mut world = World::up(one_for_one(2), [child("a"), child("b")]);
    world.plan("a", [Some(error()), Some(error()), Some(error())]);
    world.exit("a", error());
    world.did("start a, start a, gave up, ask b, finish");
}

#[test]
fn r23_r24_rest_for_one_retries_from_the_child_that_failed() {
    let mut world = World::up(rest_for_one(3), [child("a"), child("b"), child("c"), child("d")]);
    world.plan("c", [Some(error())]);
    world.exit("b", error());
    world.did("ask d, ask c, start b, start c, start c, start d");
    world.shows("a b c d");
}

#[test]
fn r23_those_before_it_run_on_and_those_after_it_wait() {
    let mut world = World::up(rest_for_one(3), [child("a"), child("b"), child("c")]);
    world.plan("b", [Some(error()), None]);
    world.exit("a", error());
    world.did("ask c, ask b, start a, start b, start b");
    world.shows("a b? c~");
}

#[test]
fn r25_one_for_all_stops_everything_again_and_then_starts_all() {
    let mut world = World::up(one_for_all(3), [child("a"), child("b"), child("c")]);
    world.plan("b", [Some(error())]);
    world.exit("c", error());
    world.did("ask b, ask a, start a, start b, ask a, start a, start b, start c");
}

#[test]
fn r25_a_retry_starts_those_that_had_nothing_to_run_before() {
    let mut world = World::up(one_for_all(3), [child("a"), child("b"), child("c")]);
    world.plan("a", [Some(Exit::Ignored)]);
    world.plan("b", [Some(error())]);
    world.exit("c", error());
    world.did("ask b, ask a, start a, start b, start a, start b, start c");
    world.shows("a b c");
}

#[test]
fn r26_calls_are_served_before_the_next_attempt() {
    let mut world = World::up(one_for_one(9), [child("a"), child("b")]);
    world.plan("a", [None]);
    world.exit("a", error());
    world.did("start a");
    world.report("a", ReportKind::Exited(error()));
    world.engine.handle_exit(world.process_key("a"), error(), world.now);
    world.inbox.clear();
    world.engine.handle_shutdown(StopRequest::default(), world.now);
    world.settle();
    world.did("ask b, finish");
}

#[test]
fn r27_a_retry_that_a_group_restart_overtook_is_dropped() {
    let mut world = World::up(rest_for_one(9), [child("a"), child("b")]);
    world.plan("b", [None]);
    world.exit("b", error());
    world.did("start b");
    world.engine.handle_exit(world.process_key("b"), error(), world.now);
    world.engine.handle_exit(world.process_key("a"), error(), world.now);
    world.settle();
    world.did("start a, start b");
}

#[test]
fn r29_a_shutdown_between_two_attempts_is_honoured() {
    let mut world = World::up(one_for_one(usize::MAX), [child("a"), child("b")]);
    world.plan("a", [None]);
    world.exit("a", error());
    world.did("start a");
    world.shutdown();
    world.did("abort a, ask b, finish");
}

#[test]
fn r21_nothing_to_run_at_a_restart_is_a_success() {
    let mut world = World::up(one_for_one(1), [child("a"), child("b")]);
    world.plan("a", [Some(Exit::Ignored)]);
    world.exit("a", error());
    world.did("start a");
    world.shows("a- b");

    let mut world = World::up(one_for_all(1), [child("a"), child("b"), child("c")]);
    world.plan("b", [Some(Exit::Ignored)]);
    world.exit("a", error());
    world.did("ask c, ask b, start a, start b, start c");
    world.shows("a b- c");
}

#[test]
fn r38_a_supervisor_that_fails_to_restart_is_a_failed_attempt() {
    let mut world = World::up(one_for_one(2), [supervisor("s")]);
    world.plan("s", [Some(error())]);
    world.exit("s", error());
    world.did("start s, start s");
    world.shows("s");
}

#[test]
fn a2_a_restart_that_is_not_ready_in_time_is_retried() {
    let mut world = World::up(one_for_one(2), [child("a").start_timeout(SECOND)]);
    world.plan("a", [None]);
    world.exit("a", error());
    world.did("start a");
    world.pass(SECOND);
    world.did("abort a, start a");
    world.shows("a");
}

#[test]
fn a2_a_start_timeout_in_a_group_restart_bounds_the_wait() {
    let mut world = World::up(one_for_all(3), [child("a"), child("b").start_timeout(SECOND), child("c")]);
    world.plan("b", [None]);
    world.exit("a", error());
    world.did("ask c, ask b, start a, start b");
    world.pass(SECOND);
    world.did("abort b, ask a, start a, start b, start c");
}
