use std::sync::Arc;

use super::*;
use crate::{
    error::{UncleanProcess, UncleanStop},
    incarnation::{StopReason, Termination},
};

#[test]
fn r39_children_stop_in_reverse_one_after_the_other() {
    let mut world = World::up(one_for_one(1), [child("a"), child("b"), child("c")]);
    world.deaf.push("b");
    world.shutdown();
    world.did("ask c, ask b");
    world.exit("b", Exit::Normal);
    world.did("ask a, finish");
}

#[test]
fn d8_the_concurrent_order_asks_all_at_once() {
    let settings = SupervisorSettings { shutdown_order: ShutdownOrder::Concurrent, ..one_for_one(1) };
    let mut world = World::up(settings, [child("a"), child("b"), child("c")]);
    world.deaf.extend(["a", "b", "c"]);
    world.shutdown();
    world.did("ask c, ask b, ask a");
    world.exit("a", Exit::Normal);
    world.exit("c", Exit::Normal);
    world.did("");
    world.exit("b", Exit::Normal);
    world.did("finish");
}

#[test]
fn r40_a_brutal_child_is_aborted_without_being_asked() {
    let mut world = World::up(one_for_one(1), [child("a").shutdown(ShutdownStrategy::Brutal)]);
    world.shutdown();
    world.did("abort a, finish");
    assert!(world.unclean().is_empty());
}

#[test]
fn r41_a_child_is_asked_and_aborted_when_its_time_is_up() {
    let mut world = World::up(one_for_one(1), [child("a"), child("b").shutdown(ShutdownStrategy::Graceful(SECOND))]);
    world.deaf.push("b");
    world.shutdown();
    world.did("ask b");
    world.pass(SECOND - Duration::from_nanos(1));
    world.did("");
    world.pass(Duration::from_nanos(1));
    world.did("abort b, ask a, finish");
    assert_eq!(world.unclean(), ["b Aborted"]);
}

#[test]
fn p8_a_child_that_ends_well_as_it_is_aborted_is_clean() {
    let mut world = World::up(one_for_one(1), [child("a").shutdown(ShutdownStrategy::Graceful(SECOND))]);
    world.deaf.push("a");
    world.stuck.push("a");
    world.shutdown();
    world.pass(SECOND);
    world.exit("a", Exit::Normal);
    world.did("ask a, abort a, finish");
    assert!(world.unclean().is_empty());
}

#[test]
fn r42_without_a_limit_a_child_is_waited_for() {
    let mut world = World::up(one_for_one(1), [child("a").shutdown(ShutdownStrategy::UNLIMITED)]);
    world.deaf.push("a");
    world.shutdown();
    world.pass(Duration::from_secs(1_000_000));
    world.did("ask a");
    assert_eq!(world.engine.next_deadline(), None);
    world.exit("a", Exit::Normal);
    world.did("finish");
}

