use super::*;

const GRACE: Duration = Duration::from_secs(5);

fn brutal(name: &'static str) -> Child {
    child(name).shutdown(ShutdownStrategy::Brutal)
}

#[test]
fn d3_a_shutdown_abandons_a_stuck_process_after_the_grace() {
    let mut world = World::up(one_for_one(0), [child("a"), brutal("b")]);
    world.stuck.push("b");
    world.shutdown();
    world.pass(GRACE - Duration::from_nanos(1));
    world.did("abort b");
    world.pass(Duration::from_nanos(1));
    world.did("abandoned b, ask a, finish");
    assert_eq!(world.unclean(), ["b Abandoned"]);
}

#[test]
fn d3_a_process_is_marked_as_abandoned_without_a_listener() {
    let mut world = World::up(one_for_one(0), [brutal("a")]);
    world.engine.is_heard = false;
    world.stuck.push("a");
    world.shutdown();
    world.pass(GRACE);
    // The driver marks the process when it performs this.
    world.did("abort a, abandoned a, finish");
}

#[test]
fn d3_the_late_exit_of_an_abandoned_process_changes_nothing() {
    let mut world = World::up(one_for_one(0), [child("a"), brutal("b")]);
    world.stuck.push("b");
    world.deaf.push("a");
    world.shutdown();
    world.pass(GRACE);
    world.exit("b", error());
    world.did("abort b, abandoned b, ask a");
    world.exit("a", Exit::Normal);
    world.did("finish");
}

#[test]
fn d3_a_restart_waits_for_a_stuck_process() {
    let mut world = World::up(one_for_all(1), [child("a"), brutal("b"), child("c")]);
    world.stuck.push("b");
    world.exit("c", error());
    world.did("abort b");
    world.pass(GRACE);
    world.did("stuck b, ask a");
    world.shows("a~ b! c~");
    world.pass(100 * GRACE);
    world.did("");
    world.exit("b", Exit::Aborted);
    world.did("start a, start b, start c");
}

#[test]
fn d3_a_shutdown_abandons_what_a_restart_waits_for() {
    let mut world = World::up(one_for_all(1), [child("a"), brutal("b"), child("c")]);
    world.stuck.push("b");
    world.exit("c", error());
    world.pass(GRACE);
    world.did("abort b, stuck b, ask a");
    world.shutdown();
    world.did("ask b, abandoned b, finish");
}

#[test]
fn d3_a_stop_with_a_successor_abandons_a_stuck_process_too() {
    let mut world = World::new(one_for_one(0), [brutal("a"), child("b")]);
    world.stuck.push("a");
    world.engine.handle_start(false);
    world.settle();
    world.take();
    world.exit("b", error());
    world.pass(GRACE);
    world.did("gave up, abort a, abandoned a, finish");
}

#[test]
fn p2_nothing_starts_before_the_earlier_run_is_gone() {
    let mut world = World::left_behind(one_for_one(0), [child("a"), child("b"), child("c")], &["b"]);
    world.did("abort b");
    world.shows("a? b~ c?");
    world.exit("b", Exit::Aborted);
    world.did("start a, start b, start c, ready");
}

#[test]
fn p2_a_stuck_process_of_an_earlier_run_is_named() {
    let mut world = World::left_behind(one_for_one(0), [child("a"), child("b"), child("c")], &["a", "c"]);
    world.pass(GRACE);
    world.did("abort a, abort c, stuck a, stuck c");
    world.pass(100 * GRACE);
    world.exit("c", Exit::Aborted);
    world.did("");
    world.exit("a", Exit::Aborted);
    world.did("start a, start b, start c, ready");
}

#[test]
fn p2_a_shutdown_abandons_a_process_of_an_earlier_run() {
    let mut world = World::left_behind(one_for_one(0), [child("a"), child("b")], &["a"]);
    world.shutdown();
    world.did("abort a");
    world.pass(GRACE);
    world.did("abandoned a, finish");
    assert_eq!(world.unclean(), ["a Abandoned"]);
}

#[test]
fn p2_a_terminated_child_of_an_earlier_run_is_not_started() {
    let mut world = World::left_behind(one_for_one(0), [child("a"), child("b")], &["a"]);
    world.terminate("a");
    world.told("");
    world.exit("a", Exit::Aborted);
    world.told("terminate a: ok");
    world.did("abort a, start b, ready");
}

#[test]
fn p2_a_temporary_child_of_an_earlier_run_is_started() {
    let mut world = World::left_behind(one_for_one(0), [child("a").temporary()], &["a"]);
    world.exit("a", Exit::Aborted);
    world.did("abort a, start a, ready");
}

