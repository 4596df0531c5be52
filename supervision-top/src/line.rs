//! The lines of a stream and of a recording. `docs/guide/observer.md` has their format.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use supervision::{Accounting, Snapshot};

/// How deep the JSON of a line may be. A tree has up to 1,000 supervisors, one below the other, and each has two levels. What is
/// much deeper would overflow the stack.
pub(crate) const DEEPEST: usize = 2_500;

/// The version of the format that is understood.
const FORMAT: u64 = 1;

/// A line. One of an unknown kind, which a later version may write, has nothing.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Line {
    hello: Option<Hello>,
    pub(crate) snapshot: Option<Snapshot>,
    #[serde(default)]
    pub(crate) summaries: Vec<Summary>,
    pub(crate) event: Option<Event>,
    /// What the event says.
    text: Option<String>,
    pub(crate) lost: Option<u64>,
    pub(crate) at: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Hello {
    format: u64,
}

/// The numbers of a supervisor of which the snapshot lists only some children.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) path: String,
    pub(crate) child_id: Option<u64>,
    pub(crate) children: u64,
    #[serde(default)]
    pub(crate) starting: u64,
    #[serde(default)]
    pub(crate) running: u64,
    #[serde(default)]
    pub(crate) restarting: u64,
    #[serde(default)]
    pub(crate) stopping: u64,
    #[serde(default)]
    pub(crate) stopped: u64,
    #[serde(default)]
    pub(crate) stuck: u64,
    /// What the polls of all children have taken, with everything below them.
    pub(crate) accounting: Option<Accounting>,
}

/// An event. Its kind may be one that is not known here.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) path: String,
    pub(crate) child_id: Option<u64>,
    pub(crate) at: u64,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) data: Value,
    /// What it says, with its path.
    #[serde(skip)]
    pub(crate) text: String,
}

/// Reads a line.
pub(crate) fn read(text: &str) -> Result<Line, String> {
    let mut line: Line = parse(text)?;
    if let Some(Hello { format }) = line.hello {
        if format != FORMAT {
            return Err(format!("it has format {format}, and this program knows format {FORMAT}; use a newer one"));
        }
    }
    if let Some(event) = &mut line.event {
        event.text = line.text.take().unwrap_or_else(|| format!("{} {}", event.path, event.kind));
    }
    Ok(line)
}

/// Reads JSON, however deep a tree is.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if depth(text) > DEEPEST {
        return Err("it is too deep".into());
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.disable_recursion_limit();
    let value = T::deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What a line is, without its data.
#[derive(Debug, Deserialize)]
pub(crate) struct Outline {
    pub(crate) hello: Option<IgnoredAny>,
    pub(crate) snapshot: Option<IgnoredAny>,
    event: Option<EventOutline>,
    at: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct EventOutline {
    at: u64,
}

impl Outline {
    /// Returns the moment of the line.
    pub(crate) fn at(&self) -> Option<u64> {
        self.event.as_ref().map(|event| event.at).or(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_unknown_kinds_and_unknown_fields_are_ignored() {
        let line = read(r#"{"weather":{"rain":true}}"#).expect("it is JSON");
        assert!(line.event.is_none() && line.snapshot.is_none() && line.lost.is_none());
        let line = read(r#"{"event":{"path":"a","child_id":1,"at":5,"kind":"new_kind","more":1},"text":"a is new"}"#);
        assert_eq!(line.expect("an event").event.map(|event| event.text).as_deref(), Some("a is new"));
    }

    #[test]
    fn a_later_format_is_refused_in_words() {
        let error = read(r#"{"hello":{"format":2}}"#).expect_err("it is a later one");
        assert!(error.contains("format 2"), "{error}");
    }

    #[test]
    fn json_that_is_too_deep_is_refused() {
        let deep = |levels: usize| format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&deep(200)).is_ok());
        assert!(read(&deep(1_000_000)).is_err());
        assert_eq!(depth(r#"{"a":"[[[\"[["}"#), 1);
    }
}
