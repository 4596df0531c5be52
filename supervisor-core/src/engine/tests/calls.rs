//! Each cell of the table at the top of `calls.rs`, and what the calls do and do not do besides.

use super::*;

/// Makes a supervisor whose child b is in this state.
fn with_b(state: ChildState) -> World {
    let mut world = World::up(one_for_one(9), [child("a"), child("b").backoff(Backoff::constant(SECOND)), child("c")]);
    match state {
        ChildState::Running => {}
        ChildState::Starting => {
            world.plan("b", [None]);
            world.exit("b", error());
            world.pass(SECOND);
        }
        ChildState::Restarting => world.exit("b", error()),
        ChildState::Stopping => {
            world.stuck.push("b");
            world.kill("b");
        }
        ChildState::Stopped => world.terminate("b"),
    }
    world.take();
    world.answers.clear();
    world.shows(match state {
        ChildState::Running => "a b c",
        ChildState::Starting => "a b? c",
        ChildState::Restarting => "a b~ c",
        ChildState::Stopping => "a b! c",
        ChildState::Stopped => "a b- c",
    });
    world
}

#[test]
fn r63_terminate_of_a_running_child_answers_when_it_is_gone() {
    let mut world = with_b(ChildState::Running);
    world.deaf.push("b");
    world.terminate("b");
    world.did("ask b");
    world.told("");
    world.exit("b", Exit::Normal);
    world.told("terminate b: ok");
    world.shows("a b- c");
}

#[test]
fn terminate_of_a_starting_child_aborts_it() {
    let mut world = with_b(ChildState::Starting);
    world.stuck.push("b");
    world.terminate("b");
    world.did("abort b");
    world.told("");
    world.exit("b", Exit::Aborted);
    world.told("terminate b: ok");
    world.did("");
    world.shows("a b- c");
}