#[test]
fn d3_a_late_start_that_is_stuck_is_abandoned() {
    let mut world = World::new(one_for_one(0), [child("a"), child("b").start_timeout(SECOND)]);
    world.plan("b", [None]);
    world.stuck.push("b");
    world.start();
    world.pass(SECOND);
    world.did("start a, start b, abort b");
    world.pass(GRACE);
    world.did("stuck b, ask b, abandoned b, ask a, finish");
    assert!(matches!(world.engine.poll_outcome().cause, Cause::FailedToStart { .. }));
}

#[test]
fn d3_a_late_restart_that_is_stuck_is_waited_for() {
    let mut world = World::up(rest_for_one(5), [child("a").start_timeout(SECOND), child("b")]);
    world.plan("a", [None]);
    world.stuck.push("a");
    world.exit("a", error());
    world.pass(SECOND);
    world.pass(GRACE);
    world.did("ask b, start a, abort a, stuck a");
    world.exit("a", Exit::Aborted);
    world.did("start a, start b");
}

#[test]
fn d3_a_killed_stuck_process_is_restarted_when_it_is_gone() {
    let mut world = World::up(one_for_one(5), [child("a")]);
    world.stuck.push("a");
    world.kill("a");
    world.pass(GRACE);
    world.did("abort a, stuck a");
    world.exit("a", Exit::Aborted);
    world.did("start a");
}

#[test]
fn n8_a_supervisor_that_does_not_acknowledge_is_abandoned() {
    let mut world = World::up(one_for_one(0), [child("a"), supervisor("s")]);
    world.deaf.push("s");
    world.stuck.push("s");
    world.shutdown();
    world.did("ask s");
    world.pass(GRACE);
    world.did("abort s, abandoned s, ask a, finish");
}

#[test]
fn n8_a_supervisor_that_acknowledges_is_waited_for() {
    let mut world = World::up(one_for_one(0), [child("a"), supervisor("s")]);
    world.deaf.push("s");
    world.shutdown();
    world.report("s", ReportKind::Acknowledged);
    world.settle();
    assert_eq!(world.engine.next_deadline(), None);
    world.pass(1000 * GRACE);
    world.did("ask s");
    world.exit("s", Exit::Normal);
    world.did("ask a, finish");
}

#[test]
fn n8_a_supervisor_that_stops_by_itself_need_not_answer() {
    let mut world = World::up(one_for_one(0), [child("a"), supervisor("s")]);
    world.deaf.push("s");
    world.report("s", ReportKind::Acknowledged);
    world.settle();
    world.shutdown();
    world.pass(1000 * GRACE);
    world.did("ask s");
    world.exit("s", Exit::Normal);
    world.did("ask a, finish");
}

#[test]
fn n8_an_acknowledgement_is_good_for_one_incarnation() {
    let mut world = World::up(one_for_one(1), [supervisor("s")]);
    world.report("s", ReportKind::Acknowledged);
    world.exit("s", Exit::Normal);
    world.did("start s");
    world.deaf.push("s");
    world.stuck.push("s");
    world.shutdown();
    world.pass(GRACE);
    world.did("ask s, abort s, abandoned s, finish");
}

#[test]
fn n8_a_restart_waits_for_a_supervisor_that_is_silent() {
    let mut world = World::up(one_for_all(1), [child("a"), supervisor("s")]);
    world.deaf.push("s");
    world.stuck.push("s");
    world.exit("a", error());
    world.pass(GRACE);
    world.did("ask s, abort s, stuck s");
    world.exit("s", Exit::Aborted);
    world.did("start a, start s");
}

#[test]
fn d3_a_grace_seen_late_is_given_once_more() {
    let mut world = World::up(one_for_one(0), [child("a"), brutal("b")]);
    world.stuck.push("b");
    world.shutdown();
    world.pass(GRACE + 2 * SECOND);
    world.did("abort b");
    world.pass(2 * SECOND - Duration::from_nanos(1));
    world.did("");
    // And not again, however late: a stop has an end.
    world.pass(100 * SECOND);
    world.did("abandoned b, ask a, finish");

    let mut world = World::up(one_for_one(0), [brutal("b")]);
    world.stuck.push("b");
    world.shutdown();
    world.pass(8 * 3600 * SECOND);
    world.did("abort b");
    world.report("b", ReportKind::Exited(Exit::Aborted));
    world.settle();
    world.did("finish");
    assert_eq!(world.unclean(), [""; 0]);
}

