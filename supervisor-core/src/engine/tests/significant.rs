use std::sync::Arc;

use super::*;
use crate::incarnation::{StopReason, Termination};

fn any() -> SupervisorSettings {
    SupervisorSettings { auto_shutdown: AutoShutdown::AnySignificant, ..one_for_one(5) }
}

fn all() -> SupervisorSettings {
    SupervisorSettings { auto_shutdown: AutoShutdown::AllSignificant, ..one_for_one(5) }
}

#[test]
fn r49_any_significant_shuts_down_on_the_first_end() {
    for (b, exit) in [
        (child("b").transient(), Exit::Normal),
        (child("b").temporary(), Exit::Normal),
        (child("b").temporary(), error()),
    ] {
        let mut world = World::up(any(), [child("a"), b.significant(), child("c").transient().significant()]);
        world.exit("b", exit);
        world.did("ask c, ask a, finish");
        let Cause::AutoShutdown { child, .. } = world.engine.poll_outcome().cause else {
            panic!("not an auto-shutdown")
        };
        assert_eq!(child.name, "b");
    }
}

#[test]
fn r50_case_m_all_significant_shuts_down_on_the_last_end() {
    let mut world =
        World::up(all(), [child("a"), child("b").transient().significant(), child("c").temporary().significant()]);
    world.exit("b", Exit::Normal);
    world.did("");
    world.exit("c", error());
    world.did("ask a, finish");
}

#[test]
fn r51_the_exit_of_another_child_does_not_trigger() {
    for settings in [any(), all()] {
        let mut world = World::up(settings, [child("a").transient(), child("b").transient().significant()]);
        world.exit("a", Exit::Normal);
        world.did("");
        world.shows("a- b");
    }
}

#[test]
fn r52_being_stopped_by_a_group_restart_does_not_trigger() {
    let settings = SupervisorSettings { auto_shutdown: AutoShutdown::AnySignificant, ..one_for_all(5) };
    let mut world = World::up(settings, [child("a"), child("b").temporary().significant()]);
    world.exit("a", error());
    world.did("ask b, start a");
    world.shows("a");
}

#[test]
fn r52_nothing_to_run_at_a_restart_does_not_trigger() {
    let mut world = World::up(any(), [child("a").transient().significant()]);
    world.plan("a", [Some(Exit::Ignored)]);
    world.exit("a", error());
    world.did("start a");
    world.shows("a-");
}

#[test]
fn r53_a_stopped_child_is_gone_and_a_restarting_one_present() {
    let mut world =
        World::new(all(), [child("a").transient().significant(), child("b").transient().significant(), child("c")]);
    world.plan("a", [Some(Exit::Ignored)]);
    world.start();
    world.take();
    world.plan("b", [None]);
    world.exit("b", error());
    world.did("start b");
    world.report("b", ReportKind::Ready);
    world.settle();
    world.exit("b", Exit::Normal);
    world.did("ask c, finish");

    let mut world = World::up(all(), [child("a").transient().significant(), child("b").transient().significant()]);
    world.plan("a", [None]);
    world.exit("a", error());
    world.exit("b", Exit::Normal);
    world.did("start a");
}

#[test]
fn r54_a_significant_transient_child_that_failed_restarts() {
    let mut world = World::up(any(), [child("a").transient().significant()]);
    world.exit("a", error());
    world.did("start a");
}

#[test]
fn r55_auto_shutdown_stops_the_rest_like_any_stop() {
    let rest = [
        child("a"),
        child("b").shutdown(ShutdownStrategy::Brutal),
        child("c").shutdown(ShutdownStrategy::Graceful(SECOND)),
        child("d").temporary().significant(),
    ];
    let mut world = World::up(any(), rest);
    world.deaf.push("c");
    world.exit("d", Exit::Normal);
    world.did("ask c");
    world.pass(SECOND);
    world.did("abort c, abort b, ask a, finish");
    assert!(matches!(world.engine.poll_outcome().cause, Cause::AutoShutdown { .. }));
}

#[test]
fn r56_a_significant_supervisor_that_shuts_down_triggers() {
    for (reason, did) in [(StopReason::Requested, "ask a, finish"), (StopReason::Killed, "start s")] {
        let mut world = World::up(any(), [child("a"), supervisor("s").transient().significant()]);
        world.exit("s", Exit::Shutdown(Arc::new(Termination { reason, unclean: vec![] })));
        world.did(did);
    }
}

#[test]
fn n3_auto_shutdown_waits_for_the_end_of_the_first_start() {
    for settings in [any(), all()] {
        let mut world = World::new(settings, [child("a").transient().significant(), child("b"), child("c")]);
        world.plan("b", [None]);
        world.start();
        world.exit("a", Exit::Normal);
        world.did("start a, start b");
        world.report("b", ReportKind::Ready);
        world.settle();
        world.did("start c, ready, ask c, ask b, finish");
    }
}

#[test]
fn n4_auto_shutdown_during_a_group_restart_wins() {
    let settings = SupervisorSettings { auto_shutdown: AutoShutdown::AnySignificant, ..rest_for_one(5) };
    let mut world = World::up(settings, [child("a").transient().significant(), child("b"), child("c"), child("d")]);
    world.plan("c", [None]);
    world.exit("b", error());
    world.did("ask d, ask c, start b, start c");
    world.exit("a", Exit::Normal);
    world.did("abort c, ask b, finish");
}
