//! Dynamic supervisors: R69 to R76 and D7, and the shutdown budget (A4).

use super::*;

fn dynamic(intensity: usize) -> World {
    let settings =
        SupervisorSettings { dynamic: true, shutdown_order: ShutdownOrder::Concurrent, ..one_for_one(intensity) };
    World::up(settings, [])
}

#[test]
fn r71_instances_restart_one_by_one() {
    let mut world = dynamic(3);
    world.start_child(child("a"));
    world.start_child(child("b"));
    world.exit("a", error());
    world.did("start a, start b, start a");
    world.shows("a b");
}

#[test]
fn r72_a_failing_or_ignoring_start_leaves_no_trace() {
    for exit in [error(), Exit::Ignored] {
        for instance in [child("a"), child("a").transient(), child("a").temporary()] {
            let mut world = dynamic(0);
            world.plan("a", [Some(exit.clone())]);
            world.start_child(instance);
            world.shows("");
            assert_eq!(world.forgotten, ["a"]);
            let is_told_of_failure = world.answers[0].starts_with("start a: FailedToStart");
            assert_eq!(is_told_of_failure, matches!(exit, Exit::Failed(_)));
        }
    }
}

#[test]
fn r73_an_instance_that_ends_and_is_not_restarted_is_forgotten() {
    let mut world = dynamic(0);
    world.start_child(child("a").transient());
    world.exit("a", Exit::Normal);
    world.start_child(child("b").temporary());
    world.exit("b", error());
    world.start_child(child("c"));
    world.terminate("c");
    world.shows("");
    assert_eq!(world.forgotten, ["a", "b", "c"]);
    assert_eq!(world.engine.counts(), ChildCounts::default());
}

#[test]
fn r74_a_failing_restart_is_retried_per_instance_and_charged() {
    let mut world = dynamic(2);
    world.start_child(child("a"));
    world.start_child(child("b"));
    world.plan("a", [Some(error())]);
    world.exit("a", error());
    world.shows("a b");
    world.take();
    world.exit("b", error());
    world.did("gave up, ask a, finish");
}

#[test]
fn r28_r73_terminate_of_a_restarting_instance_forgets_it() {
    let mut world = dynamic(9);
    world.start_child(child("a").backoff(Backoff::constant(SECOND)));
    world.exit("a", error());
    world.terminate("a");
    world.told("start a: ok, terminate a: ok");
    world.shows("");
}

#[test]
fn r76_d7_an_instance_with_nothing_to_run_again_is_dropped() {
    let mut world = dynamic(9);
    world.start_child(child("a"));
    world.plan("a", [Some(Exit::Ignored)]);
    world.exit("a", error());
    world.shows("");
    assert_eq!(world.forgotten, ["a"]);
}

#[test]
fn r69_restart_and_delete_answer_dynamic() {
    let mut world = dynamic(0);
    world.start_child(child("a"));
    world.restart("a");
    world.delete("a");
    world.terminate("a");
    world.restart("a");
    world.told("start a: ok, restart a: Dynamic, delete a: Dynamic, terminate a: ok, restart a: Dynamic");
}

#[test]
fn r46_a_dynamic_supervisor_asks_all_at_once() {
    let mut world = dynamic(0);
    for name in ["a", "b", "c"] {
        world.start_child(child(name));
    }
    world.deaf.extend(["a", "b", "c"]);
    world.take();
    world.shutdown();
    world.did("ask c, ask b, ask a");
}

#[test]
fn r75_counts_include_instances_that_restart() {
    let mut world = dynamic(9);
    world.start_child(child("a").backoff(Backoff::constant(SECOND)));
    world.start_child(supervisor("s"));
    world.exit("a", error());
    let counts = world.engine.counts();
    assert_eq!((counts.specs, counts.active, counts.workers, counts.supervisors), (2, 1, 1, 1));
}

fn with_budget(budget: Duration, settings: SupervisorSettings) -> SupervisorSettings {
    SupervisorSettings { shutdown_budget: Some(budget), ..settings }
}

#[test]
fn a4_at_the_end_of_the_budget_all_are_aborted_at_once() {
    let children = ["a", "b", "c", "d"].map(|name| child(name).shutdown(ShutdownStrategy::UNLIMITED));
    let mut world = World::up(with_budget(3 * SECOND, one_for_one(0)), children);
    world.deaf.extend(["a", "b", "c"]);
    world.stuck.extend(["a", "b"]);
    world.shutdown();
    world.did("ask d, ask c");
    world.pass(3 * SECOND - Duration::from_nanos(1));
    world.did("");
    world.pass(Duration::from_nanos(1));
    world.did("ask a, abort a, ask b, abort b, abort c");
    world.pass(5 * SECOND);
    world.did("abandoned a, abandoned b, finish");
    let outcome = world.engine.poll_outcome();
    assert!(!outcome.killed, "it was asked to stop, and did");
    let unclean: Vec<_> =
        outcome.unclean.iter().map(|(child, unclean)| format!("{} {unclean:?}", child.name)).collect();
    assert_eq!(unclean, ["c Aborted", "a Abandoned", "b Abandoned"]);
}

#[test]
fn a4_a_child_is_held_to_the_earlier_limit() {
    let children = [child("a").shutdown(ShutdownStrategy::Graceful(SECOND)), child("b")];
    let mut world = World::up(with_budget(60 * SECOND, one_for_one(0)), children);
    world.deaf.push("a");
    world.shutdown();
    world.pass(SECOND);
    world.did("ask b, ask a, abort a, finish");
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn a4_the_budget_bounds_stops_and_no_group_restart() {
    let slow = || child("a").shutdown(ShutdownStrategy::UNLIMITED);
    let mut world = World::up(with_budget(SECOND, one_for_all(1)), [slow(), child("b")]);
    world.deaf.push("a");
    world.exit("b", error());
    world.pass(4 * SECOND);
    world.did("ask a");
    world.exit("a", Exit::Normal);
    world.did("start a, start b");
    world.exit("b", error());
    world.did("gave up, ask a");
    world.pass(SECOND);
    world.did("abort a, finish");
}
