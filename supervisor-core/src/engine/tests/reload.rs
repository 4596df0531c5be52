//! Reloads: restarts of a child by hand.

use super::*;

fn runs_once(name: &'static str) -> Child {
    let mut child = child(name).temporary();
    child.settings.runs_once = true;
    child
}

#[test]
fn b5_under_one_for_one_a_reload_restarts_the_child_alone() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b"), child("c")]);
    world.reload("b");
    world.did("ask b, start b");
    world.told("reload b: ok");
    world.shows("a b c");
}

#[test]
fn b5_under_rest_for_one_a_reload_restarts_what_comes_later() {
    let mut world = World::up(rest_for_one(0), [child("a"), child("b"), child("c")]);
    world.reload("b");
    world.did("ask c, ask b, start b, start c");
    world.told("reload b: ok");
}

#[test]
fn b5_under_one_for_all_a_reload_restarts_all() {
    let mut world = World::up(one_for_all(0), [child("a"), child("b"), child("c")]);
    world.reload("b");
    world.did("ask c, ask b, ask a, start a, start b, start c");
    world.told("reload b: ok");
}

#[test]
fn b5_a_reload_answers_when_its_group_is_ready() {
    let mut world = World::up(rest_for_one(0), [child("a"), child("b")]);
    world.plan("b", [None]);
    world.reload("a");
    world.did("ask b, ask a, start a, start b");
    world.told("");
    world.report("b", ReportKind::Ready);
    world.settle();
    world.told("reload a: ok");
}

#[test]
fn b5_a_reload_costs_no_restart_and_no_backoff() {
    let mut world = World::up(one_for_one(1), [child("a").backoff(Backoff::constant(SECOND))]);
    for _ in 0..3 {
        world.reload("a");
        world.did("ask a, start a");
    }
    // The one restart is still there, and it is the first in a row.
    world.exit("a", error());
    world.did("delay a 1000");
    world.shows("a~");
}

#[test]
fn b5_a_failure_while_it_stops_for_a_reload_costs_nothing() {
    let mut world = World::up(rest_for_one(0), [child("a"), child("b")]);
    world.deaf = vec!["a", "b"];
    world.reload("a");
    world.did("ask b");
    // One before its turn to stop, and one that was asked.
    world.exit("a", error());
    world.exit("b", error());
    world.did("start a, start b");
    world.told("reload a: ok");
}

#[test]
fn b5_a_reload_that_fails_answers_and_goes_on_by_policy() {
    let mut world = World::up(one_for_one(1), [child("a")]);
    world.plan("a", [Some(error())]);
    world.reload("a");
    world.did("ask a, start a, start a");
    world.told("reload a: FailedToStart(Failed(\"boom\"))");
    world.shows("a");
    // That was charged.
    world.exit("a", error());
    assert_eq!(world.take().first().map(String::as_str), Some("gave up"));
}

#[test]
fn b5_a_reload_answers_the_failure_of_a_sibling() {
    let mut world = World::up(rest_for_one(1), [child("a"), child("b")]);
    world.plan("b", [Some(error())]);
    world.reload("a");
    world.did("ask b, ask a, start a, start b, start b");
    world.told("reload a: FailedToStart(Failed(\"boom\"))");
}

#[test]
fn b5_a_reload_aborts_a_set_up_and_begins_it_again() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.plan("a", [None]);
    world.reload("a");
    world.did("ask a, start a");
    world.reload("a");
    world.did("abort a, start a");
    world.told("reload a: ok, reload a: ok");
}

#[test]
fn b5_a_reload_in_a_first_start_keeps_the_order() {
    for settings in [one_for_one(0), rest_for_one(0), one_for_all(0)] {
        let mut world = World::new(settings, [child("a"), child("b")]);
        world.plan("a", [None]);
        world.start();
        world.did("start a");
        world.stuck = vec!["a"];
        world.reload("a");
        world.did("abort a");
        world.stuck.clear();
        world.exit("a", Exit::Aborted);
        world.did("start a, start b, ready");
        world.told("reload a: ok");
    }
}

#[test]
fn b5_a_reload_waits_for_no_backoff() {
    let backoff = Backoff::constant(SECOND);
    for settings in [one_for_one(1), one_for_all(1)] {
        let mut world = World::up(settings, [child("a").backoff(backoff)]);
        world.exit("a", error());
        world.did("delay a 1000");
        world.reload("a");
        world.did("start a");
        world.told("reload a: ok");
    }
}

#[test]
fn b5_a_reload_takes_the_backoff_from_a_group_that_stops() {
    let mut world = World::up(one_for_all(1), [child("a").backoff(Backoff::constant(SECOND)), child("b")]);
    world.deaf = vec!["b"];
    world.exit("a", error());
    world.did("delay a 1000, ask b");
    world.reload("b");
    world.exit("b", Exit::Normal);
    world.did("start a, start b");
    world.told("reload b: ok");
}

