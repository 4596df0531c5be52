use std::sync::Arc;

use super::*;
use crate::{
    error::GaveUp,
    incarnation::{StopReason, Termination},
};

fn gave_up() -> Exit {
    let history = GaveUp::new("root.s".into(), 1, SECOND, vec![]);
    Exit::Shutdown(Arc::new(Termination { reason: StopReason::GaveUp(history), unclean: vec![] }))
}

fn failures() -> [Exit; 4] {
    [error(), Exit::Panicked(Failure::new("boom")), Exit::Aborted, Exit::Lost]
}

#[track_caller]
fn after(a: Child, exit: Exit, did: &str, shows: &str) {
    let mut world = World::up(one_for_one(1), [a, child("z")]);
    world.exit("a", exit);
    world.did(did);
    world.shows(shows);
}

#[test]
fn r9_a_permanent_child_is_restarted_however_it_ends() {
    for exit in failures().into_iter().chain([Exit::Normal, gave_up()]) {
        after(child("a"), exit, "start a", "a z");
    }
}

#[test]
fn r9_r11_a_transient_child_is_restarted_only_if_it_failed() {
    for exit in failures() {
        after(child("a").transient(), exit, "start a", "a z");
    }
    for exit in [Exit::Normal, gave_up()] {
        after(child("a").transient(), exit, "", "a- z");
    }
}

#[test]
fn r9_r10_a_temporary_child_and_its_spec_go_with_its_process() {
    for exit in failures().into_iter().chain([Exit::Normal, gave_up()]) {
        after(child("a").temporary(), exit, "", "z");
    }
}

#[test]
fn r12_a_child_killed_from_outside_has_failed() {
    let mut world = World::up(one_for_one(1), [child("a").transient()]);
    world.kill("a");
    world.told("kill a: ok");
    world.did("abort a, start a");
}

#[test]
fn p8_a_killed_child_that_ends_well_has_ended_well() {
    let mut world = World::up(one_for_one(0), [child("a").transient()]);
    world.stuck.push("a");
    world.kill("a");
    world.exit("a", Exit::Normal);
    world.did("abort a");
    world.shows("a-");
}

#[test]
fn kill_of_a_stopping_child_aborts_it_once() {
    let mut world = World::up(one_for_one(0), [child("a")]);
    world.deaf.push("a");
    world.stuck.push("a");
    world.shutdown();
    world.did("ask a");
    for _ in 0..2 {
        world.kill("a");
        world.told("kill a: ok");
    }
    world.did("abort a");
    world.exit("a", Exit::Aborted);
    world.did("finish");
}

#[test]
fn n2_a_killed_child_of_a_restarting_group_costs_nothing() {
    let mut world = World::up(one_for_all(1), [child("a"), child("b")]);
    world.stuck.push("b");
    world.kill("b");
    world.exit("a", error());
    world.did("abort b");
    world.exit("b", Exit::Aborted);
    world.did("start a, start b");
}

