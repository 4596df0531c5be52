use std::time::Duration;

use reference_model::{Exit, Shutdown, Spec};

use super::{
    super::scenario::{How, OnShutdown, Start},
    supervisor::Live,
};

pub(super) enum Process {
    Worker(Worker),
    Supervisor(Box<Live>),
}

pub(super) struct Worker {
    phase: Phase,
    is_aborted: bool,
}

/// The event under way.
enum Phase {
    Starting(Start),
    /// A start that is held up.
    AtGate(Start),
    Running,
    /// It ends then, or only when it is aborted.
    StopReason {
        how: Option<Ends>,
        at: Duration,
    },
}

/// The end of a worker, in the words of the traces.
#[derive(Clone, Copy)]
struct Ends(&'static str);

/// The report of a supervisor to the one above it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Report {
    Ready,
    Ended,
}

/// The meaning of a worker's event for its supervisor.
pub(super) enum Outcome {
    /// Nothing: it is held up.
    Gated,
    Ready,
    Exited(Exit),
}

impl Worker {
    pub(super) fn new(start: Start) -> Self {
        Self { phase: Phase::Starting(start), is_aborted: false }
    }

    /// Returns what happens to it next.
    pub(super) fn event(&self, path: &str) -> Option<String> {
        let event = match &self.phase {
            _ if self.is_aborted => format!("stopped {path} killed"),
            Phase::Starting(Start::Ok) => format!("started {path}"),
            Phase::Starting(Start::Error) => format!("start_failed {path} error"),
            Phase::Starting(Start::Panic) => format!("start_failed {path} panic"),
            Phase::Starting(Start::Ignore) => format!("ignored {path}"),
            Phase::Starting(Start::Gated(_)) => format!("gated {path}"),
            Phase::StopReason { how: Some(Ends(how)), .. } => format!("stopped {path} {how}"),
            Phase::AtGate(_) | Phase::Running | Phase::StopReason { how: None, .. } => return None,
        };
        Some(event)
    }

    /// Makes that happen, and sets `now` to its time.
    pub(super) fn happen(&mut self, now: &mut Duration) -> Outcome {
        if self.is_aborted {
            return Outcome::Exited(Exit::Aborted);
        }
        match &self.phase {
            Phase::Starting(Start::Gated(behind)) => {
                self.phase = Phase::AtGate((**behind).clone());
                Outcome::Gated
            }
            Phase::Starting(Start::Ok) => {
                self.phase = Phase::Running;
                Outcome::Ready
            }
            Phase::Starting(Start::Ignore) => Outcome::Exited(Exit::Ignored),
            Phase::Starting(Start::Error | Start::Panic) => Outcome::Exited(Exit::Failed),
            Phase::StopReason { how: Some(Ends(how)), at } => {
                *now = (*now).max(*at);
                Outcome::Exited(if matches!(*how, "error" | "panic") { Exit::Failed } else { Exit::Normal })
            }
            Phase::AtGate(_) | Phase::Running | Phase::StopReason { how: None, .. } => {
                unreachable!("nothing happens to it")
            }
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::StopReason { .. })
    }

    pub(super) fn release(&mut self) {
        if let Phase::AtGate(behind) = &self.phase {
            self.phase = Phase::Starting(behind.clone());
        }
    }

    /// Ends it by itself.
    pub(super) fn end(&mut self, how: How, now: Duration) {
        let how = match how {
            How::Normal => "normal",
            How::Error => "error",
            How::Panic => "panic",
            How::Shutdown => "shutdown",
            How::Kill => unreachable!("a kill is a call"),
        };
        self.phase = Phase::StopReason { how: Some(Ends(how)), at: now };
    }

    /// Asks it to stop.
    pub(super) fn ask(&mut self, on_shutdown: OnShutdown, spec: &Spec, now: Duration) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let (how, takes) = match on_shutdown {
            OnShutdown::Exit => ("shutdown", Duration::ZERO),
            OnShutdown::Normal => ("normal", Duration::ZERO),
            OnShutdown::Error => ("error", Duration::ZERO),
            OnShutdown::Panic => ("panic", Duration::ZERO),
            OnShutdown::AfterMs(ms) => ("shutdown", Duration::from_millis(ms)),
            OnShutdown::Ignore => ("", Duration::MAX),
        };
        let is_in_time = match spec.shutdown {
            Shutdown::Graceful(limit) => takes < limit,
            Shutdown::Brutal | Shutdown::Unlimited => takes < Duration::MAX,
        };
        self.phase = Phase::StopReason { how: is_in_time.then_some(Ends(how)), at: now.saturating_add(takes) };
    }

    pub(super) fn abort(&mut self) {
        self.is_aborted = true;
    }
}
