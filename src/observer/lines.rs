//! The lines of the stream and of recordings: one object of JSON each. `docs/guide/observer.md` has the format.
//!
//! JSON escapes line breaks. So no name and no text of an error can begin another line.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use supervisor_core::{Event, Snapshot};

use super::overview::Summary;

/// The longest line of an event. One with longer data is sent without them: its text says what happened.
const LONGEST_EVENT: usize = 16 << 10;

pub(super) fn hello(may_control: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    json!({"hello": {"format": 1, "version": version, "control": may_control}}).to_string()
}

pub(super) fn lost(number: u64) -> String {
    json!({"lost": number, "at": milliseconds(SystemTime::now())}).to_string()
}

/// Returns a snapshot as one line. `None` if it cannot be serialized.
pub(super) fn snapshot(snapshot: &Snapshot, summaries: &[Summary]) -> Option<String> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        snapshot: &'a Snapshot,
        summaries: &'a [Summary],
        at: u64,
    }
    serde_json::to_string(&Line { snapshot, summaries, at: milliseconds(snapshot.captured_at) }).ok()
}

/// Returns an event as one line, with its text for a reader.
pub(super) fn event(event: &Event) -> String {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        event: &'a Event,
        text: String,
    }
    match serde_json::to_string(&Line { event, text: event.to_string() }) {
        Ok(line) if line.len() <= LONGEST_EVENT => line,
        _ => without_data(event).to_string(),
    }
}

fn without_data(event: &Event) -> Value {
    let Event { path, id, process, at, kind, .. } = event;
    let event_only = json!({
        "path": path,
        "child_id": id,
        "process_id": process,
        "at": milliseconds(*at),
        "took_seconds": null,
        "kind": kind.name(),
    });
    json!({"event": event_only, "text": event.to_string(), "cut": true})
}

fn milliseconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
