//! Failures that no restart helps against: what they mean for the restart type, for groups and for reloads.

use super::*;

fn groups() -> [SupervisorSettings; 3] {
    // A charge would end the supervisor.
    [one_for_one(0), rest_for_one(0), one_for_all(0)]
}

#[test]
fn b6_a_final_failure_stops_the_child_and_charges_nothing() {
    for settings in groups() {
        let mut world = World::up(settings, [child("a"), child("b").transient(), child("c")]);
        world.exit("a", final_error());
        world.exit("b", final_error());
        world.did("");
        world.shows("a- b- c");
    }
}

#[test]
fn b6_a_temporary_child_is_removed_after_a_final_failure() {
    let mut world = World::up(one_for_one(0), [child("a").temporary(), child("b")]);
    world.exit("a", final_error());
    world.shows("b");
    assert_eq!(world.forgotten, ["a"]);
}

#[test]
fn b6_a_restart_whose_start_is_final_is_not_tried_again() {
    let mut world = World::up(one_for_one(1), [child("a"), child("b")]);
    world.plan("a", [Some(final_error())]);
    world.exit("a", error());
    world.did("start a");
    world.shows("a- b");
    // The attempt itself was charged, and its failure was not.
    world.restart("a");
    world.exit("b", error());
    assert_eq!(world.take(), ["start a", "gave up", "ask a", "finish"]);
}

#[test]
fn b6_n2_a_final_failure_that_joins_a_group_is_restarted() {
    for settings in [rest_for_one(1), one_for_all(1)] {
        let mut world = World::up(settings, [child("a"), child("b"), child("c")]);
        world.deaf = vec!["c"];
        world.exit("a", error());
        world.exit("b", final_error());
        world.exit("c", Exit::Normal);
        world.did("ask c, start a, start b, start c");
    }
}

#[test]
fn b6_n3_a_first_start_fails_by_a_final_failure_as_by_any() {
    let mut world = World::new(one_for_one(1), [child("a"), child("b")]);
    world.plan("b", [Some(final_error())]);
    world.start();
    world.did("start a, start b, ask a, finish");
    assert!(matches!(world.engine.poll_outcome().cause, Cause::FailedToStart { .. }));
}

#[test]
fn b6_b5_a_reload_whose_start_is_final_says_so() {
    for settings in groups() {
        let mut world = World::up(settings, [child("a"), child("b")]);
        world.plan("b", [Some(final_error())]);
        world.reload("b");
        world.told("reload b: FailedToStart(Failed(\"no peer\"))");
        world.shows("a b-");
    }
}

#[test]
fn b6_b5_a_reload_goes_on_without_a_member_that_ends_for_good() {
    for settings in [rest_for_one(0), one_for_all(0)] {
        let mut world = World::up(settings, [child("a"), child("b"), child("c")]);
        world.plan("b", [Some(final_error())]);
        world.reload("a");
        world.did("ask c, ask b, ask a, start a, start b, start c");
        world.told("reload a: FailedToStart(Failed(\"no peer\"))");
        world.shows("a b- c");
    }
}

#[test]
fn b6_b5_a_reload_starts_a_child_that_ended_for_good() {
    for settings in groups() {
        let mut world = World::up(settings, [child("a"), child("b")]);
        world.exit("a", final_error());
        world.plan("a", [Some(final_error())]);
        world.reload("a");
        world.reload("a");
        // It starts alone: no sibling runs that depends on it.
        world.did("start a, start a");
        world.told("reload a: FailedToStart(Failed(\"no peer\")), reload a: ok");
    }
}

#[test]
fn b6_b5_a_reload_of_its_group_revives_what_ended_for_good() {
    let mut world = World::up(one_for_all(0), [child("a"), child("b")]);
    world.exit("b", final_error());
    world.reload("a");
    world.did("ask a, start a, start b");
    world.told("reload a: ok");
}

#[test]
fn b6_b5_a_final_failure_in_the_stop_for_a_reload_is_restarted() {
    for settings in groups() {
        for child in [child("a"), child("a").temporary()] {
            let mut world = World::up(settings.clone(), [child]);
            world.deaf = vec!["a"];
            world.reload("a");
            world.exit("a", final_error());
            world.did("ask a, start a");
            world.told("reload a: ok");
            world.shows("a");
        }
    }
}

#[test]
fn b6_b5_a_temporary_child_whose_reload_is_final_is_removed() {
    for settings in groups() {
        let mut world = World::up(settings, [child("a").temporary()]);
        world.plan("a", [Some(final_error())]);
        world.reload("a");
        world.did("ask a, start a");
        world.told("reload a: FailedToStart(Failed(\"no peer\"))");
        assert_eq!(world.forgotten, ["a"]);
    }
}

#[test]
fn b6_b5_a_dynamic_child_whose_reload_is_final_is_removed() {
    let dynamic = SupervisorSettings { dynamic: true, shutdown_order: ShutdownOrder::Concurrent, ..one_for_one(0) };
    let mut world = World::up(dynamic, []);
    world.start_child(child("a"));
    world.plan("a", [Some(final_error())]);
    world.reload("a");
    world.told("start a: ok, reload a: FailedToStart(Failed(\"no peer\"))");
    assert_eq!(world.forgotten, ["a"]);
}

#[test]
fn b6_b5_a_significant_child_that_no_reload_helps_has_ended() {
    for (child, exit) in [
        (child("a").transient(), final_error()),
        (child("a").temporary(), final_error()),
        // A temporary child is never restarted, so any failure is its end.
        (child("a").temporary(), error()),
    ] {
        for auto_shutdown in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            for settings in groups() {
                let settings = SupervisorSettings { auto_shutdown, ..settings };
                let mut world = World::up(settings, [child.clone().significant(), self::child("b")]);
                world.plan("a", [Some(exit.clone())]);
                world.reload("a");
                assert_eq!(world.take().last().map(String::as_str), Some("finish"), "{exit}");
                assert!(matches!(world.engine.poll_outcome().cause, Cause::AutoShutdown { .. }));
            }
        }
    }
}

#[test]
fn b6_a2_a_final_failure_of_a_late_set_up_is_told() {
    let mut world = World::up(one_for_one(0), [child("a").start_timeout(SECOND)]);
    world.plan("a", [None]);
    world.stuck = vec!["a"];
    world.reload("a");
    world.pass(SECOND);
    world.did("ask a, start a, abort a");
    world.exit("a", final_error());
    world.told("reload a: FailedToStart(Failed(\"no peer\"))");
    world.shows("a-");
}
