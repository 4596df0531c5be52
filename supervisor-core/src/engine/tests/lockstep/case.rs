//! What the engine and the model are put through.

use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
};
use reference_model::{AutoShutdown, Backoff, Kind, Restart, Settings, Shutdown, Spec, Strategy as RestartStrategy};

use super::{BTreeSet, Duration, SECOND};

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) settings: Settings,
    pub(super) children: Vec<Spec>,
    /// Of these an earlier run has left processes behind.
    pub(super) left_behind: BTreeSet<usize>,
    pub(super) inputs: Vec<Input>,
}

/// Something that happens. Who is meant is a number that is taken modulo how many there are.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Ready {
        who: usize,
    },
    Exit {
        who: usize,
        how: How,
    },
    Acknowledged {
        who: usize,
    },
    /// A heartbeat.
    Sign {
        who: usize,
    },
    Add {
        spec: Spec,
        by: Option<By>,
    },
    Restart {
        who: usize,
        by: By,
    },
    Terminate {
        who: usize,
        by: By,
    },
    Delete {
        who: usize,
    },
    Kill {
        who: usize,
    },
    Reload {
        who: usize,
        by: By,
    },
    Shutdown {
        kill: bool,
    },
    Pass {
        time: Pass,
    },
    Settle,
}

/// An amount of time that passes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pass {
    UntilDue,
    /// The supervisor comes late to what is due.
    Late,
    For(Duration),
}

/// The place of a call: in the process of a child, or outside of the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct By {
    pub(super) within: Option<usize>,
    pub(super) is_in_circle: bool,
}

/// The end of a process, as far as it has a choice.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Well,
    Failed,
    /// It has failed, and no restart helps.
    Final,
    /// As it was told to.
    Aborted,
    /// It has left something behind.
    Abandoning,
}

impl Input {
    pub(super) fn is_call(&self) -> bool {
        matches!(
            self,
            Self::Add { .. }
                | Self::Restart { .. }
                | Self::Terminate { .. }
                | Self::Delete { .. }
                | Self::Kill { .. }
                | Self::Reload { .. }
        )
    }
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let left_behind = prop_oneof![6 => Just(BTreeSet::new()), 1 => btree_set(0..6_usize, 1..3)];
    (settings(), vec(spec(), 0..6), left_behind, vec(input(), 0..60)).prop_map(
        |(settings, mut children, mut left_behind, mut inputs)| {
            if settings.is_dynamic {
                children.clear();
            }
            children.iter_mut().for_each(|child| make_valid(child, &settings));
            for input in &mut inputs {
                if let Input::Add { spec, .. } = input {
                    make_valid(spec, &settings);
                }
            }
            // Names are those of the places: only added ones may be those of others.
            for (key, child) in children.iter_mut().enumerate() {
                child.name = format!("n{key}");
            }
            left_behind.retain(|child| *child < children.len());
            Case { settings, children, left_behind, inputs }
        },
    )
}

fn input() -> impl Strategy<Value = Input> {
    let who = 0..1000_usize;
    let how = prop_oneof![
        4 => Just(How::Failed),
        2 => Just(How::Final),
        3 => Just(How::Well),
        2 => Just(How::Aborted),
        1 => Just(How::Abandoning),
    ];
    let time = prop_oneof![
        3 => Just(Pass::UntilDue),
        2 => Just(Pass::Late),
        2 => select(&[0, 500, 1000, 6000][..]).prop_map(|ms| Pass::For(Duration::from_millis(ms))),
    ];
    prop_oneof![
        6 => who.clone().prop_map(|who| Input::Ready { who }),
        8 => (who.clone(), how).prop_map(|(who, how)| Input::Exit { who, how }),
        2 => who.clone().prop_map(|who| Input::Acknowledged { who }),
        3 => who.clone().prop_map(|who| Input::Sign { who }),
        3 => (spec(), option::weighted(0.8, by())).prop_map(|(spec, by)| Input::Add { spec, by }),
        3 => (who.clone(), by()).prop_map(|(who, by)| Input::Restart { who, by }),
        4 => (who.clone(), by()).prop_map(|(who, by)| Input::Terminate { who, by }),
        1 => who.clone().prop_map(|who| Input::Delete { who }),
        3 => who.clone().prop_map(|who| Input::Kill { who }),
        4 => (who, by()).prop_map(|(who, by)| Input::Reload { who, by }),
        1 => prop::bool::weighted(0.3).prop_map(|kill| Input::Shutdown { kill }),
        5 => time.prop_map(|time| Input::Pass { time }),
        12 => Just(Input::Settle),
    ]
}

