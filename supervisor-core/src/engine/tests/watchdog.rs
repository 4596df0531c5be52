//! B2: children that promise signs of life.

use super::*;

fn watched(name: &'static str) -> Child {
    child(name).watchdog(4 * SECOND)
}

/// Lets so many seconds pass, one by one, with a sign of life in each of those.
fn live_through(world: &mut World, seconds: u32, signs: &[u32]) {
    for second in 1..=seconds {
        world.pass(SECOND);
        if signs.contains(&second) {
            world.alive.push("a");
        }
    }
}

#[test]
fn b2_who_gives_signs_of_life_is_left_alone() {
    let mut world = World::up(one_for_one(1), [watched("a"), child("b")]);
    live_through(&mut world, 100, &(1..=100).collect::<Vec<_>>());
    world.did("");
}

#[test]
fn b2_a_miss_is_found_between_one_and_two_times_after_the_last_sign() {
    for last in 0..20 {
        let mut world = World::up(one_for_one(1), [watched("a")]);
        let signs: Vec<_> = (1..=last).collect();
        live_through(&mut world, last, &signs);
        world.did("");
        let found = (1..=8).find(|_| {
            world.pass(SECOND);
            !world.log.is_empty()
        });
        assert!(found.is_some_and(|found| (4..=8).contains(&found)), "{found:?} after {last}");
        world.did("unresponsive a, abort a, start a");
    }
}

#[test]
fn b2_a_miss_is_a_failure_that_is_charged_and_told_as_that() {
    let mut world = World::up(one_for_one(1), [watched("a").transient()]);
    world.pass(4 * SECOND);
    world.did("unresponsive a, abort a, start a");
    world.pass(4 * SECOND);
    world.did("unresponsive a, abort a, gave up, finish");
    let history: Vec<_> = world.engine.history().map(|charge| charge.cause.to_string()).collect();
    assert_eq!(history, ["was aborted: it gave no sign of life for 4s"; 2]);
}

#[test]
fn b2_it_counts_from_ready() {
    let mut world = World::new(one_for_one(1), [watched("a")]);
    world.plan("a", [None]);
    world.start();
    world.did("start a");
    world.pass(100 * SECOND);
    world.did("");
    world.report("a", ReportKind::Ready);
    world.settle();
    world.did("ready");
    world.pass(3 * SECOND);
    world.did("");
    world.pass(SECOND);
    world.did("unresponsive a, abort a, start a");
}

#[test]
fn b2_nobody_is_looked_at_while_stopping() {
    let slow = watched("a").shutdown(ShutdownStrategy::Graceful(60 * SECOND));
    let mut world = World::up(one_for_one(1), [slow.clone(), child("b")]);
    world.deaf.push("a");
    world.terminate("a");
    world.did("ask a");
    world.pass(59 * SECOND);
    world.did("");

    let mut world = World::up(one_for_one(1), [slow, child("b").shutdown(ShutdownStrategy::Graceful(60 * SECOND))]);
    world.deaf.push("b");
    world.shutdown();
    world.did("ask b");
    world.pass(59 * SECOND);
    world.did("");
    world.pass(SECOND);
    world.did("abort b, ask a, finish");
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn b2_a_new_process_has_all_its_time_whatever_its_predecessor_did() {
    let mut world = World::up(one_for_one(10), [watched("a")]);
    world.pass(3 * SECOND);
    world.exit("a", error());
    world.did("start a");
    world.pass(3 * SECOND);
    world.did("");
    world.pass(SECOND);
    world.did("unresponsive a, abort a, start a");
}

#[test]
fn b2_a_miss_restarts_the_group() {
    let mut world = World::up(one_for_all(1), [child("a"), watched("b"), child("c")]);
    world.pass(4 * SECOND);
    world.did("unresponsive b, abort b, ask c, ask a, start a, start b, start c");
}

#[test]
fn b2_a_miss_waits_for_its_backoff_and_keeps_its_place() {
    let settings = SupervisorSettings { max_children: Some(1), ..one_for_one(1) };
    let mut world = World::up(settings, [watched("a").backoff(Backoff::constant(SECOND))]);
    world.pass(4 * SECOND);
    world.did("unresponsive a, abort a, delay a 1000");
    world.start_child(child("b"));
    world.told("start b: AtCapacity(1)");
    world.pass(SECOND);
    world.did("start a");
}

#[test]
fn b2_a_termination_beats_the_restart_of_one_that_was_found_unresponsive() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    world.stuck.push("a");
    world.pass(4 * SECOND);
    world.did("unresponsive a, abort a");
    world.terminate("a");
    world.report("a", ReportKind::Exited(Exit::Aborted));
    world.settle();
    world.told("terminate a: ok");
    world.did("");
    world.shows("a-");
}

#[test]
fn b2_one_that_does_not_let_go_is_stuck_and_is_not_restarted_beside_itself() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    world.stuck.push("a");
    world.pass(4 * SECOND);
    world.pass(5 * SECOND);
    world.did("unresponsive a, abort a, stuck a");
    world.pass(100 * SECOND);
    world.did("");
}

#[test]
fn b2_one_that_ends_well_after_all_has_ended_well() {
    let mut world = World::up(one_for_one(1), [watched("a").transient()]);
    world.stuck.push("a");
    world.pass(4 * SECOND);
    world.report("a", ReportKind::Exited(Exit::Normal));
    world.settle();
    world.did("unresponsive a, abort a");
    world.shows("a-");
}

#[test]
fn b2_who_is_removed_is_not_looked_at() {
    let mut world = World::up(one_for_one(1), [watched("a"), child("b")]);
    world.terminate("a");
    world.delete("a");
    world.take();
    world.pass(100 * SECOND);
    world.did("");
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn b2_a_look_that_comes_late_by_more_than_its_time_is_no_proof_however_often() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    for _ in 0..3 {
        // The program was stopped.
        world.pass(3600 * SECOND);
        world.did("");
    }
    world.pass(4 * SECOND);
    world.did("unresponsive a, abort a, start a");
}

#[test]
fn b2_a_look_that_comes_a_little_late_is_repeated_once_after_as_long_as_it_was_late() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    world.pass(5 * SECOND);
    world.did("");
    world.pass(SECOND - Duration::from_nanos(1));
    world.did("");
    world.pass(Duration::from_nanos(1));
    world.did("unresponsive a, abort a, start a");

    // However late, a miss is found within two of its times.
    world.pass(7 * SECOND);
    world.did("");
    world.pass(SECOND);
    world.did("unresponsive a, abort a, start a");
}

#[test]
fn b2_a_repeated_look_that_comes_late_too_is_a_proof() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    world.pass(5 * SECOND);
    world.pass(2 * SECOND);
    world.did("unresponsive a, abort a, start a");
}

#[test]
fn b2_who_gives_a_sign_after_a_look_that_came_late_is_left_alone_and_has_all_its_time() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    world.pass(6 * SECOND);
    world.alive.push("a");
    world.pass(2 * SECOND);
    world.pass(4 * SECOND - Duration::from_nanos(1));
    world.did("");
    world.pass(Duration::from_nanos(1));
    world.did("unresponsive a, abort a, start a");
}

#[test]
fn b2_nothing_is_kept_of_processes_that_are_gone() {
    let mut world = World::up(one_for_one(usize::MAX), [watched("a"), watched("b").temporary()]);
    for _ in 0..100 {
        world.exit("a", error());
    }
    world.exit("b", error());
    world.take();
    assert_eq!(world.engine.children.deadlines(), 1, "that of the one that runs");
}
