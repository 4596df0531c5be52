//! What calls do while a group is being restarted: N2, N4 to N6.

use super::*;

/// Makes a one-for-all group in which a is starting again after its own failure, with b and c after it.
fn restarting() -> World {
    let mut world = World::up(one_for_all(9), [child("a"), child("b"), child("c")]);
    world.plan("a", [None]);
    world.exit("a", error());
    world.did("ask c, ask b, start a");
    world.shows("a? b~ c~");
    world
}

fn ready(world: &mut World, name: &str) {
    world.report(name, ReportKind::Ready);
    world.settle();
}

#[test]
fn n2_a_terminated_sibling_is_left_out_of_the_pending_restart() {
    let mut world = restarting();
    world.terminate("b");
    world.told("terminate b: ok");
    ready(&mut world, "a");
    world.did("start c");
    world.shows("a b- c");
    world.exit("c", error());
    world.did("ask a, start a, start b, start c");
}

#[test]
fn n2_a_terminated_sibling_is_left_out_of_the_retries_too() {
    let mut world = restarting();
    world.terminate("b");
    world.exit("a", error());
    world.did("start a, start c");
    world.shows("a b- c");
}

#[test]
fn n2_a_sibling_terminated_while_its_group_stops_stays_stopped() {
    let mut world = World::up(rest_for_one(9), [child("a"), child("b"), child("c")]);
    world.deaf.push("c");
    world.exit("a", error());
    world.did("ask c");
    world.terminate("c");
    world.told("");
    world.exit("c", Exit::Normal);
    world.told("terminate c: ok");
    world.did("ask b, start a, start b");
    world.shows("a b c-");
}

#[test]
fn r18_a_child_terminated_before_its_group_fails_is_revived() {
    let mut world = World::up(one_for_all(9), [child("a"), child("b")]);
    world.deaf.push("b");
    world.terminate("b");
    world.exit("a", error());
    world.did("ask b");
    world.exit("b", Exit::Normal);
    world.told("terminate b: ok");
    world.did("start a, start b");
}

#[test]
fn r28_terminating_the_failed_child_leaves_its_siblings_down() {
    let mut world = World::up(rest_for_one(9), [child("a"), child("b"), child("c"), child("d")]);
    world.plan("b", [Some(error()), None]);
    world.exit("b", error());
    world.did("ask d, ask c, start b, start b");
    world.terminate("b");
    world.did("abort b, b leaves down c d");
    world.told("terminate b: ok");
    world.shows("a b- c- d-");
    // They can be restarted by hand, and come back with the next restart of their group.
    world.restart("c");
    world.exit("c", error());
    world.did("start c, start c, start d");
    world.shows("a b- c d");
}

#[test]
fn r28_terminating_it_in_its_backoff_does_so_too() {
    let backoff = child("a").backoff(Backoff::constant(SECOND));
    let mut world = World::up(one_for_all(9), [backoff, child("b").temporary(), child("c")]);
    world.deaf.push("c");
    world.exit("a", error());
    world.did("delay a 1000, ask c");
    world.terminate("a");
    world.did("a leaves down c");
    world.told("terminate a: ok");
    world.exit("c", Exit::Normal);
    world.pass(2 * SECOND);
    world.did("");
    world.shows("a- b c-");
}

#[test]
fn r28_a_child_added_to_a_cancelled_group_is_started() {
    let mut world = restarting();
    world.start_child(child("d"));
    world.told("");
    world.terminate("a");
    world.did("abort a, a leaves down b c, start d");
    world.told("terminate a: ok, start d: ok");
    world.shows("a- b- c- d");
}

#[test]
fn terminating_the_failed_child_after_its_start_is_a_stop() {
    let mut world = World::up(one_for_all(9), [child("a"), child("b")]);
    world.plan("b", [None]);
    world.exit("a", error());
    world.did("ask b, start a, start b");
    world.terminate("a");
    world.did("ask a");
    ready(&mut world, "b");
    world.shows("a- b");
}

#[test]
fn terminating_a_starting_sibling_lets_the_restart_go_on() {
    let mut world = World::up(one_for_all(9), [child("a"), child("b"), child("c")]);
    world.plan("b", [None]);
    world.exit("a", error());
    world.terminate("b");
    world.did("ask c, ask b, start a, start b, abort b, start c");
    world.told("terminate b: ok");
    world.shows("a b- c");
}

#[test]
fn n5_a_child_added_during_a_group_restart_is_the_last_to_start() {
    let mut world = restarting();
    world.start_child(child("d"));
    world.told("");
    world.shows("a? b~ c~ d?");
    ready(&mut world, "a");
    world.did("start b, start c, start d");
    world.told("start d: ok");
}