#[test]
fn b5_a_reload_of_a_child_that_stops_for_good_is_refused() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b").temporary()]);
    world.deaf = vec!["a"];
    world.stuck = vec!["b"];
    world.terminate("a");
    world.kill("b");
    world.take();
    world.reload("a");
    world.reload("b");
    world.told("kill b: ok, reload a: Stopping, reload b: Stopping");
    world.did("");
}

#[test]
fn b5_a_reload_of_a_killed_child_restarts_it_for_nothing() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.stuck = vec!["a"];
    world.kill("a");
    world.reload("a");
    world.stuck.clear();
    world.exit("a", Exit::Aborted);
    world.did("abort a, start a");
    world.told("kill a: ok, reload a: ok");
}

#[test]
fn b5_a_reload_of_a_stopped_child_starts_it_as_a_restart_does() {
    let mut world = World::up(one_for_all(0), [child("a"), child("b")]);
    world.terminate("a");
    world.take();
    world.plan("a", [Some(error())]);
    world.reload("a");
    world.reload("a");
    world.did("start a, start a");
    world.told("terminate a: ok, reload a: FailedToStart(Failed(\"boom\")), reload a: ok");
}

#[test]
fn b5_a_reload_revives_siblings_as_any_group_restart() {
    let mut world = World::up(one_for_all(0), [child("a"), child("b"), child("t").temporary()]);
    world.terminate("b");
    world.take();
    world.reload("a");
    world.did("ask t, ask a, start a, start b");
    assert_eq!(world.forgotten, ["t"]);
}

#[test]
fn b5_a_temporary_child_is_reloaded_under_its_id() {
    for settings in [one_for_one(0), rest_for_one(0), one_for_all(0)] {
        let mut world = World::up(settings, [child("a").temporary()]);
        world.reload("a");
        world.did("ask a, start a");
        world.told("reload a: ok");
        // It is as temporary as before.
        world.exit("a", error());
        world.did("");
        assert_eq!(world.forgotten, ["a"]);
    }
}

#[test]
fn b5_r17_a_reloaded_temporary_child_goes_with_its_group_later() {
    let mut world = World::up(one_for_all(1), [child("a"), child("t").temporary()]);
    world.reload("t");
    world.take();
    world.exit("a", error());
    world.did("ask t, start a");
    assert_eq!(world.forgotten, ["t"]);
}

#[test]
fn b5_a_temporary_child_that_fails_its_reload_is_removed() {
    let mut world = World::up(rest_for_one(0), [child("a").temporary(), child("b")]);
    world.plan("a", [Some(error())]);
    world.reload("a");
    world.did("ask b, ask a, start a, start b");
    world.told("reload a: FailedToStart(Failed(\"boom\"))");
    world.shows("b");
}

#[test]
fn b5_what_runs_once_is_refused_before_anything_stops() {
    let mut world = World::up(one_for_all(0), [runs_once("a"), child("b")]);
    world.reload("a");
    world.did("");
    world.told("reload a: RunsOnce");
}

#[test]
fn b5_a_reload_in_a_dynamic_supervisor_keeps_the_child() {
    let dynamic = SupervisorSettings { dynamic: true, shutdown_order: ShutdownOrder::Concurrent, ..one_for_one(0) };
    let mut world = World::up(dynamic, []);
    world.start_child(child("a"));
    world.spawn(child("b").temporary());
    world.take();
    world.reload("a");
    world.reload("b");
    world.did("ask a, start a, ask b, start b");
    world.told("start a: ok, reload a: ok, reload b: ok");
    world.shows("a b");
    assert!(world.forgotten.is_empty());
}

#[test]
fn b5_a_reload_of_a_significant_child_triggers_nothing() {
    let settings = SupervisorSettings { auto_shutdown: AutoShutdown::AnySignificant, ..one_for_one(0) };
    let mut world = World::up(settings, [child("a").transient().significant()]);
    world.reload("a");
    world.did("ask a, start a");
}

#[test]
fn b5_d3_a_reload_of_a_child_that_does_not_yield_says_so() {
    for settings in [one_for_one(0), one_for_all(0)] {
        let mut world = World::up(settings, [child("a").shutdown(ShutdownStrategy::Brutal), child("b")]);
        world.stuck = vec!["a"];
        world.reload("a");
        world.take();
        world.told("");
        world.pass(5 * SECOND);
        world.did("stuck a");
        world.told("reload a: Stuck");
        world.reload("a");
        world.told("reload a: Stuck");
        // P2: the restart goes on when it yields.
        world.exit("a", Exit::Aborted);
        assert_eq!(world.take().first().map(String::as_str), Some("start a"));
    }
}

