//! What is invalid is refused before anything starts, with an error that says what and where.

use std::time::Duration;

use supervisor_core::{
    AutoShutdown, Backoff, InvalidSpec, RestartStrategy, RestartType, ShutdownOrder, Supervisor, SupervisorError,
    one_shot, worker,
};

use crate::{
    actors::{Census, root, supervisor},
    harness::World,
};

mount! { everywhere:
    r6_r48_d7_an_invalid_spec_is_refused_before_any_start
    a8_a_supervisor_may_begin_with_the_maximum_of_children
}

#[test]
fn a_supervisors_own_name_is_checked_at_once() {
    let error = Supervisor::new("...").unwrap_err();
    assert_eq!(error.to_string(), r#"invalid name "...": a name needs a letter or a digit"#);
    assert_eq!(Supervisor::new("my api!").unwrap().name(), "my_api");
}

fn dynamic(name: &'static str) -> Supervisor {
    Supervisor::dynamic(name).expect("a valid name")
}

async fn r6_r48_d7_an_invalid_spec_is_refused_before_any_start(world: World) {
    type Spoil = fn(&mut Supervisor);
    let spoilt: [(Spoil, &str); 15] = [
        (
            |s| {
                s.add_worker(worker(" ", |shutdown| shutdown));
            },
            r#"invalid name " " of a child of `root.inner`: a name needs a letter or a digit"#,
        ),
        (
            |s| {
                s.add_worker(worker("x", |shutdown| shutdown).with_significance());
            },
            "`root.inner.x` has an invalid specification: a significant child cannot be permanent",
        ),
        (
            |s| {
                let spec = worker("x", |shutdown| shutdown);
                s.add_worker(spec.with_significance().with_restart_type(RestartType::Transient));
            },
            "`root.inner.x` has an invalid specification: a significant child needs a supervisor that shuts down by itself",
        ),
        (
            |s| {
                s.add_worker(one_shot("x", async {}).with_restart_type(RestartType::Permanent));
            },
            "`root.inner.x` has an invalid specification: a one-shot can only be temporary",
        ),
        (
            |s| {
                let hasty = supervisor("x", RestartStrategy::one_for_one());
                s.add_worker(hasty.with_abort_grace(Duration::from_micros(999)));
            },
            "`root.inner.x` has an invalid specification: the abort grace is below a millisecond",
        ),
        (
            |s| {
                s.add_worker(worker("x", |shutdown| shutdown).with_start_timeout(Duration::ZERO));
            },
            "`root.inner.x` has an invalid specification: the start timeout is zero",
        ),
        (
            |s| {
                let backoff = Backoff::exponential(Duration::ZERO, Duration::ZERO).with_factor(0.5);
                s.add_worker(worker("x", |shutdown| shutdown).with_backoff(backoff));
            },
            "`root.inner.x` has an invalid specification: the factor of the backoff",
        ),
        (
            |s| {
                let never = RestartStrategy::one_for_one().with_intensity_and_period(1, Duration::ZERO);
                s.add_worker(supervisor("x", never).with_restart_strategy(never));
            },
            "`root.inner.x` has an invalid specification: the restart period is zero",
        ),
        (
            |s| {
                let backoff = Backoff::constant(Duration::ZERO).with_factor(f64::NAN);
                s.add_worker(supervisor("x", RestartStrategy::one_for_one()).with_default_backoff(backoff));
            },
            "`root.inner.x` has an invalid specification: the factor of the backoff",
        ),
        (
            |s| {
                let mut unique = supervisor("x", RestartStrategy::one_for_one()).with_unique_names();
                unique.add_worker(worker("same", |shutdown| shutdown));
                unique.add_worker(worker("same!", |shutdown| shutdown));
                s.add_worker(unique);
            },
            "`root.inner.x.same` has an invalid specification: a sibling has the same name",
        ),
        (
            |s| {
                let mut full = supervisor("x", RestartStrategy::one_for_one()).with_max_children(1);
                full.add_worker(worker("a", |shutdown| shutdown));
                full.add_worker(worker("b", |shutdown| shutdown));
                s.add_worker(full);
            },
            "`root.inner.x` has an invalid specification: the supervisor has more children than its maximum",
        ),
        (
            |s| {
                let mut dynamic = dynamic("x");
                dynamic.add_worker(worker("a", |shutdown| shutdown));
                s.add_worker(dynamic);
            },
            "`root.inner.x` has an invalid specification: a dynamic supervisor starts without children",
        ),
        (
            |s| {
                s.add_worker(dynamic("x").with_restart_strategy(RestartStrategy::one_for_all()));
            },
            "`root.inner.x` has an invalid specification: a dynamic supervisor can only be one-for-one",
        ),
        (
            |s| {
                s.add_worker(dynamic("x").with_shutdown_order(ShutdownOrder::Reverse));
            },
            "`root.inner.x` has an invalid specification: a dynamic supervisor stops all its children at once",
        ),
        (
            |s| {
                s.add_worker(dynamic("x").with_auto_shutdown(AutoShutdown::AnySignificant));
            },
            "`root.inner.x` has an invalid specification: a dynamic supervisor cannot shut down by itself",
        ),
    ];
    for (spoil, expected) in spoilt {
        let census = Census::default();
        let counted = census.clone();
        let mut inner = supervisor("inner", RestartStrategy::one_for_one());
        spoil(&mut inner);
        let mut root = root().with_auto_shutdown(AutoShutdown::AnySignificant);
        root.add_worker(worker("first", move |shutdown| {
            let _present = counted.enter();
            shutdown
        }));
        root.add_worker(inner);
        let error = world.start(root).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        world.probe.quiet().await;
        assert_eq!(census.ever(), 0, "nothing may have started");
    }
}

async fn a8_a_supervisor_may_begin_with_the_maximum_of_children(world: World) {
    let mut root = root().with_max_children(2);
    root.add_worker(worker("a", |shutdown| shutdown));
    root.add_worker(worker("b", |shutdown| shutdown));
    world.start(root).await.unwrap().shutdown().await.unwrap();
}

#[test]
fn d2_names_need_not_be_unique_by_default() {
    let mut root = root();
    root.add_worker(worker("conn", |shutdown| shutdown));
    root.add_worker(worker("conn", |shutdown| shutdown));
    crate::harness::Executor::Sim.run(crate::harness::Children::Static, async |world: World| {
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(worker("conn", |shutdown| shutdown));
        root.add_worker(worker("conn", |shutdown| shutdown));
        world.start(root).await.unwrap().shutdown().await.unwrap();
    });
}

#[test]
fn every_reason_says_what_to_do() {
    for reason in [InvalidSpec::PeriodZero, InvalidSpec::StartTimeoutZero, InvalidSpec::BackoffFactor] {
        assert!(reason.to_string().contains("give"), "{reason}");
    }
    let error = SupervisorError::InvalidSpec { path: "root.a".into(), reason: InvalidSpec::DuplicateName };
    assert!(error.to_string().ends_with(&InvalidSpec::DuplicateName.to_string()));
    assert!(std::error::Error::source(&error).is_none(), "its message says all");
}