fn by() -> impl Strategy<Value = By> {
    (option::weighted(0.3, 0..1000_usize), prop::bool::weighted(0.05))
        .prop_map(|(within, is_in_circle)| By { within, is_in_circle })
}

fn settings() -> impl Strategy<Value = Settings> {
    let strategy = select(&[RestartStrategy::OneForOne, RestartStrategy::OneForAll, RestartStrategy::RestForOne][..]);
    let auto_shutdown = select(&[AutoShutdown::Never, AutoShutdown::Any, AutoShutdown::All][..]);
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.15), any::<bool>());
    let limits = (select(&[0, 1, 3, 100][..]), option::weighted(0.2, 2..8_usize), option::weighted(0.3, 1..9_u32));
    (strategy, auto_shutdown, flags, limits, backoff(0.2)).prop_map(
        |(
            strategy,
            auto_shutdown,
            (is_concurrent, is_dynamic, has_unique_names),
            (intensity, max_children, budget),
            backoff,
        )| {
            Settings {
                strategy: if is_dynamic { RestartStrategy::OneForOne } else { strategy },
                intensity,
                auto_shutdown: if is_dynamic { AutoShutdown::Never } else { auto_shutdown },
                is_concurrent: is_concurrent || is_dynamic,
                is_dynamic,
                has_unique_names,
                max_children,
                budget: budget.map(|seconds| seconds * SECOND),
                backoff,
                ..Settings::default()
            }
        },
    )
}

fn spec() -> impl Strategy<Value = Spec> {
    let restart = select(&[Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary][..]);
    let kind = select(&[Kind::Worker, Kind::Worker, Kind::Supervisor][..]);
    let flags = (any::<bool>(), prop::bool::weighted(0.4));
    let shutdown = prop_oneof![
        1 => Just(Shutdown::Brutal),
        4 => select(&[1, 3, 7][..]).prop_map(|seconds| Shutdown::Graceful(seconds * SECOND)),
        2 => Just(Shutdown::Unlimited),
    ];
    let watchdog = option::weighted(0.3, select(&[1, 4][..]).prop_map(|seconds| seconds * SECOND));
    let start_timeout = option::weighted(0.3, select(&[1, 4][..]).prop_map(|seconds| seconds * SECOND));
    (restart, kind, flags, shutdown, start_timeout, (backoff(0.2), watchdog), 0..8_usize).prop_map(
        |(restart, kind, (is_significant, is_ready_at_once), shutdown, start_timeout, (backoff, watchdog), name)| {
            Spec {
                name: format!("n{name}"),
                kind,
                restart,
                runs_once: name == 0 && restart == Restart::Temporary && kind == Kind::Worker,
                is_significant,
                shutdown,
                is_ready_at_once: is_ready_at_once && kind == Kind::Worker,
                start_timeout,
                backoff,
                watchdog: watchdog.filter(|_| kind == Kind::Worker),
            }
        },
    )
}

fn backoff(likely: f64) -> impl Strategy<Value = Option<Backoff>> {
    let backoff = (select(&[1, 2][..]), select(&[2, 5][..]), 1..4_u32, select(&[3, 60][..])).prop_map(
        |(initial, max, factor, reset_after)| Backoff {
            initial: initial * SECOND,
            max: max * SECOND,
            factor,
            reset_after: reset_after * SECOND,
        },
    );
    option::weighted(likely, backoff)
}

/// Makes the case one that users could have specified.
fn make_valid(spec: &mut Spec, settings: &Settings) {
    spec.is_significant &= spec.restart != Restart::Permanent && settings.auto_shutdown != AutoShutdown::Never;
}
