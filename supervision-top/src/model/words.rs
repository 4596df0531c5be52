//! What is said of a process: its state and its trouble, since when, and what a list has no room for.

use std::time::{Duration, UNIX_EPOCH};

use supervision::{ChildKind, ChildState, Exit, Failing, RestartCause, RestartType, Snapshot, StartFailure};

use super::TROUBLE;
use crate::{
    line::Summary,
    text::{clean, clock, duration},
};

/// Says what is wrong: the message first, and the place last.
pub(super) fn alarm(process: &Snapshot, words: &str) -> String {
    match &process.last_exit {
        _ if process.stuck => match &process.abort_reason {
            Some(reason) => format!("stuck: aborted because {reason}, but has not yielded"),
            None => "stuck: aborted but has not yielded".into(),
        },
        _ if process.abandoned || process.is_unread() => words.to_owned(),
        Some(exit) if process.trouble() >= TROUBLE => match location(&exit.cause) {
            Some((failure, location)) => format!("panicked: {failure}, at {location}"),
            None => exit.cause.to_string(),
        },
        _ => words.to_owned(),
    }
}

/// Says since when it fails, how often it was restarted, and when the next attempt comes.
pub(super) fn timing(process: &Snapshot) -> String {
    let since = |ago: Duration| {
        let at = process.captured_at.checked_sub(ago).unwrap_or(UNIX_EPOCH);
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        format!("since {} ({})", clock(u64::try_from(at).unwrap_or(u64::MAX), false), duration(ago))
    };
    if process.stuck {
        return process.since.map_or_else(String::new, since);
    }
    if !matches!(process.trouble(), 3 | 4) {
        return String::new();
    }
    let mut parts = Vec::new();
    if process.state == ChildState::Restarting {
        parts.push(match &process.failing {
            Some(Failing { attempt, next_in: Some(next_in), .. }) => {
                format!("next attempt in {} (attempt {attempt})", duration(*next_in))
            }
            _ => "waiting to restart".into(),
        });
    }
    if process.state == ChildState::Stopped {
        parts.push("stopped, and not restarted".into());
    }
    if let Some(failing) = &process.failing {
        parts.push(format!("failing {}", since(failing.since)));
    }
    match process.restarts {
        0 => {}
        1 => parts.push("1 restart".into()),
        restarts => parts.push(format!("{restarts} restarts")),
    }
    parts.join(", ")
}

/// Returns the word for a state, as the format has it.
pub(super) fn state(state: ChildState) -> &'static str {
    match state {
        ChildState::Starting => "starting",
        ChildState::Running => "running",
        ChildState::Restarting => "restarting",
        ChildState::Stopping => "stopping",
        ChildState::Stopped => "stopped",
    }
}

/// Says what a list of processes has no room for.
pub(super) fn details(process: &Snapshot, children: &[Snapshot]) -> String {
    let mut parts = Vec::new();
    if let Some((_, location)) = process.last_exit.as_ref().and_then(|exit| location(&exit.cause)) {
        parts.push(format!("panicked at {location}"));
    }
    if let Some(spec) = &process.spec {
        parts.push(match spec.restart {
            RestartType::Permanent => "permanent".into(),
            RestartType::Transient => "transient".into(),
            RestartType::Temporary => "temporary".into(),
        });
    }
    if let Some(accounting) = &process.accounting {
        parts.push(format!("{} wakes", accounting.wakes));
    }
    if process.kind == ChildKind::Supervisor {
        parts.push(match children.len() {
            1 => "1 child".into(),
            children => format!("{children} children"),
        });
    }
    if let Some(info) = process.supervisor.as_ref().filter(|info| info.intensity != usize::MAX) {
        parts.push(format!("{} of {} restarts used", info.restarts_used, info.intensity));
    }
    parts.join("; ")
}

/// Returns the message of a panic, and its place.
fn location(cause: &RestartCause) -> Option<(String, String)> {
    let (RestartCause::Exit(Exit::Panicked(failure)) | RestartCause::Start(StartFailure::Panicked(failure))) = cause
    else {
        return None;
    };
    failure.location().map(|location| (format!("{failure:#}"), location.to_string()))
}

/// Returns the text of an event with the place of a panic at its end: a line may be cut there.
pub(super) fn place_last(text: String, data: &serde_json::Value) -> String {
    let location = [&data["location"], &data["cause"]["location"]].into_iter().find(|location| location.is_object());
    let Some(location) = location else { return text };
    let file = clean(location["file"].as_str().unwrap_or_default()).into_owned();
    let place = format!("{file}:{}:{}", location["line"], location["column"]);
    match text.split_once(&format!(" at {place}: ")) {
        Some((before, after)) => format!("{before}: {after}, at {place}"),
        None => text,
    }
}

pub(super) fn in_words(summary: &Summary, listed: usize) -> String {
    let numbers = [
        (summary.stuck, "stuck"),
        (summary.restarting, "waiting to restart"),
        (summary.starting, "starting"),
        (summary.stopping, "stopping"),
        (summary.stopped, "stopped"),
        (summary.running, "running"),
    ];
    let numbers: Vec<String> =
        numbers.iter().filter(|(number, _)| *number > 0).map(|(number, state)| format!("{number} {state}")).collect();
    format!("{listed} of {} children listed; of all: {}", summary.children, numbers.join(", "))
}