#[test]
fn b5_a7_a_reload_whose_group_does_not_yield_says_so() {
    for is_terminated in [false, true] {
        let mut world = World::up(one_for_all(0), [child("a").shutdown(ShutdownStrategy::Brutal), child("b")]);
        world.stuck = vec!["a"];
        if is_terminated {
            world.terminate("a")
        } else {
            world.reload("b")
        }
        world.pass(5 * SECOND);
        world.take();
        world.told(if is_terminated { "terminate a: Stuck" } else { "reload b: Stuck" });
        world.reload("b");
        world.told("reload b: Stuck");
        world.stuck.clear();
        world.exit("a", Exit::Aborted);
        assert!(world.take().contains(&"start b".to_owned()), "the restart goes on");
    }
}

#[test]
fn b5_n1_a_shutdown_ends_a_reload() {
    for settings in [one_for_one(0), one_for_all(0)] {
        let mut world = World::up(settings, [child("a")]);
        world.deaf = vec!["a"];
        world.reload("a");
        world.shutdown();
        world.told("reload a: ShuttingDown");
        world.reload("a");
        world.told("reload a: ShuttingDown");
        world.exit("a", Exit::Normal);
        world.did("ask a, ask a, finish");
    }
}

#[test]
fn b5_n6_a_reload_that_waits_for_its_caller_answers_at_once() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b")]);
    world.deaf = vec!["a", "b"];
    world.within = Some("a");
    world.reload("a");
    world.told("reload a: ok");
    world.reload("b");
    world.told("");
    let mut world = World::up(rest_for_one(0), [child("a"), child("b"), child("c")]);
    world.deaf = vec!["c"];
    world.within = Some("c");
    world.reload("b");
    world.told("reload b: ok");
    world.exit("c", Exit::Normal);
    world.did("ask c, ask b, start b, start c");
}

#[test]
fn b5_n6_a_reload_whose_turn_waits_for_its_caller_answers() {
    let mut world = World::new(one_for_one(0), [child("a"), child("b")]);
    world.plan("a", [None]);
    world.start();
    world.within = Some("a");
    world.reload("b");
    world.told("reload b: ok");
}

#[test]
fn b5_n6_a_reload_comes_to_wait_for_its_caller_and_answers() {
    let mut world = World::up(rest_for_one(1), [child("a"), child("b"), child("c")]);
    world.within = Some("b");
    world.plan("c", [None]);
    world.reload("c");
    world.told("");
    // From now on the caller has to stop first.
    world.deaf = vec!["b"];
    world.exit("a", error());
    world.told("reload c: ok");
}

#[test]
fn b5_terminate_during_a_reload_leaves_no_sibling_down() {
    let mut world = World::up(rest_for_one(0), [child("a"), child("b")]);
    world.deaf = vec!["a"];
    world.reload("a");
    world.did("ask b, ask a");
    world.terminate("a");
    world.exit("a", Exit::Normal);
    world.did("start b");
    world.told("reload a: FailedToStart(Aborted), terminate a: ok");
    world.shows("a- b");
}

#[test]
fn b5_a_cancelled_group_answers_a_reload_that_joined_it() {
    let mut world = World::up(one_for_all(1), [child("a"), child("b")]);
    world.deaf = vec!["b"];
    world.exit("a", error());
    world.reload("b");
    world.terminate("a");
    world.told("reload b: FailedToStart(Aborted), terminate a: ok");
    world.did("ask b, a leaves down b");
}

#[test]
fn b5_a_kill_during_a_reload_aborts_and_restarts_for_nothing() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.deaf = vec!["a"];
    world.reload("a");
    world.kill("a");
    world.did("ask a, abort a, start a");
    world.told("kill a: ok, reload a: ok");
}

#[test]
fn b5_a_second_reload_joins_the_first() {
    for settings in [one_for_one(0), one_for_all(0)] {
        let mut world = World::up(settings, [child("a")]);
        world.deaf = vec!["a"];
        world.reload("a");
        world.reload("a");
        world.exit("a", Exit::Normal);
        world.did("ask a, start a");
        world.told("reload a: ok, reload a: ok");
    }
}

#[test]
fn b5_a_reload_in_the_start_of_its_group_begins_it_again() {
    let mut world = World::up(one_for_all(1), [child("a"), child("b")]);
    world.plan("b", [None]);
    world.exit("a", error());
    world.did("ask b, start a, start b");
    // Its new process may have read what has changed since.
    world.reload("a");
    world.did("abort b, ask a, start a, start b");
    world.told("reload a: ok");
}

#[test]
fn b5_a_reload_of_a_child_with_nothing_to_run_is_done() {
    for settings in [one_for_one(0), one_for_all(0)] {
        let mut world = World::up(settings, [child("a")]);
        world.plan("a", [Some(Exit::Ignored)]);
        world.reload("a");
        world.did("ask a, start a");
        world.told("reload a: ok");
        world.shows("a-");
    }
}
