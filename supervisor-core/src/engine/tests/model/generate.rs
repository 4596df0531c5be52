//! Random cases.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{case::*, *};

pub(super) fn case() -> impl Strategy<Value = Case> {
    let starts = prop_oneof![2 => Just(Vec::new()), 1 => vec((0..1000_usize, vec(start(), 1..3)), 1..4)];
    (supervisor(vec(spec(), 1..6)), starts, vec(input(), 0..32), prop::bool::weighted(0.3), any::<u64>()).prop_map(
        |(mut root, starts, script, kill, seed)| {
            make_valid(&mut root);
            Case { root, starts, script, kill, seed }
        },
    )
}

fn input() -> impl Strategy<Value = Input> {
    let who = 0..1000_usize;
    prop_oneof![
        8 => (who.clone(), how()).prop_map(|(who, how)| Input::Exit { who, how }),
        2 => who.clone().prop_map(|who| Input::Terminate { who }),
        2 => who.clone().prop_map(|who| Input::Restart { who }),
        1 => who.clone().prop_map(|who| Input::Delete { who }),
        2 => who.clone().prop_map(|who| Input::Kill { who }),
        2 => who.clone().prop_map(|who| Input::Reload { who }),
        3 => (who.clone(), added()).prop_map(|(to, spec)| Input::Add { to, spec }),
        1 => who.clone().prop_map(|who| Input::StopSubtree { who }),
        2 => (who, vec(start(), 1..4)).prop_map(|(who, starts)| Input::Plan { who, starts }),
        2 => select(&[1, 3, 6][..]).prop_map(|seconds| Input::Pass { seconds }),
    ]
}

fn added() -> impl Strategy<Value = ChildSpec> {
    (spec(), option::of(0..2_usize)).prop_map(|(mut spec, name)| {
        if let Kind::Supervisor(supervisor) = &mut spec.kind {
            make_valid(supervisor);
        }
        ChildSpec { name, ..spec }
    })
}

fn spec() -> impl Strategy<Value = ChildSpec> {
    let worker = (any::<bool>(), option::weighted(0.3, 1..4_u64), stop())
        .prop_map(|(has_set_up, start_timeout, stop)| Kind::Worker(Worker { has_set_up, start_timeout, stop }));
    let kind = |kind: BoxedStrategy<Kind>| {
        let restart = select(&[RestartType::Permanent, RestartType::Transient, RestartType::Temporary][..]);
        (restart, any::<bool>(), prop::bool::weighted(0.15), 1..8_u64, any::<bool>(), kind).prop_map(
            |(restart, significant, is_brutal, limit, is_limited, kind)| {
                let is_limited = is_limited || matches!(kind, Kind::Worker(_));
                ChildSpec { restart, significant, is_brutal, limit: is_limited.then_some(limit), name: None, kind }
            },
        )
    };
    kind(worker.boxed())
        .prop_recursive(2, 12, 4, move |below| kind(supervisor(vec(below, 0..4)).prop_map(Kind::Supervisor).boxed()))
}

fn supervisor(children: impl Strategy<Value = Vec<ChildSpec>>) -> impl Strategy<Value = Supervisor> {
    let modes = select(&[RestartMode::OneForOne, RestartMode::OneForAll, RestartMode::RestForOne][..]);
    let ends = select(&[AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant][..]);
    let orders = select(&[ShutdownOrder::Reverse, ShutdownOrder::Reverse, ShutdownOrder::Concurrent][..]);
    let budget = option::weighted(0.2, 1..9_u64);
    let numbers = (select(&[0, 1, 2, 3, 5, 9][..]), select(&[2, 5][..]), option::weighted(0.2, 0..3_usize), budget);
    let flags = (prop::bool::weighted(0.15), prop::bool::weighted(0.4));
    (modes, ends, orders, numbers, flags, children).prop_map(
        |(mode, auto_shutdown, order, (intensity, period, room, budget), (is_dynamic, has_unique_names), children)| {
            let max_children = room.map(|room| children.len() + room);
            Supervisor {
                mode,
                intensity,
                period,
                auto_shutdown,
                order,
                is_dynamic,
                has_unique_names,
                max_children,
                budget,
                children,
            }
        },
    )
}

fn stop() -> impl Strategy<Value = Stop> {
    let how = prop_oneof![4 => Just(How::Normal), 1 => Just(How::Failed)];
    prop_oneof![
        6 => how.clone().prop_map(Stop::AtOnce),
        2 => (0..6_u64, how).prop_map(|(seconds, how)| Stop::After(seconds, how)),
        1 => Just(Stop::Never),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        3 => Just(Start::Fails),
        2 => Just(Start::Ready),
        1 => Just(Start::Ignores),
        1 => Just(Start::Hangs),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![3 => Just(How::Failed), 2 => Just(How::Normal), 1 => Just(How::Panicked), 1 => Just(How::Lost)]
}

/// Makes the case one that users could have specified.
fn make_valid(supervisor: &mut Supervisor) {
    if supervisor.is_dynamic {
        supervisor.children.clear();
        supervisor.mode = RestartMode::OneForOne;
        supervisor.order = ShutdownOrder::Concurrent;
        supervisor.auto_shutdown = AutoShutdown::Never;
    }
    for child in &mut supervisor.children {
        if child.restart == RestartType::Permanent || supervisor.auto_shutdown == AutoShutdown::Never {
            child.significant = false;
        }
        if let Kind::Supervisor(below) = &mut child.kind {
            make_valid(below);
        }
    }
}
