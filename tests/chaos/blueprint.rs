use std::time::Duration;

use fastrand::Rng;
use supervisor_core::{
    AutoShutdown, Backoff, ChildSpec, RestartStrategy, RestartType, ShutdownOrder, ShutdownStrategy, Supervisor,
    SupervisorHandle,
};

use super::{diary::Diary, pick, worker::worker};

const MOMENT: Duration = Duration::from_millis(1);
/// How deep a tree may be.
const DEPTH: u32 = 4;

/// A supervisor with all that is below it. Names are unique, so a dotted name is one child.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    name: String,
    pub(crate) settings: Settings,
    spec: SpecSettings,
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Supervisor(Blueprint),
    Worker { name: String, spec: SpecSettings },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    strategy: RestartStrategy,
    auto_shutdown: AutoShutdown,
    pub(crate) order: ShutdownOrder,
    pub(crate) budget: Option<Duration>,
    is_dynamic: bool,
}

/// What is on the specification of a child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpecSettings {
    restart: RestartType,
    significant: bool,
    shutdown: Option<ShutdownStrategy>,
    start_timeout: Option<Duration>,
    backoff: Option<Backoff>,
}

impl Blueprint {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        Self::below(rng, "root".into(), 0, SpecSettings::plain())
    }

    fn below(rng: &mut Rng, name: String, depth: u32, spec: SpecSettings) -> Self {
        let is_dynamic = depth > 0 && rng.u8(..5) == 0;
        let strategies =
            [RestartStrategy::one_for_one(), RestartStrategy::one_for_all(), RestartStrategy::rest_for_one()];
        let strategy = if is_dynamic { strategies[0] } else { *pick(rng, &strategies) };
        // The root holds out longest, so that there is something to see.
        let intensity = if depth == 0 { 10_000 } else { *pick(rng, &[0, 1, 3, 10]) };
        let auto_shutdown = match is_dynamic || depth == 0 {
            true => AutoShutdown::Never,
            false => *pick(
                rng,
                &[AutoShutdown::Never, AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant],
            ),
        };
        let settings = Settings {
            strategy: strategy.with_intensity_and_period(intensity, 20 * MOMENT),
            auto_shutdown,
            order: match is_dynamic || rng.u8(..3) == 0 {
                true => ShutdownOrder::Concurrent,
                false => ShutdownOrder::Reverse,
            },
            budget: (rng.u8(..3) == 0).then_some(50 * MOMENT),
            is_dynamic,
        };
        let count = if is_dynamic { 0 } else { rng.usize(1..6) };
        let may_signify = auto_shutdown != AutoShutdown::Never;
        let children = (0..count).map(|index| {
            let spec = SpecSettings::random(rng, may_signify);
            match depth < DEPTH && rng.u8(..3) == 0 {
                true => Node::Supervisor(Self::below(rng, format!("s{index}"), depth + 1, spec.without_limits())),
                false => Node::Worker { name: format!("w{index}"), spec },
            }
        });
        Self { name, settings, spec, children: children.collect() }
    }

    /// The tree, and a handle on each of its supervisors.
    pub(crate) fn build(&self, seed: u64, diary: &Diary) -> (Supervisor, Vec<SupervisorHandle>) {
        let mut handles = Vec::new();
        (self.build_below(seed, "", diary, &mut handles), handles)
    }

    fn build_below(&self, seed: u64, above: &str, diary: &Diary, handles: &mut Vec<SupervisorHandle>) -> Supervisor {
        let Settings { strategy, auto_shutdown, order, budget, is_dynamic } = self.settings;
        let path = format!("{above}{}", self.name);
        let mut supervisor = match is_dynamic {
            true => Supervisor::dynamic(self.name.clone()).expect("a valid name").with_max_children(8),
            false => Supervisor::new(self.name.clone()).expect("a valid name").with_shutdown_order(order),
        };
        supervisor =
            supervisor.with_restart_strategy(strategy).with_auto_shutdown(auto_shutdown).with_abort_grace(20 * MOMENT);
        if let Some(budget) = budget {
            supervisor = supervisor.with_shutdown_budget(budget);
        }
        handles.push(supervisor.handle());
        for child in &self.children {
            match child {
                Node::Supervisor(below) => {
                    let built = below.build_below(seed, &format!("{path}."), diary, handles);
                    supervisor.add_worker(below.spec.apply(built.into()));
                }
                Node::Worker { name, spec } => {
                    let worker = worker(seed, name.clone(), &format!("{path}.{name}"), diary);
                    supervisor.add_worker(spec.apply(worker));
                }
            }
        }
        supervisor
    }

    /// The dotted names of all workers.
    pub(crate) fn workers(&self) -> Vec<String> {
        let below = self.children.iter().flat_map(|child| match child {
            Node::Supervisor(below) => below.workers(),
            Node::Worker { name, .. } => vec![name.clone()],
        });
        below.map(|path| format!("{}.{path}", self.name)).collect()
    }

    /// The dotted names of all supervisors, and those of their children in order.
    pub(crate) fn supervisors(&self) -> Vec<(String, Settings, Vec<String>)> {
        let children = self.children.iter().map(|child| match child {
            Node::Supervisor(below) => format!("{}.{}", self.name, below.name),
            Node::Worker { name, .. } => format!("{}.{name}", self.name),
        });
        let mut all = vec![(self.name.clone(), self.settings, children.collect())];
        for child in &self.children {
            if let Node::Supervisor(below) = child {
                let above = |path: &String| format!("{}.{path}", self.name);
                all.extend(
                    below.supervisors().into_iter().map(|(path, settings, children)| {
                        (above(&path), settings, children.iter().map(above).collect())
                    }),
                );
            }
        }
        all
    }
}

impl SpecSettings {
    fn plain() -> Self {
        let restart = RestartType::Permanent;
        Self { restart, significant: false, shutdown: None, start_timeout: None, backoff: None }
    }

    pub(crate) fn random(rng: &mut Rng, may_signify: bool) -> Self {
        let restart = *pick(rng, &[RestartType::Permanent, RestartType::Transient, RestartType::Temporary]);
        let shutdowns =
            [ShutdownStrategy::Brutal, ShutdownStrategy::Graceful(5 * MOMENT), ShutdownStrategy::Graceful(30 * MOMENT)];
        Self {
            restart,
            significant: may_signify && restart != RestartType::Permanent && rng.bool(),
            shutdown: Some(*pick(rng, &shutdowns)),
            start_timeout: (rng.u8(..4) == 0).then_some(5 * MOMENT),
            backoff: (rng.u8(..4) == 0).then(|| Backoff::exponential(MOMENT, 10 * MOMENT)),
        }
    }

    /// A supervisor has the time that it takes.
    fn without_limits(self) -> Self {
        Self { shutdown: None, start_timeout: None, ..self }
    }

    pub(crate) fn apply(self, child: ChildSpec) -> ChildSpec {
        let mut child = child.with_restart_type(self.restart).with_significant(self.significant);
        if let Some(shutdown) = self.shutdown {
            child = child.with_shutdown_strategy(shutdown);
        }
        if let Some(limit) = self.start_timeout {
            child = child.with_start_timeout(limit);
        }
        if let Some(backoff) = self.backoff {
            child = child.with_backoff(backoff);
        }
        child
    }
}
