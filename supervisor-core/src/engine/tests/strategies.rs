use super::*;

fn abc(settings: SupervisorSettings) -> World {
    World::up(settings, [child("a"), child("b"), child("c")])
}

#[test]
fn r14_one_for_one_restarts_the_failed_child_alone() {
    let mut world = abc(one_for_one(3));
    world.exit("b", error());
    world.did("start b");
}

#[test]
fn r15_one_for_all_stops_in_reverse_and_starts_in_order() {
    let mut world = abc(one_for_all(3));
    world.exit("b", error());
    world.did("ask c, ask a, start a, start b, start c");
    world.shows("a b c");
}

#[test]
fn r16_rest_for_one_restarts_the_child_and_those_after_it() {
    let mut world = abc(rest_for_one(5));
    world.exit("b", error());
    world.did("ask c, start b, start c");
    world.exit("a", error());
    world.did("ask c, ask b, start a, start b, start c");
    world.exit("c", error());
    world.did("start c");
}

#[test]
fn r39_in_a_group_restart_a_child_is_gone_before_the_next() {
    let mut world = abc(one_for_all(3));
    world.deaf.push("c");
    world.exit("a", error());
    world.did("ask c");
    world.exit("c", Exit::Normal);
    world.did("ask b, start a, start b, start c");
}

#[test]
fn d8_a_concurrent_group_restart_starts_in_order() {
    let mut world = abc(SupervisorSettings { shutdown_order: ShutdownOrder::Concurrent, ..one_for_all(3) });
    world.deaf.extend(["b", "c"]);
    world.exit("a", error());
    world.did("ask c, ask b");
    world.exit("b", Exit::Normal);
    world.did("");
    world.exit("c", Exit::Normal);
    world.did("start a, start b, start c");
}

#[test]
fn r17_a_group_restart_drops_a_temporary_sibling() {
    for settings in [one_for_all(3), rest_for_one(3)] {
        let mut world = World::up(settings, [child("a"), child("b").temporary(), child("c")]);
        world.exit("a", error());
        world.did("ask c, ask b, start a, start c");
        world.shows("a c");
    }
}

#[test]
fn r18_a_group_restart_revives_siblings_that_were_stopped() {
    let mut world = World::new(one_for_all(3), [child("a"), child("b").transient(), child("c")]);
    world.plan("c", [Some(Exit::Ignored)]);
    world.start();
    world.exit("b", Exit::Normal);
    world.shows("a b- c-");
    world.take();
    world.exit("a", error());
    world.did("start a, start b, start c");
    world.shows("a b c");
}

#[test]
fn r19_an_exit_without_restart_does_nothing_to_siblings() {
    for settings in [one_for_one(0), one_for_all(0), rest_for_one(0)] {
        let mut world = World::up(settings, [child("a").transient(), child("b").temporary(), child("c")]);
        world.exit("a", Exit::Normal);
        world.exit("b", error());
        world.did("");
        world.shows("a- c");
    }
}

#[test]
fn r20_the_start_order_survives_restarts() {
    let mut world = abc(one_for_one(9));
    world.exit("a", error());
    world.exit("b", error());
    world.shows("a b c");
    world.take();
    world.shutdown();
    world.did("ask c, ask b, ask a, finish");
}

#[test]
fn n2_a_second_failure_before_the_group_starts_costs_nothing() {
    let mut world = abc(one_for_all(1));
    world.report("a", ReportKind::Exited(error()));
    world.report("c", ReportKind::Exited(error()));
    world.settle();
    world.did("ask b, start a, start b, start c");
    world.exit("b", error());
    world.did("gave up, ask c, ask a, finish");
}

#[test]
fn n2_an_exit_without_restart_joins_the_group_too() {
    let mut world = World::up(one_for_all(1), [child("a"), child("b").transient(), child("c").temporary()]);
    world.report("a", ReportKind::Exited(error()));
    world.report("b", ReportKind::Exited(Exit::Normal));
    world.report("c", ReportKind::Exited(error()));
    world.settle();
    world.did("start a, start b");
    world.shows("a b");
}

#[test]
fn n2_a_member_that_fails_after_its_start_costs_one() {
    let mut world = World::up(rest_for_one(2), [child("a"), child("b"), child("c"), child("d")]);
    world.plan("c", [None]);
    world.exit("a", error());
    world.did("ask d, ask c, ask b, start a, start b, start c");
    world.exit("b", error());
    world.did("abort c, start b, start c, start d");
    world.shows("a b c d");
    world.exit("a", error());
    world.did("gave up, ask d, ask c, ask b, finish");
}

#[test]
fn n2_in_one_for_all_the_whole_group_begins_again() {
    let mut world = abc(one_for_all(2));
    world.plan("c", [None]);
    world.exit("a", error());
    world.take();
    world.exit("b", error());
    world.did("abort c, ask a, start a, start b, start c");
}

#[test]
fn n2_a_failure_before_the_range_widens_it_and_costs_one() {
    let mut world = World::up(rest_for_one(2), [child("a"), child("b"), child("c"), child("d")]);
    world.deaf.push("d");
    world.exit("c", error());
    world.did("ask d");
    world.exit("a", error());
    world.did("");
    world.exit("d", Exit::Normal);
    world.did("ask b, start a, start b, start c, start d");
    world.exit("d", error());
    world.did("gave up, ask c, ask b, ask a, finish");
}

#[test]
fn n2_a_failure_before_a_starting_range_widens_it_too() {
    let mut world = World::up(rest_for_one(2), [child("a"), child("b"), child("c")]);
    world.plan("c", [None]);
    world.exit("b", error());
    world.did("ask c, start b, start c");
    world.exit("a", error());
    world.did("abort c, ask b, start a, start b, start c");
}

#[test]
fn n1_case_p_a_shutdown_ends_a_group_restart_at_once() {
    let mut world = abc(one_for_all(3));
    world.deaf.push("b");
    world.exit("c", error());
    world.did("ask b");
    world.shutdown();
    world.did("ask b"); // once more, to say that nothing comes after it
    world.exit("b", Exit::Normal);
    world.did("ask a, finish");

    let mut world = abc(one_for_all(3));
    world.plan("b", [None]);
    world.exit("c", error());
    world.did("ask b, ask a, start a, start b");
    world.shutdown();
    world.did("abort b, ask a, finish");
}

#[test]
fn case_f_a_group_restart_never_runs_more_than_declared() {
    let mut world = abc(one_for_all(100));
    for round in 0..20 {
        world.report(["a", "b", "c"][round % 3], ReportKind::Exited(error()));
        world.report(["b", "c", "a"][round % 3], ReportKind::Exited(error()));
        let mut alive: i32 = 1;
        world.settle();
        for line in world.take() {
            match line.split_once(' ') {
                Some(("start", _)) => alive += 1,
                Some(("ask", _)) => alive -= 1,
                _ => panic!("unexpected {line}"),
            }
            assert!((0..=3).contains(&alive));
        }
        assert_eq!(alive, 3);
    }
}
