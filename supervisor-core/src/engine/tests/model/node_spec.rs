use std::rc::Rc;

use super::{case::*, *};

/// A child as an engine sees it.
#[derive(Clone, Debug)]
pub(super) struct NodeSpec {
    pub(super) node: Rc<Node>,
    name: String,
    settings: ChildSettings,
}

impl NodeSpec {
    pub(super) fn new(node: &Rc<Node>) -> Self {
        let limit = node.limit();
        let limit = if limit == u64::MAX { Duration::MAX } else { Duration::from_micros(limit) };
        let shutdown = if node.spec.is_brutal { ShutdownStrategy::Brutal } else { ShutdownStrategy::Graceful(limit) };
        let mut settings = match node.worker() {
            Some(worker) => {
                let mut settings = ChildSettings::worker(shutdown);
                settings.ready_at_once = !worker.has_set_up;
                settings
            }
            None => {
                let mut settings = ChildSettings::supervisor();
                settings.set_shutdown(shutdown);
                settings
            }
        };
        settings.restart = Some(node.spec.restart);
        settings.significant = node.spec.significant;
        if let Some(limit) = node.worker().and_then(|worker| worker.start_timeout) {
            settings.rare_mut().start_timeout = Some(Duration::from_secs(limit));
        }
        Self { node: node.clone(), name: node.name(), settings }
    }
}

impl Spec for NodeSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn settings(&self) -> &ChildSettings {
        &self.settings
    }
}

pub(super) fn settings_of(node: &Node, supervisor: &Supervisor) -> SupervisorSettings {
    let strategy = RestartStrategy::new(supervisor.mode);
    SupervisorSettings {
        strategy: strategy.with_intensity_and_period(supervisor.intensity, Duration::from_secs(supervisor.period)),
        auto_shutdown: supervisor.auto_shutdown,
        shutdown_order: supervisor.order,
        unique_names: supervisor.has_unique_names,
        dynamic: supervisor.is_dynamic,
        max_children: supervisor.max_children,
        shutdown_budget: supervisor.budget.map(|_| Duration::from_micros(node.budget())),
        ..SupervisorSettings::default()
    }
}
