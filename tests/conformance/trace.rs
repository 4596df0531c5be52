//! Our events, in the words of the traces.

use supervisor_core::{
    Ending, Event, EventKind, Exit, StartFailure,
    testing::{Entry, Probe},
};

use super::stage::Stage;

/// What happened since the last call: the events, and why supervisors stopped.
pub(crate) fn take(probe: &Probe, stage: &Stage) -> (Vec<String>, Vec<String>) {
    let (mut events, mut causes) = (Vec::new(), Vec::new());
    for entry in probe.take() {
        match entry {
            Entry::Note(note) => events.push(note),
            Entry::Event(event) => {
                events.extend(line(&event, stage));
                causes.extend(cause(&event));
            }
        }
    }
    (events, causes)
}

fn line(event: &Event, stage: &Stage) -> Option<String> {
    let path = event.path.replace('.', "/");
    match &event.kind {
        EventKind::Ready => Some(format!("started {path}")),
        EventKind::Ignored => Some(format!("ignored {path}")),
        EventKind::StartFailed(StartFailure::Panicked(_)) => Some(format!("start_failed {path} panic")),
        EventKind::StartFailed(_) => Some(format!("start_failed {path} error")),
        EventKind::Exited(exit) => {
            let reason = match exit {
                Exit::Normal if stage.ended_orderly(event.process) => "shutdown",
                Exit::Normal => "normal",
                Exit::Failed(_) => "error",
                Exit::Panicked(_) => "panic",
                Exit::Aborted => "killed",
                Exit::Shutdown(_) => "shutdown",
                _ => "lost",
            };
            Some(format!("stopped {path} {reason}"))
        }
        // Nobody above it tells of the root's end. One whose start failed was never there.
        EventKind::Ended(Ending::FailedToStart { .. }) => None,
        EventKind::Ended(_) if !event.path.contains('.') => Some(format!("stopped {path} shutdown")),
        _ => None,
    }
}

fn cause(event: &Event) -> Option<String> {
    let path = event.path.replace('.', "/");
    match &event.kind {
        EventKind::Ended(Ending::GaveUp(_)) => Some(format!("{path} intensity")),
        EventKind::Ended(Ending::AutoShutdown { .. }) => Some(format!("{path} auto_shutdown")),
        _ => None,
    }
}