#[test]
fn r28_terminate_of_a_restarting_child_cancels_the_restart() {
    let mut world = with_b(ChildState::Restarting);
    world.terminate("b");
    world.told("terminate b: ok");
    world.pass(2 * SECOND);
    world.did("");
    world.shows("a b- c");
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn terminate_of_a_stopping_child_keeps_it_stopped() {
    let mut world = with_b(ChildState::Stopping);
    world.terminate("b");
    world.told("");
    world.exit("b", Exit::Aborted);
    world.told("terminate b: ok");
    world.did("");
    world.shows("a b- c");
}

#[test]
fn two_terminates_are_answered_when_the_child_is_gone() {
    let mut world = with_b(ChildState::Running);
    world.deaf.push("b");
    world.terminate("b");
    world.terminate("b");
    world.did("ask b");
    world.told("");
    world.exit("b", Exit::Normal);
    world.told("terminate b: ok, terminate b: ok");
}

#[test]
fn r63_terminate_of_a_stopped_child_is_ok() {
    let mut world = with_b(ChildState::Stopped);
    world.terminate("b");
    world.told("terminate b: ok");
    world.did("");
}

#[test]
fn r64_restart_of_a_child_that_is_not_stopped_names_its_state() {
    for (state, answer) in [
        (ChildState::Starting, "restart b: Running"),
        (ChildState::Running, "restart b: Running"),
        (ChildState::Restarting, "restart b: Restarting"),
        (ChildState::Stopping, "restart b: Stopping"),
    ] {
        let mut world = with_b(state);
        world.restart("b");
        world.told(answer);
        world.did("");
    }
}

#[test]
fn r64_restart_of_a_stopped_child_answers_when_it_is_ready() {
    let mut world = with_b(ChildState::Stopped);
    world.plan("b", [None]);
    world.restart("b");
    world.did("start b");
    world.told("");
    world.shows("a b? c");
    world.report("b", ReportKind::Ready);
    world.settle();
    world.told("restart b: ok");
    world.shows("a b c");
}

#[test]
fn r64_a_failed_restart_call_costs_nothing() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b")]);
    world.terminate("a");
    world.plan("a", [Some(error())]);
    world.restart("a");
    world.told(r#"terminate a: ok, restart a: FailedToStart(Failed("boom"))"#);
    world.did("ask a, start a");
    world.shows("a- b");
    // From now on it fails like any other.
    world.restart("a");
    world.told("restart a: ok");
    world.exit("a", error());
    world.did("start a, gave up, ask b, finish");
}

#[test]
fn r64_a_restart_call_with_nothing_to_run_is_ok() {
    let mut world = with_b(ChildState::Stopped);
    world.plan("b", [Some(Exit::Ignored)]);
    world.restart("b");
    world.told("restart b: ok");
    world.shows("a b- c");
}

#[test]
fn r11_a_transient_child_that_ended_well_can_be_restarted() {
    let mut world = World::up(one_for_one(0), [child("a").transient()]);
    world.exit("a", Exit::Normal);
    world.restart("a");
    world.told("restart a: ok");
    world.shows("a");
}

#[test]
fn r65_delete_of_a_child_that_is_not_stopped_names_its_state() {
    for (state, answer) in [
        (ChildState::Starting, "delete b: Running"),
        (ChildState::Running, "delete b: Running"),
        (ChildState::Restarting, "delete b: Restarting"),
        (ChildState::Stopping, "delete b: Stopping"),
    ] {
        let mut world = with_b(state);
        world.delete("b");
        world.told(answer);
        assert!(world.forgotten.is_empty());
    }
}

#[test]
fn r65_delete_of_a_stopped_child_removes_it() {
    let mut world = with_b(ChildState::Stopped);
    world.delete("b");
    world.told("delete b: ok");
    world.shows("a c");
    assert_eq!(world.forgotten, ["b"]);
}

#[test]
fn kill_of_a_starting_child_is_a_failed_start() {
    let mut world = with_b(ChildState::Starting);
    world.kill("b");
    world.told("kill b: ok");
    world.did("abort b, delay b 1000");
}

#[test]
fn kill_of_a_running_child_is_its_failure() {
    let mut world = with_b(ChildState::Running);
    world.kill("b");
    world.told("kill b: ok");
    world.did("abort b, delay b 1000");
}

#[test]
fn kill_of_a_child_without_a_process_says_so() {
    for state in [ChildState::Restarting, ChildState::Stopped] {
        let mut world = with_b(state);
        world.kill("b");
        world.told("kill b: NotRunning");
        world.did("");
    }
}

#[test]
fn kill_of_a_stopping_child_aborts_it_now_and_it_stays_stopped() {
    let mut world = with_b(ChildState::Running);
    world.deaf.push("b");
    world.terminate("b");
    world.kill("b");
    world.did("ask b, abort b");
    world.told("kill b: ok, terminate b: ok");
    world.shows("a b- c");
}

#[test]
fn r63_r64_r65_a_missing_child_is_not_found() {
    let mut world = World::up(one_for_one(0), [child("a").temporary()]);
    world.exit("a", Exit::Normal);
    world.terminate("a");
    world.restart("a");
    world.delete("a");
    world.told("terminate a: NotFound, restart a: NotFound, delete a: NotFound");
}

#[test]
fn r63_a_temporary_child_that_is_terminated_is_removed() {
    let mut world = World::up(one_for_one(0), [child("a").temporary(), child("b")]);
    world.terminate("a");
    world.told("terminate a: ok");
    world.shows("b");
    assert_eq!(world.forgotten, ["a"]);
}

#[test]
fn r63_r52_terminate_costs_nothing_and_triggers_nothing() {
    let settings = SupervisorSettings { auto_shutdown: AutoShutdown::AnySignificant, ..one_for_all(0) };
    let mut world = World::up(settings, [child("a").transient().significant(), child("b")]);
    world.terminate("a");
    world.did("ask a");
    world.delete("a");
    world.told("terminate a: ok, delete a: ok");
    world.shows("b");
}

#[test]
fn r43_r44_a_child_that_fails_while_terminated_is_stopped() {
    for exit in [error(), Exit::Normal, Exit::Panicked(Failure::new("ouch"))] {
        let mut world = World::up(one_for_one(0), [child("a"), child("b")]);
        world.deaf.push("a");
        world.terminate("a");
        world.exit("a", exit);
        world.told("terminate a: ok");
        world.shows("a- b");
    }
}

#[test]
fn r41_a_child_that_does_not_stop_in_time_is_aborted() {
    let mut world = World::up(one_for_one(0), [child("a").shutdown(ShutdownStrategy::Graceful(SECOND))]);
    world.deaf.push("a");
    world.terminate("a");
    world.pass(SECOND);
    world.did("ask a, abort a");
    world.told("terminate a: ok");
}

#[test]
fn d3_terminate_of_a_child_that_does_not_yield_answers_stuck() {
    let mut world = World::up(one_for_one(0), [child("a").shutdown(ShutdownStrategy::Brutal), child("b")]);
    world.stuck.push("a");
    world.terminate("a");
    world.told("");
    world.pass(5 * SECOND);
    world.did("abort a, stuck a");
    world.told("terminate a: Stuck");
    world.terminate("a");
    world.told("terminate a: Stuck");
    world.restart("a");
    world.told("restart a: Stopping");
    world.exit("a", Exit::Aborted);
    world.did("");
    world.shows("a- b");
}

#[test]
fn d3_terminate_of_a_stuck_child_cancels_its_restart() {
    let mut world = with_b(ChildState::Stopping);
    world.pass(5 * SECOND);
    world.did("stuck b");
    world.terminate("b");
    world.told("terminate b: Stuck");
    world.exit("b", Exit::Aborted);
    world.did("");
    world.shows("a b- c");
}

#[test]
fn r20_a_child_that_is_stopped_and_restarted_keeps_its_place() {
    let mut world = with_b(ChildState::Stopped);
    world.restart("b");
    world.shutdown();
    world.did("start b, ask c, ask b, ask a, finish");
}

#[test]
fn n1_nothing_is_started_after_shutdown_was_asked_for() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b").transient(), child("c")]);
    world.exit("b", Exit::Normal);
    world.deaf.push("c");
    world.shutdown();
    world.start_child(child("d"));
    world.spawn(child("e"));
    world.restart("b");
    world.told("start d: ShuttingDown, spawn e: ShuttingDown, restart b: ShuttingDown");
    world.exit("c", Exit::Normal);
    world.did("ask c, ask a, finish");
}

