//! Our events, in the words of the traces.

use serde_json::Value;
use supervisor_core::{
    Event, EventKind, Exit, StartFailure, StopReason,
    testing::{Entry, Probe},
};

use super::stage::Stage;

/// Takes what happened since the last call: the events, and why supervisors stopped.
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
        // No supervisor above reports the root's end. One whose start failed was never there.
        EventKind::Ended(StopReason::FailedToStart { .. }) => None,
        EventKind::Ended(_) if !event.path.contains('.') => Some(format!("stopped {path} shutdown")),
        _ => None,
    }
}

fn cause(event: &Event) -> Option<String> {
    let path = event.path.replace('.', "/");
    match &event.kind {
        EventKind::Ended(StopReason::GaveUp(_)) => Some(format!("{path} intensity")),
        EventKind::Ended(StopReason::AutoShutdown { .. }) => Some(format!("{path} auto_shutdown")),
        _ => None,
    }
}

/// Checks whether the events are those of the trace. Marked strands of them may come in any order.
pub(crate) fn matches(expected: &[Value], events: &[Value]) -> bool {
    let mut rest = events;
    for entry in expected {
        let count = count(entry);
        let Some((these, others)) = rest.split_at_checked(count) else { return false };
        let is_there = match entry {
            Value::String(_) => these[0] == *entry,
            _ => strands(entry).iter().all(|strand| {
                // The process of a strand ends last, and all below it before.
                let top = lines(strand).into_iter().map(path).min_by_key(|path| path.len()).unwrap_or_default();
                let is_below = |line: &&Value| {
                    let rest = line.as_str().and_then(|line| path(line).strip_prefix(top));
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                let own: Vec<_> = these.iter().filter(is_below).cloned().collect();
                matches(strand, &own)
            }),
        };
        if !is_there {
            return false;
        }
        rest = others;
    }
    rest.is_empty()
}

fn strands(entry: &Value) -> Vec<&[Value]> {
    let strands = entry["unordered"].as_array().map_or(&[][..], Vec::as_slice);
    strands.iter().map(|strand| strand.as_array().map_or(&[][..], Vec::as_slice)).collect()
}

/// Returns all events of a strand, in any order.
fn lines(strand: &[Value]) -> Vec<&str> {
    strand
        .iter()
        .flat_map(|entry| match entry {
            Value::String(line) => vec![line.as_str()],
            _ => strands(entry).into_iter().flat_map(lines).collect(),
        })
        .collect()
}

fn count(entry: &Value) -> usize {
    lines(std::slice::from_ref(entry)).len()
}

fn path(line: &str) -> &str {
    line.split(' ').nth(1).unwrap_or_default()
}
