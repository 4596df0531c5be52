use std::{cell::Cell, collections::BTreeSet, rc::Rc, time::Duration};

use reference_model::{AutoShutdown, Kind, Restart, Settings, Shutdown as ModelShutdown, Spec, Strategy};

use super::super::scenario::{Node, Shutdown, Start};

/// A node of the scenario, with its place. It outlives the processes that are started from it.
pub(super) struct Part {
    pub(super) node: Node,
    pub(super) path: String,
    pub(super) children: Vec<Rc<Part>>,
    attempts: Cell<usize>,
    /// A caller of a supervisor knows its handle from when it was added.
    is_known: Cell<bool>,
}

impl Part {
    pub(super) fn new(node: &Node, above: Option<&str>) -> Rc<Self> {
        let id = node.id.as_deref().expect("an id");
        let path = above.map_or_else(|| id.to_owned(), |above| format!("{above}/{id}"));
        let children = node.children.iter().map(|child| Self::new(child, Some(&path))).collect();
        Rc::new(Self { node: node.clone(), path, children, attempts: Cell::new(0), is_known: Cell::new(false) })
    }

    pub(super) fn id(&self) -> &str {
        self.node.id.as_deref().expect("an id")
    }

    pub(super) fn is_supervisor(&self) -> bool {
        self.node.r#type == "supervisor"
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.node.template.is_some()
    }

    pub(super) fn is_known(&self) -> bool {
        self.is_known.get()
    }

    pub(super) fn become_known(&self) {
        self.is_known.set(true);
        self.children.iter().for_each(|child| child.become_known());
    }

    /// Returns the result of the next start. The counter is that of the specification.
    pub(super) fn next_start(&self) -> Start {
        let attempt = self.attempts.replace(self.attempts.get() + 1);
        let last = self.node.start.len().saturating_sub(1);
        self.node.start.get(attempt.min(last)).cloned().unwrap_or(Start::Ok)
    }

    /// Returns, R6, R48 and D7, whether it can be a child of such a supervisor.
    pub(super) fn is_valid_below(&self, above: Option<&Self>) -> bool {
        let ends = above.is_some_and(|above| above.settings().auto_shutdown != AutoShutdown::Never);
        let may_be_significant = ends && self.node.restart != "permanent";
        let mut ids = BTreeSet::new();
        (may_be_significant || !self.node.significant)
            && !(self.is_dynamic() && self.settings().auto_shutdown != AutoShutdown::Never)
            && self.children.iter().all(|child| ids.insert(child.id()) && child.is_valid_below(Some(self)))
    }

    pub(super) fn settings(&self) -> Settings {
        let node = &self.node;
        Settings {
            strategy: match node.strategy.as_deref() {
                Some("one_for_all") => Strategy::OneForAll,
                Some("rest_for_one") => Strategy::RestForOne,
                _ => Strategy::OneForOne,
            },
            intensity: node.intensity.unwrap_or(1),
            period: Duration::from_millis(node.period_ms.unwrap_or(5000)),
            auto_shutdown: match node.auto_shutdown.as_deref() {
                Some("any_significant") => AutoShutdown::Any,
                Some("all_significant") => AutoShutdown::All,
                _ => AutoShutdown::Never,
            },
            is_concurrent: self.is_dynamic(),
            is_dynamic: self.is_dynamic(),
            has_unique_names: true,
            ..Settings::default()
        }
    }

    pub(super) fn spec(&self) -> Spec {
        let node = &self.node;
        Spec {
            name: self.id().to_owned(),
            kind: if self.is_supervisor() { Kind::Supervisor } else { Kind::Worker },
            restart: match node.restart.as_str() {
                "transient" => Restart::Transient,
                "temporary" => Restart::Temporary,
                _ => Restart::Permanent,
            },
            runs_once: false,
            is_significant: node.significant,
            shutdown: match node.shutdown {
                _ if self.is_supervisor() => ModelShutdown::Unlimited,
                Some(Shutdown::Brutal) => ModelShutdown::Brutal,
                Some(Shutdown::Infinity) => ModelShutdown::Unlimited,
                Some(Shutdown::GracefulMs(ms)) => ModelShutdown::Graceful(Duration::from_millis(ms)),
                None => ModelShutdown::Graceful(Duration::from_secs(5)),
            },
            is_ready_at_once: false,
            start_timeout: None,
            backoff: None,
            watchdog: None,
        }
    }
}
