use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use supervisor_core::{
    AutoShutdown, Backoff, ChildSpec, RestartStrategy, RestartType, ShutdownOrder, ShutdownStrategy, Supervisor,
    SupervisorHandle,
};

use super::{
    diary::Diary,
    draw::{draw, one_in, pick},
    site::Site,
    sites::{SitePlan, Sites},
    worker::worker,
};

const MOMENT: Duration = Duration::from_millis(1);
/// When supervisors shut down by themselves, and how often.
const AUTO_SHUTDOWNS: [(AutoShutdown, u32); 3] =
    [(AutoShutdown::Never, 2), (AutoShutdown::AnySignificant, 1), (AutoShutdown::AllSignificant, 1)];
/// How deep a tree may be.
const DEPTH: u32 = 4;
/// How long supervisors wait for what they have aborted.
pub(crate) const GRACE: Duration = Duration::from_millis(20);
/// The longest time that a worker has to stop.
pub(crate) const LONGEST_STOP: Duration = Duration::from_millis(30);

/// A supervisor with all that is below it. Names are unique, so a dotted name is one child.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    name: String,
    pub(crate) settings: Settings,
    spec: SpecSettings,
    children: Vec<Node>,
    /// Where its children are, if that is not where it is: the number of a site.
    place: Option<usize>,
}

/// A supervisor that was built, and where its children are.
pub(crate) struct Built {
    pub(crate) handle: SupervisorHandle,
    pub(crate) site: Arc<Site>,
}

/// The setting in which trees are built.
pub(crate) struct Ground<'a> {
    pub(crate) seed: u64,
    pub(crate) diary: &'a Diary,
    pub(crate) sites: &'a Sites,
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

/// The settings on the specification of a child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpecSettings {
    restart: RestartType,
    significant: bool,
    shutdown: Option<ShutdownStrategy>,
    start_timeout: Option<Duration>,
    backoff: Option<Backoff>,
    /// The number of a site.
    place: Option<usize>,
}

impl Blueprint {
    /// Draws a blueprint with what may be placed on these sites.
    pub(crate) fn random(rng: &mut Rng, sites: &[SitePlan]) -> Self {
        Self::below(rng, "root".into(), 0, SpecSettings::plain(), sites.len())
    }

    fn below(rng: &mut Rng, name: String, depth: u32, spec: SpecSettings, sites: usize) -> Self {
        let is_dynamic = depth > 0 && one_in(rng, 5);
        let strategies =
            [RestartStrategy::one_for_one(), RestartStrategy::one_for_all(), RestartStrategy::rest_for_one()];
        let strategy = if is_dynamic { strategies[0] } else { *pick(rng, &strategies) };
        // The root holds out longest, so that there is something to see.
        let intensity = if depth == 0 { 10_000 } else { *pick(rng, &[0, 1, 3, 10]) };
        let auto_shutdown = match is_dynamic || depth == 0 {
            true => AutoShutdown::Never,
            false => draw(rng, &AUTO_SHUTDOWNS),
        };
        let settings = Settings {
            strategy: strategy.with_intensity_and_period(intensity, 20 * MOMENT),
            auto_shutdown,
            order: match is_dynamic || one_in(rng, 3) {
                true => ShutdownOrder::Concurrent,
                false => ShutdownOrder::Reverse,
            },
            budget: one_in(rng, 3).then_some(50 * MOMENT),
            is_dynamic,
        };
        let count = if is_dynamic { 0 } else { rng.usize(1..6) };
        let may_signify = auto_shutdown != AutoShutdown::Never;
        let children = (0..count).map(|index| {
            let spec = SpecSettings::random(rng, may_signify).placed(rng, sites);
            match depth < DEPTH && one_in(rng, 3) {
                true => {
                    let spec = spec.without_limits();
                    Node::Supervisor(Self::below(rng, format!("s{index}"), depth + 1, spec, sites))
                }
                false => Node::Worker { name: format!("w{index}"), spec },
            }
        });
        let children: Vec<_> = children.collect();
        let place = draw_place(rng, sites);
        let mut spec = spec;
        if place.is_some() || children.iter().any(Node::is_placed) {
            spec = spec.patient();
        }
        Self { name, settings, spec, children, place }
    }

    /// Builds the tree. Returns it with each of its supervisors.
    pub(crate) fn build(&self, ground: &Ground<'_>) -> (Supervisor, Vec<Built>) {
        let mut all = Vec::new();
        (self.build_below(ground, "", &ground.sites.main, &mut all), all)
    }