#[test]
fn n1_a_shutdown_refuses_a_start_that_is_under_way() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b").transient()]);
    world.exit("b", Exit::Normal);
    world.plan("b", [None]);
    world.plan("c", [None]);
    world.start_child(child("c"));
    world.restart("b");
    world.shutdown();
    world.did("start c, start b, abort c, abort b, ask a, finish");
    world.told("restart b: ShuttingDown, start c: ShuttingDown");
    assert!(world.unclean().is_empty());
}

#[test]
fn r39_terminate_during_a_stop_changes_no_order() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b")]);
    world.deaf.extend(["a", "b"]);
    world.shutdown();
    world.terminate("a");
    world.terminate("b");
    world.did("ask b");
    world.exit("b", Exit::Normal);
    world.told("terminate b: ok");
    world.did("ask a");
    world.exit("a", Exit::Normal);
    world.told("terminate a: ok");
    world.did("finish");
}

#[test]
fn d3_terminate_of_an_abandoned_child_answers_stuck() {
    let mut world = World::up(one_for_one(0), [child("a").shutdown(ShutdownStrategy::Brutal)]);
    world.stuck.push("a");
    world.deaf.push("a");
    world.terminate("a");
    world.shutdown();
    world.pass(5 * SECOND);
    world.did("abort a, ask a, abandoned a, finish");
    world.told("terminate a: Stuck");
}

#[test]
fn n6_a_child_that_terminates_itself_does_not_wait_for_itself() {
    for within in [child("a"), supervisor("a")] {
        let mut world = World::up(one_for_one(0), [within, child("b")]);
        world.deaf.push("a");
        world.within = Some("a");
        world.terminate("a");
        world.told("terminate a: ok");
        world.did("ask a");
        world.exit("a", Exit::Normal);
        world.told("");
        world.shows("a- b");
    }
}

#[test]
fn terminate_during_the_first_start_takes_the_child_out() {
    let mut world = World::new(one_for_one(0), [child("a"), child("b"), child("c")]);
    world.plan("a", [None]);
    world.start();
    world.shows("a? b? c?");
    world.terminate("b");
    world.told("terminate b: ok");
    world.terminate("a");
    world.told("terminate a: ok");
    world.did("start a, abort a, start c, ready");
    world.shows("a- b- c");
}

#[test]
fn r30_calls_cost_nothing() {
    let mut world = World::up(one_for_one(1), [child("a")]);
    for _ in 0..5 {
        world.terminate("a");
        world.plan("a", [Some(error())]);
        world.restart("a");
        world.restart("a");
        world.plan("b", [Some(error())]);
        world.start_child(child("b"));
    }
    world.take();
    world.exit("a", error());
    world.did("start a");
}

#[test]
fn callers_that_gave_up_are_forgotten_others_are_answered() {
    let mut world = World::up(one_for_one(9), [child("a"), child("b")]);
    world.deaf.push("a");
    for _ in 0..3 {
        world.terminate("a");
    }
    world.engine.handle_callers_gone(|caller| caller.key != 1);
    world.take();
    world.exit("a", Exit::Normal);
    world.told("terminate a: ok");
    assert!(world.engine.callers.is_empty());
}

#[test]
fn r57_d1_calls_are_served_while_children_start_and_stop() {
    let backoff = child("d").backoff(Backoff::constant(SECOND));
    let mut world = World::up(one_for_one(9), [child("a"), child("b"), child("c").transient(), backoff]);
    world.plan("a", [None]);
    world.exit("a", error());
    world.deaf.push("b");
    world.terminate("b");
    world.exit("c", Exit::Normal);
    world.exit("d", error());
    world.shows("a? b! c- d~");
    world.restart("c");
    world.start_child(child("e"));
    world.kill("e");
    world.delete("a");
    world.told("restart c: ok, start e: ok, kill e: ok, delete a: Running");
    world.shows("a? b! c d~ e");
    world.exit("b", Exit::Normal);
    world.told("terminate b: ok");
}
