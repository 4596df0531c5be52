//! B2: the heartbeats of children with a watchdog.

use super::*;

fn watched(name: &'static str) -> Child {
    child(name).watchdog(4 * SECOND)
}

/// Lets this many seconds pass, one by one, with a heartbeat in each of those.
fn live_through(world: &mut World, seconds: u32, signs: &[u32]) {
    for second in 1..=seconds {
        world.pass(SECOND);
        if signs.contains(&second) {
            world.alive.push("a");
        }
    }
}

#[test]
fn b2_a_child_with_heartbeats_is_left_alone() {
    let mut world = World::up(one_for_one(1), [watched("a"), child("b")]);
    live_through(&mut world, 100, &(1..=100).collect::<Vec<_>>());
    world.did("");
}

#[test]
fn b2_a_miss_is_found_between_d_and_2d_after_the_last_beat() {
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
fn b2_a_miss_is_a_failure_that_costs_one() {
    let mut world = World::up(one_for_one(1), [watched("a").transient()]);
    world.pass(4 * SECOND);
    world.did("unresponsive a, abort a, start a");
    world.pass(4 * SECOND);
    world.did("unresponsive a, abort a, gave up, finish");
    let history: Vec<_> = world.engine.history().map(|charge| charge.cause.to_string()).collect();
    assert_eq!(history, ["was aborted: no heartbeat within 4s"; 2]);
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
fn b2_a_stopping_child_is_not_looked_at() {
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
fn b2_a_new_process_has_all_of_its_time() {
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
fn b2_terminate_cancels_the_restart_of_an_unresponsive_child() {
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
fn b2_an_unresponsive_stuck_child_is_not_restarted_yet() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    world.stuck.push("a");
    world.pass(4 * SECOND);
    world.pass(5 * SECOND);
    world.did("unresponsive a, abort a, stuck a");
    world.pass(100 * SECOND);
    world.did("");
}

#[test]
fn b2_an_unresponsive_child_that_ends_well_has_ended_well() {
    let mut world = World::up(one_for_one(1), [watched("a").transient()]);
    world.stuck.push("a");
    world.pass(4 * SECOND);
    world.report("a", ReportKind::Exited(Exit::Normal));
    world.settle();
    world.did("unresponsive a, abort a");
    world.shows("a-");
}

#[test]
fn b2_a_removed_child_is_not_looked_at() {
    let mut world = World::up(one_for_one(1), [watched("a"), child("b")]);
    world.terminate("a");
    world.delete("a");
    world.take();
    world.pass(100 * SECOND);
    world.did("");
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn b2_a_look_later_than_the_time_proves_nothing() {
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
fn b2_a_look_a_little_late_is_repeated_once() {
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
fn b2_a_repeated_look_that_is_late_too_is_a_proof() {
    let mut world = World::up(one_for_one(1), [watched("a")]);
    world.pass(5 * SECOND);
    world.pass(2 * SECOND);
    world.did("unresponsive a, abort a, start a");
}

#[test]
fn b2_a_beat_after_a_late_look_restores_all_of_the_time() {
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
    let (valid, kept) = world.engine.children.deadlines();
    assert_eq!(valid, 1, "that of the one that runs");
    assert!(kept <= 34, "{kept} entries for one deadline");
}

#[test]
fn b2_many_looks_at_once_leave_no_room_behind() {
    let children: [Child; 1_000] = std::array::from_fn(|number| match number {
        0 => child("late").watchdog(100 * SECOND).temporary(),
        _ => watched(format!("child {number}").leak()).temporary(),
    });
    let mut world = World::up(one_for_one(usize::MAX), children);
    assert!(world.engine.children.room_for_deadlines() >= 1_000);
    world.pass(4 * SECOND);
    world.take();
    assert_eq!(world.engine.children.deadlines().0, 1, "the others have missed theirs");
    world.exit("late", error());
    let room = world.engine.children.room_for_deadlines();
    assert!(room <= 64, "room for {room}");
}