#[test]
fn d3_an_acknowledgement_seen_late_is_given_more_time_too() {
    let mut world = World::up(one_for_one(0), [supervisor("a")]);
    world.deaf.push("a");
    world.stuck.push("a");
    world.shutdown();
    world.pass(GRACE + SECOND);
    world.did("ask a");
    world.report("a", ReportKind::Acknowledged);
    world.settle();
    world.pass(100 * SECOND);
    world.did("");
}

#[test]
fn d3_a_stop_limit_seen_late_is_not_longer() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.deaf.push("a");
    world.shutdown();
    world.pass(3600 * SECOND);
    world.did("ask a, abort a, finish");
}

#[test]
fn p2_a_child_started_meanwhile_goes_on() {
    for is_stuck in [false, true] {
        let mut world = World::left_behind(one_for_one(1), [child("a"), child("b")], &["b"]);
        world.did("abort b");
        world.terminate("a");
        world.restart("a");
        world.did("start a");
        if is_stuck {
            world.pass(5 * SECOND);
            world.did("stuck b");
        }
        world.exit("b", Exit::Aborted);
        world.did("start b, ready");
    }
}

#[test]
fn p2_an_unlimited_grace_starts_nothing_beside_what_is_left() {
    let settings = SupervisorSettings { abort_grace: Duration::MAX, ..one_for_one(0) };
    let mut world = World::left_behind(settings, [child("a"), child("b")], &["a"]);
    world.did("abort a");
    world.exit("a", Exit::Aborted);
    world.did("start a, start b, ready");
}

#[test]
fn n2_terminating_a_stuck_leader_keeps_its_siblings_down() {
    let limit = Duration::from_secs(1);
    let mut world = World::up(rest_for_one(5), [child("a"), child("b").start_timeout(limit), child("c")]);
    world.plan("b", [None]);
    world.exit("b", error());
    world.did("ask c, start b");
    world.stuck.push("b");
    world.pass(limit);
    world.pass(GRACE);
    world.did("abort b, stuck b");
    world.terminate("b");
    world.told("terminate b: Stuck");
    world.did("b leaves down c");
    world.exit("b", Exit::Aborted);
    world.did("");
    world.shows("a b- c-");
}

#[test]
fn r61_who_declines_beside_a_waiting_start_stays_stopped() {
    for settings in [one_for_one(1), rest_for_one(1), one_for_all(1)] {
        let mut world = World::left_behind(settings, [child("a"), child("b")], &["a"]);
        world.plan("x", [Some(Exit::Ignored)]);
        world.start_child(child("x"));
        world.told("start x: ok");
        world.did("abort a, start x");
        world.exit("a", Exit::Aborted);
        world.did("start a, start b, ready");
        world.shows("a b x-");
    }
}

#[test]
fn r9_who_ends_beside_a_waiting_start_has_its_own_policy() {
    for settings in [one_for_one(1), rest_for_one(1), one_for_all(1)] {
        let mut world = World::left_behind(settings, [child("a"), child("b")], &["a"]);
        world.start_child(child("x").transient());
        world.exit("x", Exit::Normal);
        world.did("abort a, start x");
        world.exit("a", Exit::Aborted);
        world.did("start a, start b, ready");
        world.shows("a b x-");
    }
}

#[test]
fn r60_who_is_late_beside_a_waiting_start_is_not_added() {
    let mut world = World::left_behind(one_for_one(1), [child("a")], &["a"]);
    world.plan("x", [None]);
    world.start_child(child("x").start_timeout(SECOND));
    world.pass(SECOND);
    world.did("abort a, start x, abort x");
    assert!(world.answers[0].starts_with("start x: FailedToStart"), "{:?}", world.answers);
    world.exit("a", Exit::Aborted);
    world.did("start a, ready");
    world.shows("a");
}

#[test]
fn r30_a_failure_beside_a_waiting_start_costs_a_restart() {
    let mut world = World::left_behind(one_for_one(1), [child("a"), child("b")], &["a"]);
    world.start_child(child("x"));
    world.exit("x", error());
    world.did("abort a, start x, start x");
    world.exit("x", error());
    world.did("gave up");
}

#[test]
fn p2_a_group_that_begins_meanwhile_waits_for_what_is_left() {
    for settings in [rest_for_one(1), one_for_all(1)] {
        let mut world = World::left_behind(settings, [child("a"), child("b")], &["a"]);
        world.start_child(child("x"));
        world.exit("x", error());
        world.did("abort a, start x");
        world.exit("a", Exit::Aborted);
        world.did("start a, start b, start x, ready");
    }
}
