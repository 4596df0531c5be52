//! Children that are added to a supervisor that runs, or starts.

use super::*;

#[test]
fn r58_r20_an_added_child_starts_last_and_stops_first() {
    let mut world = World::up(one_for_all(1), [child("a")]);
    world.start_child(child("b"));
    world.told("start b: ok");
    world.did("start b");
    world.exit("a", error());
    world.did("ask b, start a, start b");
    world.shutdown();
    world.did("ask b, ask a, finish");
}

#[test]
fn r58_start_child_answers_when_the_child_is_ready() {
    let mut world = World::up(one_for_one(0), []);
    world.plan("a", [None]);
    world.start_child(child("a"));
    world.told("");
    world.shows("a?");
    world.report("a", ReportKind::Ready);
    world.settle();
    world.told("start a: ok");
}

#[test]
fn r60_case_t_a_failed_start_child_leaves_nothing_behind() {
    for added in [child("b"), child("b").transient(), child("b").temporary()] {
        for exit in [error(), Exit::Panicked(Failure::new("ouch")), Exit::Lost] {
            let mut world = World::up(one_for_all(0), [child("a")]);
            world.plan("b", [Some(exit)]);
            world.start_child(added.clone());
            assert!(world.answers[0].starts_with("start b: FailedToStart("), "{:?}", world.answers);
            world.did("start b");
            world.shows("a");
            assert_eq!(world.forgotten, ["b"]);
        }
    }
}

#[test]
fn case_t_a_failed_spawn_affects_no_sibling() {
    let mut world = World::up(one_for_all(0), [child("a")]);
    world.plan("b", [Some(error())]);
    world.spawn(child("b").temporary());
    world.did("start b");
    world.told("");
    world.shows("a");
}

#[test]
fn a2_an_added_child_not_ready_in_time_has_failed_to_start() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.plan("b", [None]);
    world.start_child(child("b").start_timeout(SECOND));
    world.pass(SECOND);
    world.did("start b, abort b");
    world.told("start b: FailedToStart(TimedOut(1s))");
    world.shows("a");
}

#[test]
fn d3_an_added_child_that_is_late_and_stuck_delays_no_other() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.plan("b", [None]);
    world.stuck.push("b");
    world.start_child(child("b").start_timeout(SECOND));
    world.pass(SECOND);
    world.told("");
    world.pass(5 * SECOND);
    world.did("start b, abort b, stuck b");
    world.told("start b: FailedToStart(TimedOut(1s))");
    world.shows("a b!");
    world.exit("b", Exit::Aborted);
    world.shows("a");
}

#[test]
fn r61_an_added_child_with_nothing_to_run_is_kept_stopped() {
    for (added, shows) in [(child("b"), "a b-"), (child("b").transient(), "a b-"), (child("b").temporary(), "a")] {
        let mut world = World::up(one_for_one(0), [child("a")]);
        world.plan("b", [Some(Exit::Ignored)]);
        world.start_child(added);
        world.told("start b: ok");
        world.shows(shows);
    }
}

#[test]
fn a_child_terminated_before_it_was_ready_is_removed() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.plan("b", [None]);
    world.start_child(child("b"));
    world.terminate("b");
    world.told("start b: FailedToStart(Aborted), terminate b: ok");
    world.shows("a");
}

#[test]
fn a_child_killed_before_it_was_ready_is_removed() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.plan("b", [None]);
    world.start_child(child("b"));
    world.kill("b");
    world.told("kill b: ok, start b: FailedToStart(Aborted)");
    world.shows("a");
}

#[test]
fn r62_r59_d2_unique_names_refuse_a_second_child() {
    let settings = SupervisorSettings { unique_names: true, ..one_for_one(9) };
    let backoff = child("restarting").backoff(Backoff::constant(SECOND));
    let mut world = World::up(settings, [child("running"), backoff, child("stopped"), child("starting")]);
    world.exit("restarting", error());
    world.terminate("stopped");
    world.plan("starting", [None]);
    world.exit("starting", error());
    world.answers.clear();
    let ids = world.names.clone();
    for (name, runs) in [("running", true), ("starting", true), ("restarting", false), ("stopped", false)] {
        world.names.clone_from(&ids);
        world.start_child(child(name));
        world.told(&format!("start {name}: NameTaken {{ by: {:?}, runs: {runs} }}", ids[name]));
    }
    world.names = ids;
    world.delete("stopped");
    world.start_child(child("stopped"));
    world.told("delete stopped: ok, start stopped: ok");
}

#[test]
fn r10_the_unique_name_of_an_ended_temporary_child_is_free() {
    let settings = SupervisorSettings { unique_names: true, ..one_for_one(0) };
    let mut world = World::up(settings, [child("a").temporary()]);
    world.exit("a", error());
    world.start_child(child("a"));
    world.told("start a: ok");
}

#[test]
fn d2_names_need_not_be_unique() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.start_child(child("a"));
    world.told("start a: ok");
    world.shows("a a");
}

#[test]
fn a8_a_child_in_backoff_keeps_its_place() {
    let settings = SupervisorSettings { max_children: Some(2), ..one_for_one(9) };
    let mut world = World::up(settings, [child("a").backoff(Backoff::constant(SECOND)), child("b").temporary()]);
    world.exit("a", error());
    world.start_child(child("c"));
    world.spawn(child("d"));
    world.told("start c: AtCapacity(2), spawn d: AtCapacity(2)");
    world.pass(SECOND);
    world.shows("a b");
    world.exit("b", Exit::Normal);
    world.start_child(child("c"));
    world.told("start c: ok");
    world.shows("a c");
}

#[test]
fn n5_a_child_added_during_the_first_start_starts_at_once() {
    let mut world = World::new(one_for_one(0), [child("a"), child("b")]);
    world.plan("a", [None]);
    world.start();
    world.start_child(child("c"));
    world.did("start a, start c");
    world.told("start c: ok");
    world.report("a", ReportKind::Ready);
    world.settle();
    world.did("start b, ready");
}

#[test]
fn n5_an_added_child_that_fails_does_not_fail_the_first_start() {
    let mut world = World::new(one_for_one(0), [child("a"), child("b")]);
    world.plan("a", [None]);
    world.plan("c", [Some(error())]);
    world.start();
    world.start_child(child("c"));
    world.told(r#"start c: FailedToStart(Failed("boom"))"#);
    world.report("a", ReportKind::Ready);
    world.settle();
    world.did("start a, start c, start b, ready");
}