#[test]
fn n1_a_killed_child_of_a_stopping_supervisor_stays_down() {
    let mut world = World::up(one_for_one(9), [child("a"), child("b")]);
    world.stuck.push("b");
    world.deaf.push("b");
    world.kill("b");
    world.shutdown();
    world.did("abort b, ask b"); // to say that nothing comes after it
    world.exit("b", Exit::Panicked(Failure::new("ouch")));
    world.did("ask a, finish");
    assert_eq!(world.unclean(), [r#"b Failed(Panicked("ouch"))"#]);
}

#[test]
fn kill_of_a_stopped_or_removed_child_is_refused() {
    let mut world = World::up(one_for_one(1), [child("a").transient(), child("b").temporary()]);
    world.exit("a", Exit::Normal);
    world.kill("a");
    world.told("kill a: NotRunning");
    world.exit("b", Exit::Normal);
    world.kill("b");
    world.told("kill b: NotFound");
}

#[test]
fn r35_a_supervisor_that_gives_up_is_judged_like_any_child() {
    for (a, did, shows) in [
        (supervisor("a"), "start a", "a z"),
        (supervisor("a").transient(), "", "a- z"),
        (supervisor("a").temporary(), "", "z"),
    ] {
        after(a, gave_up(), did, shows);
    }
}

#[test]
fn r13_d5_every_stop_of_a_supervisor_restarts_alike() {
    let shut_down = |exit| StopReason::AutoShutdown { path: "root.a".into(), child: "root.a.b".into(), exit };
    for reason in [StopReason::Requested, shut_down(Exit::Normal), shut_down(error())] {
        let exit = Exit::Shutdown(Arc::new(Termination { reason, unclean: vec![] }));
        after(supervisor("a"), exit.clone(), "start a", "a z");
        after(supervisor("a").transient(), exit.clone(), "", "a- z");
        after(supervisor("a").temporary(), exit, "", "z");
    }
}

#[test]
fn a_killed_supervisor_has_failed_though_it_stopped_in_order() {
    let killed = Termination { reason: StopReason::Killed, unclean: vec![] };
    after(supervisor("a").transient(), Exit::Shutdown(Arc::new(killed)), "start a", "a z");
}

#[test]
fn p5_a_report_of_an_earlier_incarnation_changes_nothing() {
    let mut world = World::up(one_for_one(5), [child("a")]);
    let stale = world.process_key("a");
    world.exit("a", error());
    world.did("start a");
    world.engine.handle_exit(stale, error(), world.now);
    world.engine.handle_ready(stale, world.now);
    world.engine.handle_acknowledged(stale);
    world.settle();
    world.did("");
    world.shows("a");
}

#[test]
fn r77_a_report_about_an_unknown_child_changes_nothing() {
    let mut world = World::up(one_for_one(5), [child("a")]);
    let stranger = ProcessKey::only(ChildId::next());
    world.engine.handle_exit(stranger, error(), world.now);
    world.settle();
    world.did("");
    world.shows("a");
}

#[test]
fn r67_counts_tell_specs_and_running_processes() {
    let mut world = World::up(one_for_one(5), [child("a").transient(), supervisor("s"), child("b").temporary()]);
    world.exit("a", Exit::Normal);
    let counts = world.engine.counts();
    assert_eq!((counts.specs, counts.active, counts.supervisors, counts.workers), (3, 2, 1, 2));
    world.exit("b", Exit::Normal);
    let counts = world.engine.counts();
    assert_eq!((counts.specs, counts.active, counts.supervisors, counts.workers), (2, 1, 1, 1));
}

#[test]
fn b3_without_subscribers_no_event_is_made() {
    for (is_heard, expected) in [(true, true), (false, false)] {
        let mut world = World::up(one_for_one(1), [child("a")]);
        world.engine.is_heard = is_heard;
        world.engine.handle_exit(world.process_key("a"), error(), world.now);
        let mut is_told = false;
        loop {
            match world.engine.poll_effect() {
                Some(effect) => is_told |= matches!(effect, Effect::Emit { .. }),
                None if world.engine.advance(world.now) => {}
                None => break,
            }
        }
        assert_eq!(is_told, expected);
    }
}

/// Returns the events about restarts and about their being cancelled.
fn told_of_restarts(world: &mut World) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(effect) = world.engine.poll_effect() {
        if let Effect::Emit { child, kind, .. } = &effect {
            if let EventKind::Restarting { .. } | EventKind::RestartCancelled = **kind {
                told.push(format!("{} {}", child.name, kind.name()));
            }
        }
    }
    told
}

#[test]
fn b1_an_announced_restart_that_does_not_come_is_cancelled() {
    let delayed = |name| child(name).backoff(Backoff::constant(SECOND));
    // By a shutdown,
    let mut world = World::up(one_for_one(9), [delayed("a"), child("b")]);
    world.engine.handle_exit(world.process_key("a"), error(), world.now);
    assert_eq!(told_of_restarts(&mut world), ["a restarting"]);
    world.engine.handle_shutdown(StopRequest::default(), world.now);
    assert_eq!(told_of_restarts(&mut world), ["a restart_cancelled"]);
    // by a termination,
    let mut world = World::up(one_for_one(9), [delayed("a"), child("b")]);
    world.engine.handle_exit(world.process_key("a"), error(), world.now);
    let caller = world.call("terminate", "a");
    world.engine.handle_terminate_child(world.id("a"), None, caller, world.now);
    assert_eq!(told_of_restarts(&mut world), ["a restarting", "a restart_cancelled"]);
    // or because its supervisor gives up for another child, which had no restart to be cancelled.
    let mut world = World::up(one_for_one(1), [delayed("a"), child("b")]);
    world.engine.handle_exit(world.process_key("a"), error(), world.now);
    world.engine.handle_exit(world.process_key("b"), error(), world.now);
    assert_eq!(told_of_restarts(&mut world), ["a restarting", "a restart_cancelled"]);
    // One that has come is not cancelled any more.
    let mut world = World::up(one_for_one(9), [delayed("a"), child("b")]);
    world.exit("a", error());
    world.pass(SECOND);
    world.engine.handle_shutdown(StopRequest::default(), world.now);
    assert_eq!(told_of_restarts(&mut world), [""; 0]);
}

#[test]
fn b1_a_group_restart_that_does_not_come_is_cancelled_once() {
    let delayed = |name| child(name).backoff(Backoff::constant(SECOND));
    let mut world = World::up(rest_for_one(9), [delayed("a"), delayed("b")]);
    world.exit("b", error());
    // The restart of a larger group takes over that of a smaller one.
    world.exit("a", error());
    let caller = world.call("terminate", "a");
    world.engine.handle_terminate_child(world.id("a"), None, caller, world.now);
    assert_eq!(told_of_restarts(&mut world), ["b restart_cancelled", "a restart_cancelled"]);
    world.engine.handle_shutdown(StopRequest::default(), world.now);
    assert_eq!(told_of_restarts(&mut world), [""; 0]);
}

#[test]
fn b1_a_supervisor_that_is_lost_cancels_its_restarts_once() {
    let mut world = World::up(one_for_one(9), [child("a").backoff(Backoff::constant(SECOND)), child("b")]);
    world.exit("a", error());
    let mut cancelled =
        || world.engine.cancel_restarts_unsupervised().iter().map(|child| child.name).collect::<Vec<_>>();
    assert_eq!([cancelled(), cancelled()], [vec!["a"], vec![]]);
}