#[test]
fn r43_d9_a_child_that_fails_while_stopping_is_named() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b"), child("c")]);
    world.deaf.extend(["a", "b", "c"]);
    world.shutdown();
    world.exit("c", error());
    world.exit("b", Exit::Panicked(Failure::new("ouch")));
    world.exit("a", Exit::Lost);
    world.did("ask c, ask b, ask a, finish");
    assert_eq!(world.unclean(), [r#"c Failed(Failed("boom"))"#, r#"b Failed(Panicked("ouch"))"#, "a Failed(Lost)"]);
}

#[test]
fn r44_a_child_that_died_before_it_was_asked_is_absorbed() {
    let mut world = World::up(one_for_one(0), [child("a").significant().transient(), child("b")]);
    world.deaf.push("b");
    world.shutdown();
    world.exit("a", error());
    world.exit("b", Exit::Normal);
    world.did("ask b, finish");
    assert!(world.unclean().is_empty());
}

#[test]
fn r47_giving_up_stops_the_rest_by_the_same_rules() {
    let mut world = World::up(
        one_for_one(0),
        [
            child("a").shutdown(ShutdownStrategy::Brutal),
            child("b").shutdown(ShutdownStrategy::Graceful(SECOND)),
            child("c"),
        ],
    );
    world.deaf.push("b");
    world.exit("c", error());
    world.did("gave up, ask b");
    world.pass(SECOND);
    world.did("abort b, abort a, finish");
}

#[test]
fn a_second_shutdown_request_changes_nothing() {
    let mut world = World::up(one_for_one(0), [child("a"), child("b")]);
    world.deaf.push("b");
    world.shutdown();
    world.shutdown();
    world.did("ask b");
}

#[test]
fn n8_a_kill_aborts_all_that_is_left_at_once() {
    let mut world = World::up(one_for_one(0), [child("a"), supervisor("s"), child("c")]);
    world.deaf.push("c");
    world.stuck.extend(["a", "s", "c"]);
    world.shutdown();
    world.did("ask c");
    world.engine.handle_shutdown(StopRequest { no_successor: true, kill: true }, world.now);
    world.settle();
    world.did("abort a, abort s, abort c");
    world.engine.handle_shutdown(StopRequest { no_successor: true, kill: true }, world.now);
    world.settle();
    world.did("");
    for name in ["a", "s", "c"] {
        world.exit(name, Exit::Aborted);
    }
    world.did("finish");
    assert!(world.engine.poll_outcome().killed);
}

#[test]
fn n8_a_budget_of_a_nested_supervisor_ends_with_its_abort() {
    let mut world = World::up(one_for_one(0), [supervisor("s").shutdown(ShutdownStrategy::Graceful(60 * SECOND))]);
    world.deaf.push("s");
    world.shutdown();
    world.report("s", ReportKind::Acknowledged);
    world.settle();
    world.pass(59 * SECOND);
    world.did("ask s");
    world.pass(SECOND);
    world.did("abort s, finish");
}

#[test]
fn a5_unclean_stops_below_a_supervisor_are_added_up() {
    let below = vec![
        UncleanProcess::new("root.s.x".into(), UncleanStop::Aborted),
        UncleanProcess::new("root.s.y".into(), UncleanStop::Abandoned),
    ];
    let exit = || Exit::Shutdown(Arc::new(Termination { reason: StopReason::Requested, unclean: below.clone() }));
    for (strategy, expected) in [(ShutdownStrategy::UNLIMITED, 2), (ShutdownStrategy::Brutal, 1)] {
        let mut world = World::up(one_for_one(0), [supervisor("s").shutdown(strategy)]);
        world.deaf.push("s");
        world.stuck.push("s");
        world.shutdown();
        world.exit("s", exit());
        let [(_, UncleanKind::Below(unclean))] = &world.engine.poll_outcome().unclean[..] else {
            panic!("nothing below")
        };
        assert_eq!(unclean.len(), expected, "a brutal stop's aborts are what was asked for");
    }
}

#[test]
fn only_the_last_stop_tells_children_that_it_is_the_last() {
    let mut world = World::up(one_for_all(9), [child("a"), child("b")]);
    world.engine.handle_exit(world.process_key("a"), error(), world.now);
    let Some(Effect::Ask { no_successor: false, .. }) = ask(&mut world) else {
        panic!("a group restart is not the last stop")
    };
    world.engine.handle_shutdown(StopRequest::default(), world.now);
    let Some(Effect::Ask { no_successor: true, .. }) = ask(&mut world) else {
        panic!("the root's shutdown is the last stop")
    };

    let mut nested = World::new(one_for_all(9), [child("a")]);
    nested.engine.handle_start(false);
    nested.settle();
    nested.engine.handle_shutdown(StopRequest::default(), nested.now);
    let Some(Effect::Ask { no_successor: false, .. }) = ask(&mut nested) else { panic!("it may be started again") };
    nested.engine.handle_shutdown(StopRequest { no_successor: true, kill: false }, nested.now);
    let Some(Effect::Ask { no_successor: true, .. }) = ask(&mut nested) else {
        panic!("what is on its way out is told, too")
    };
}

fn ask(world: &mut World) -> Option<Effect<Child>> {
    loop {
        let next = world.engine.poll_effect();
        match next {
            Some(Effect::Ask { .. }) => return next,
            None if !world.engine.advance(world.now) => return None,
            _ => {}
        }
    }
}

#[test]
fn a5_a_kill_during_a_stop_is_named_at_any_turn() {
    for is_gone_first in [true, false] {
        let mut world = World::up(one_for_one(1), [child("a"), child("b")]);
        world.deaf.push("b");
        world.stuck.push("a");
        world.shutdown();
        world.kill("a");
        world.did("ask b, abort a");
        let (first, last) = if is_gone_first { ("a", "b") } else { ("b", "a") };
        for name in [first, last] {
            world.exit(name, if name == "a" { Exit::Aborted } else { Exit::Normal });
        }
        world.did("finish");
        assert_eq!(world.unclean(), ["a Killed"]);
    }
}

#[test]
fn r44_an_abort_before_the_stop_is_absorbed_like_an_end() {
    let below = || vec![UncleanProcess::new("root.s.x".into(), UncleanStop::Aborted)];
    for is_gone_first in [true, false] {
        let mut world = World::up(one_for_one(0), [child("a").temporary(), supervisor("s").temporary()]);
        world.stuck.extend(["a", "s"]);
        world.deaf.extend(["a", "s"]);
        world.kill("a");
        world.kill("s");
        if !is_gone_first {
            world.shutdown();
        }
        world.exit("a", Exit::Aborted);
        world.exit("s", Exit::Shutdown(Arc::new(Termination { reason: StopReason::Killed, unclean: below() })));
        if is_gone_first {
            world.shutdown();
        }
        assert!(world.unclean().is_empty());
    }
}

#[test]
fn a5_a_kill_of_a_supervisor_in_a_stop_is_told_for_all_below() {
    let mut world = World::up(one_for_one(0), [supervisor("s")]);
    world.deaf.push("s");
    world.stuck.push("s");
    world.shutdown();
    world.kill("s");
    let below = vec![
        UncleanProcess::new("root.s.x".into(), UncleanStop::Aborted),
        UncleanProcess::new("root.s.y".into(), UncleanStop::Abandoned),
    ];
    world.exit("s", Exit::Shutdown(Arc::new(Termination { reason: StopReason::Killed, unclean: below })));
    let [(_, UncleanKind::Below(unclean))] = &world.engine.poll_outcome().unclean[..] else { panic!("nothing below") };
    let stops: Vec<_> = unclean.iter().map(|unclean| &unclean.stop).collect();
    assert_eq!(stops, [&UncleanStop::Killed, &UncleanStop::Abandoned]);
}

#[test]
fn a_termination_with_a_limit_aborts_at_the_limit() {
    let mut world = World::up(one_for_one(1), [child("a"), child("b")]);
    world.deaf.push("b");
    world.terminate_within("b", SECOND);
    world.did("ask b");
    world.pass(SECOND - Duration::from_nanos(1));
    world.did("");
    world.pass(Duration::from_nanos(1));
    world.did("abort b");
    world.told("terminate b: ok");
    world.shows("a b-");
}

#[test]
fn a_limit_of_zero_aborts_at_once() {
    let mut world = World::up(one_for_one(1), [child("a")]);
    world.deaf.push("a");
    world.terminate_within("a", Duration::ZERO);
    world.did("ask a, abort a");
    world.told("terminate a: ok");
}

#[test]
fn a_limit_shortens_a_stop_under_way_and_never_prolongs_it() {
    let slow = || child("a").shutdown(ShutdownStrategy::Graceful(4 * SECOND));
    for (limit, end) in [(SECOND, 2 * SECOND), (10 * SECOND, 4 * SECOND)] {
        let mut world = World::up(one_for_one(1), [slow()]);
        world.deaf.push("a");
        world.terminate("a");
        world.did("ask a");
        world.pass(SECOND);
        world.terminate_within("a", limit);
        world.pass(end - SECOND - Duration::from_nanos(1));
        world.did("");
        world.pass(Duration::from_nanos(1));
        world.did("abort a");
        world.told("terminate a: ok, terminate a: ok");
    }
}

#[test]
fn a_limit_holds_though_another_child_stops_first() {
    let slow = |name| child(name).shutdown(ShutdownStrategy::UNLIMITED);
    let mut world = World::up(one_for_one(1), [slow("a"), slow("b")]);
    world.deaf.extend(["a", "b"]);
    world.shutdown();
    world.did("ask b");
    world.terminate_within("a", SECOND);
    world.did("ask a");
    world.pass(SECOND);
    world.did("abort a");
    world.told("terminate a: ok");
    world.exit("b", Exit::Normal);
    world.did("finish");
    assert_eq!(world.unclean(), ["a Aborted"]);
}

#[test]
fn a_limit_on_a_process_that_does_not_yield_answers_stuck() {
    let mut world = World::up(one_for_one(1), [child("a")]);
    world.deaf.push("a");
    world.stuck.push("a");
    world.terminate_within("a", SECOND);
    world.pass(SECOND);
    world.did("ask a, abort a");
    world.told("");
    world.pass(5 * SECOND);
    world.told("terminate a: Stuck");
}