#[test]
fn n5_it_is_the_last_while_the_group_stops_or_waits_too() {
    let backoff = child("a").backoff(Backoff::constant(SECOND));
    let mut world = World::up(rest_for_one(9), [backoff, child("b")]);
    world.deaf.push("b");
    world.exit("a", error());
    world.start_child(child("c"));
    world.exit("b", Exit::Normal);
    world.start_child(child("d"));
    world.did("delay a 1000, ask b");
    world.pass(SECOND);
    world.did("start a, start b, start c, start d");
    world.told("start c: ok, start d: ok");
}

#[test]
fn r60_a_failed_start_child_in_a_group_restart_costs_nothing() {
    let mut world = World::up(one_for_all(1), [child("a"), child("b")]);
    world.plan("a", [None]);
    world.exit("a", error());
    world.plan("c", [Some(error())]);
    world.start_child(child("c"));
    world.start_child(child("d"));
    ready(&mut world, "a");
    world.did("ask b, start a, start b, start c, start d");
    world.told(r#"start c: FailedToStart(Failed("boom")), start d: ok"#);
    world.shows("a b d");
}

#[test]
fn n5_a_starting_added_child_restarts_with_its_group() {
    let mut world = World::up(one_for_all(9), [child("a")]);
    world.plan("b", [None]);
    world.start_child(child("b"));
    world.exit("a", error());
    world.did("start b, abort b, start a, start b");
    world.told("start b: ok");
}

#[test]
fn r17_a_starting_temporary_child_is_removed_and_answered() {
    let mut world = World::up(one_for_all(9), [child("a")]);
    world.plan("b", [None]);
    world.start_child(child("b").temporary());
    world.exit("a", error());
    world.did("start b, abort b, start a");
    world.told("start b: FailedToStart(Aborted)");
    world.shows("a");
}

#[test]
fn restart_of_a_left_out_child_takes_its_turn_in_the_group() {
    let mut world = restarting();
    world.terminate("b");
    world.restart("b");
    world.told("terminate b: ok");
    ready(&mut world, "a");
    world.did("start b, start c");
    world.told("restart b: ok");
}

#[test]
fn restart_of_a_passed_child_starts_it_at_once() {
    let mut world = World::up(one_for_all(9), [child("a"), child("b"), child("c")]);
    world.plan("c", [None]);
    world.exit("b", error());
    world.terminate("a");
    world.take();
    world.restart("a");
    world.did("start a");
    world.told("terminate a: ok, restart a: ok");
}

#[test]
fn n6_start_child_from_a_member_in_set_up_would_deadlock() {
    let mut world = restarting();
    world.within = Some("a");
    world.start_child(child("d"));
    world.told("start d: WouldDeadlock");
    world.terminate("b");
    world.restart("b");
    world.told("terminate b: ok, restart b: WouldDeadlock");
    // No caller waits for this one.
    world.spawn(child("e"));
    ready(&mut world, "a");
    world.did("start c, start e");
}

#[test]
fn n6_start_child_from_a_stopping_member_would_deadlock() {
    let mut world = World::up(one_for_all(9), [child("a"), child("b")]);
    world.deaf.push("b");
    world.exit("a", error());
    world.within = Some("b");
    world.start_child(child("c"));
    world.told("start c: WouldDeadlock");
}

#[test]
fn n6_start_child_from_elsewhere_does_not_deadlock() {
    let mut world = World::up(rest_for_one(9), [child("a"), child("b"), child("c")]);
    world.plan("c", [None]);
    world.exit("b", error());
    // Neither is waited for: one is not in the group, the other is ready again.
    for (within, name) in [("a", "d"), ("b", "e")] {
        world.within = Some(within);
        world.start_child(child(name));
    }
    ready(&mut world, "c");
    world.told("start d: ok, start e: ok");
    // In a first start nothing waits for its turn behind the others.
    let mut world = World::new(one_for_all(9), [child("a"), child("b")]);
    world.plan("a", [None]);
    world.start();
    world.within = Some("a");
    world.start_child(child("c"));
    world.told("start c: ok");
}

#[test]
fn n4_auto_shutdown_during_a_group_restart_ends_it_where_it_is() {
    let settings = SupervisorSettings { auto_shutdown: AutoShutdown::AnySignificant, ..rest_for_one(9) };
    let mut world = World::up(settings, [child("a").transient().significant(), child("b"), child("c")]);
    world.plan("b", [None]);
    world.exit("b", error());
    world.start_child(child("d"));
    world.exit("a", Exit::Normal);
    world.did("ask c, start b, abort b, finish");
    world.told("start d: ShuttingDown");
}

#[test]
fn n3_terminate_in_the_first_start_cancels_no_group_restart() {
    let mut world = World::new(one_for_all(9), [child("a"), child("b"), child("c")]);
    world.plan("b", [None]);
    world.start();
    world.plan("a", [None]);
    world.exit("a", error());
    world.did("start a, start b, abort b, start a");
    world.terminate("a");
    world.did("abort a, start b, start c, ready");
}

#[test]
fn r28_a_sibling_killed_before_is_restarted_by_its_type() {
    let mut world = World::up(rest_for_one(9), [child("a"), child("b"), child("c")]);
    world.stuck.push("b");
    world.kill("b");
    world.deaf.push("c");
    world.exit("a", error());
    world.did("abort b, ask c");
    world.terminate("a");
    world.did("a leaves down c");
    world.exit("b", Exit::Aborted);
    world.exit("c", Exit::Normal);
    world.did("start b, start c");
    world.shows("a- b c");
}

#[test]
fn r18_a_sibling_that_is_still_stopping_is_revived() {
    for first in ["b", "c"] {
        let mut world = World::up(rest_for_one(9), [child("a"), child("b"), child("c")]);
        world.deaf = vec!["b", "c"];
        world.terminate("b");
        world.exit("a", error());
        world.did("ask b, ask c");
        world.exit(first, Exit::Normal);
        world.exit(if first == "b" { "c" } else { "b" }, Exit::Normal);
        world.did("start a, start b, start c");
    }
}

#[test]
fn n2_a_first_start_that_fails_in_the_group_joins_it() {
    let fail: [fn(&mut World); 3] =
        [|world| world.exit("b", error()), |world| world.kill("b"), |world| world.pass(2 * SECOND)];
    for fail in fail {
        let mut world = World::new(one_for_all(9), [child("a"), child("b").start_timeout(2 * SECOND)]);
        world.plan("b", [None]);
        world.start();
        // It starts beside the others, and has to stop before them.
        world.start_child(child("c"));
        world.deaf.push("c");
        world.exit("a", error());
        world.did("start a, start b, start c, ask c");
        fail(&mut world);
        world.exit("c", Exit::Normal);
        assert!(world.take().ends_with(&["start a", "start b", "start c", "ready"].map(str::to_owned)));
    }
}

#[test]
fn n2_a_failure_before_the_group_does_not_cut_its_delay_short() {
    let backoff = child("b").backoff(Backoff::constant(10 * SECOND));
    let mut world = World::up(rest_for_one(9), [child("a"), backoff, child("c")]);
    world.exit("b", error());
    world.did("delay b 10000, ask c");
    world.pass(SECOND);
    world.exit("a", error());
    world.pass(8 * SECOND);
    world.did("");
    world.pass(SECOND);
    world.did("start a, start b, start c");
}

#[test]
fn r18_a_child_that_declines_in_a_group_starts_with_it() {
    let mut world = World::up(one_for_all(5), [child("a"), child("b"), child("c")]);
    world.terminate("b");
    world.plan("b", [None]);
    world.restart("b");
    world.deaf.push("c");
    world.exit("a", error());
    world.did("ask b, start b, ask c");
    world.exit("b", Exit::Ignored);
    world.told("terminate b: ok, restart b: ok");
    world.exit("c", Exit::Normal);
    world.did("start a, start b, start c");
}

#[test]
fn n3_a_group_beside_a_first_start_leaves_that_to_go_on() {
    let mut world = World::new(rest_for_one(1), [child("a"), child("b"), child("c")]);
    world.plan("b", [None]);
    world.start();
    world.start_child(child("x"));
    world.start_child(child("y"));
    world.did("start a, start b, start x, start y");
    world.exit("x", error());
    world.did("ask y");
    world.report("b", ReportKind::Ready);
    world.settle();
    world.did("start c, start x, start y, ready");
}

#[test]
fn n3_a_first_start_goes_on_after_the_delay_of_a_group() {
    let backoff = Backoff::constant(SECOND).without_jitter();
    let mut world = World::new(rest_for_one(3), [child("a"), child("b"), child("c")]);
    world.plan("b", [None]);
    world.start();
    world.start_child(child("x").backoff(backoff));
    world.did("start a, start b, start x");
    world.exit("x", error());
    world.report("b", ReportKind::Ready);
    world.settle();
    world.did("delay x 1000");
    // A failure before the group: all behind it is still to be started.
    world.exit("b", error());
    world.pass(SECOND);
    world.did("start b, start c, start x, ready");
}