    /// Builds what is below. `home` is where the supervisor itself runs.
    fn build_below(&self, ground: &Ground<'_>, above: &str, home: &Arc<Site>, all: &mut Vec<Built>) -> Supervisor {
        let Settings { strategy, auto_shutdown, order, budget, is_dynamic } = self.settings;
        home.host_supervisor();
        let path = format!("{above}{}", self.name);
        let mut supervisor = match is_dynamic {
            true => Supervisor::dynamic(self.name.clone()).expect("a valid name").with_max_children(8),
            false => Supervisor::new(self.name.clone()).expect("a valid name").with_shutdown_order(order),
        };
        supervisor =
            supervisor.with_restart_strategy(strategy).with_auto_shutdown(auto_shutdown).with_abort_grace(GRACE);
        if let Some(budget) = budget {
            supervisor = supervisor.with_shutdown_budget(budget);
        }
        let site = match self.place {
            None => home.clone(),
            Some(number) => {
                let (site, placement) = ground.sites.place(number);
                supervisor = supervisor.with_child_placement(placement);
                site
            }
        };
        all.push(Built { handle: supervisor.handle(), site: site.clone() });
        for child in &self.children {
            match child {
                Node::Supervisor(below) => {
                    let its_home = below.spec.site(ground.sites, &site);
                    let built = below.build_below(ground, &format!("{path}."), &its_home, all);
                    supervisor.add_worker(below.spec.apply(built.into(), ground.sites));
                }
                Node::Worker { name, spec } => {
                    let its_site = spec.site(ground.sites, &site);
                    let worker = worker(ground, name.clone(), &format!("{path}.{name}"), its_site);
                    supervisor.add_worker(spec.apply(worker, ground.sites));
                }
            }
        }
        supervisor
    }

    /// Returns the dotted names of all workers, and the times that they have to stop.
    pub(crate) fn workers(&self) -> Vec<(String, Duration)> {
        let below = self.children.iter().flat_map(|child| match child {
            Node::Supervisor(below) => below.workers(),
            Node::Worker { name, spec } => vec![(name.clone(), spec.time_to_stop())],
        });
        below.map(|(path, time)| (format!("{}.{path}", self.name), time)).collect()
    }

    /// Returns the dotted names of all workers, and the sites that they run on.
    pub(crate) fn sites_of_workers(&self, sites: &Sites) -> Vec<(String, Arc<Site>)> {
        self.sites_below(sites, &sites.main)
    }

    fn sites_below(&self, sites: &Sites, home: &Arc<Site>) -> Vec<(String, Arc<Site>)> {
        let site = self.place.map_or_else(|| home.clone(), |number| sites.place(number).0);
        let below = self.children.iter().flat_map(|child| match child {
            Node::Supervisor(below) => below.sites_below(sites, &below.spec.site(sites, &site)),
            Node::Worker { name, spec } => vec![(name.clone(), spec.site(sites, &site))],
        });
        below.map(|(path, site)| (format!("{}.{path}", self.name), site)).collect()
    }

    /// Returns the dotted names of all supervisors, and those of their children in order.
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

impl Node {
    /// Returns whether it is on another executor, or something below it is.
    fn is_placed(&self) -> bool {
        match self {
            Self::Supervisor(below) => {
                below.spec.place.is_some() || below.place.is_some() || below.children.iter().any(Self::is_placed)
            }
            Self::Worker { spec, .. } => spec.place.is_some(),
        }
    }
}

impl SpecSettings {
    fn plain() -> Self {
        let restart = RestartType::Permanent;
        Self { restart, significant: false, shutdown: None, start_timeout: None, backoff: None, place: None }
    }

    pub(crate) fn random(rng: &mut Rng, may_signify: bool) -> Self {
        let restart = *pick(rng, &[RestartType::Permanent, RestartType::Transient, RestartType::Temporary]);
        let shutdowns = [
            ShutdownStrategy::Brutal,
            ShutdownStrategy::Graceful(5 * MOMENT),
            ShutdownStrategy::Graceful(LONGEST_STOP),
        ];
        Self {
            restart,
            significant: may_signify && restart != RestartType::Permanent && rng.bool(),
            shutdown: Some(*pick(rng, &shutdowns)),
            start_timeout: one_in(rng, 4).then_some(5 * MOMENT),
            backoff: one_in(rng, 4).then(|| Backoff::exponential(MOMENT, 10 * MOMENT)),
            place: None,
        }
    }

    /// Perhaps on another executor.
    pub(crate) fn placed(self, rng: &mut Rng, sites: usize) -> Self {
        let place = draw_place(rng, sites);
        if place.is_some() { Self { place, ..self }.patient() } else { self }
    }

    /// Makes a child patient that dies at once because its executor is gone: it is not started again at once.
    fn patient(self) -> Self {
        Self { backoff: Some(Backoff::exponential(2 * MOMENT, 10 * MOMENT).without_jitter()), ..self }
    }

    /// Returns where its process is, if its supervisor's children are there.
    pub(crate) fn site(&self, sites: &Sites, inherited: &Arc<Site>) -> Arc<Site> {
        self.place.map_or_else(|| inherited.clone(), |number| sites.place(number).0)
    }

    fn time_to_stop(&self) -> Duration {
        match self.shutdown {
            Some(ShutdownStrategy::Graceful(time)) => time,
            _ => Duration::ZERO,
        }
    }

    /// Removes limits: a supervisor has the time that it takes.
    fn without_limits(self) -> Self {
        Self { shutdown: None, start_timeout: None, ..self }
    }

    pub(crate) fn apply(self, child: ChildSpec, sites: &Sites) -> ChildSpec {
        let child = self.apply_in_place(child);
        match self.place {
            Some(number) => child.with_placement(sites.place(number).1),
            None => child,
        }
    }

    /// Applies the settings to a child that stays on the executor of its siblings.
    pub(crate) fn apply_in_place(self, child: ChildSpec) -> ChildSpec {
        let mut child = child.with_restart_type(self.restart);
        if self.significant {
            child = child.with_significance();
        }
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

fn draw_place(rng: &mut Rng, sites: usize) -> Option<usize> {
    (sites > 0 && one_in(rng, 4)).then(|| rng.usize(..sites))
}
