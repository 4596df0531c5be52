//! A recording, and how far it is played.

use std::{fs, path::Path, time::Duration};

use crate::{
    failure::Failure,
    line::{self, Outline},
    model::Model,
};

/// Longer pauses are not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How many lines one look plays at most, however fast it is.
const AT_ONCE: usize = 500;

/// How many lines before a snapshot are read for the list of events.
const HISTORY: usize = 500;

const SPEEDS: [u32; 7] = [1, 2, 5, 10, 20, 50, 100];

/// A recording that is played.
#[derive(Debug)]
pub(crate) struct Replay {
    name: String,
    lines: Vec<Entry>,
    /// How many lines are played.
    played: usize,
    pub(crate) is_playing: bool,
    /// An index of `SPEEDS`.
    speed: usize,
    /// The time since the last line.
    waited: Duration,
    /// The lines that are not understood: the last one may be cut.
    ignored: usize,
}

#[derive(Debug)]
struct Entry {
    text: String,
    at: Option<u64>,
    is_snapshot: bool,
}

impl Replay {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| Failure::File { what: name.clone(), error })?;
        Self::new(name, &String::from_utf8_lossy(&bytes))
    }

    fn new(name: String, text: &str) -> Result<Self, Failure> {
        let (mut lines, mut ignored) = (Vec::new(), 0);
        for text in text.lines().filter(|text| !text.trim().is_empty()) {
            // Also the lines of a stream, as `curl` saves it.
            let text = text.strip_prefix("data: ").unwrap_or(text);
            let Ok(outline) = line::parse::<Outline>(text) else {
                ignored += 1;
                continue;
            };
            if outline.hello.is_some() {
                line::read(text).map_err(|why| Failure::NotUnderstood { what: name.clone(), why })?;
                continue;
            }
            // A kind that is not known, or a mistake.
            if let Some(at) = outline.at() {
                lines.push(Entry { text: text.to_owned(), at: Some(at), is_snapshot: outline.snapshot.is_some() });
            }
        }
        if lines.is_empty() {
            let why = "no line of it is a snapshot or an event".into();
            return Err(Failure::NotUnderstood { what: name, why });
        }
        Ok(Self { name, lines, played: 0, is_playing: false, speed: 0, waited: Duration::ZERO, ignored })
    }

    /// Returns the text of the last snapshot.
    pub(crate) fn last_snapshot(&self) -> Result<&str, Failure> {
        let last = self.lines.iter().rev().find(|entry| entry.is_snapshot);
        last.map(|entry| &*entry.text).ok_or_else(|| Failure::NotUnderstood {
            what: self.name.clone(),
            why: "it has no snapshot, only events; look at it without `--once` and `--json`".into(),
        })
    }

    /// Plays one line.
    pub(crate) fn step(&mut self, model: &mut Model) {
        self.waited = Duration::ZERO;
        let Some(entry) = self.lines.get(self.played) else {
            self.is_playing = false;
            return;
        };
        self.played += 1;
        match line::read(&entry.text) {
            Ok(line) => model.apply(line),
            Err(_) => self.ignored += 1,
        }
    }

    /// Goes to the moment after so many lines.
    pub(crate) fn go_to(&mut self, model: &mut Model, played: usize) {
        let played = played.min(self.lines.len());
        let snapshot = self.lines[..played].iter().rposition(|entry| entry.is_snapshot);
        *model = Model::default();
        // The snapshot has what came before it, except the events.
        let first = snapshot.map_or(0, |snapshot| snapshot.saturating_sub(HISTORY));
        for (index, entry) in self.lines[..played].iter().enumerate().skip(first) {
            if entry.is_snapshot && snapshot.is_some_and(|last| index < last) {
                continue;
            }
            if let Ok(line) = line::read(&entry.text) {
                model.apply(line);
            }
        }
        self.played = played;
        self.waited = Duration::ZERO;
    }

    pub(crate) fn back(&mut self, model: &mut Model) {
        self.go_to(model, self.played.saturating_sub(1));
    }

    pub(crate) fn go_to_end(&mut self, model: &mut Model) {
        self.go_to(model, self.lines.len());
    }

    pub(crate) fn toggle(&mut self, model: &mut Model) {
        // From its end it begins again.
        if !self.is_playing && self.played == self.lines.len() {
            self.go_to(model, 0);
        }
        self.is_playing = !self.is_playing;
        self.waited = Duration::ZERO;
    }

    pub(crate) fn faster(&mut self) {
        self.speed = (self.speed + 1).min(SPEEDS.len() - 1);
    }

    pub(crate) fn slower(&mut self) {
        self.speed = self.speed.saturating_sub(1);
    }

    /// Plays what is due after this time. Returns whether it has played something.
    pub(crate) fn pass(&mut self, model: &mut Model, time: Duration) -> bool {
        if !self.is_playing {
            return false;
        }
        let before = self.played;
        self.waited += time * SPEEDS[self.speed];
        while self.is_playing && self.played - before < AT_ONCE {
            let pause = self.pause(model.at);
            if self.waited < pause {
                break;
            }
            let left = self.waited - pause;
            self.step(model);
            self.waited = left;
        }
        self.played > before || !self.is_playing
    }

    /// Returns the time until the next line.
    fn pause(&self, now: u64) -> Duration {
        let next = self.lines.get(self.played).and_then(|entry| entry.at).unwrap_or_default();
        if self.played == 0 {
            return Duration::ZERO;
        }
        Duration::from_millis(next.saturating_sub(now)).min(LONGEST_PAUSE)
    }

    /// Says how far it is.
    pub(crate) fn status(&self) -> String {
        let state = match self.is_playing {
            true => "playing",
            false if self.played == self.lines.len() => "at the end",
            false => "paused",
        };
        let ignored = match self.ignored {
            0 => String::new(),
            1 => ", 1 line not understood".into(),
            ignored => format!(", {ignored} lines not understood"),
        };
        format!("{state}, line {} of {}, speed {}{ignored}", self.played, self.lines.len(), SPEEDS[self.speed])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::tests::process;

    /// A recording: a snapshot at 1 s, an event at 2 s, an event at 3 s, a snapshot at 4 s, and a line that is cut.
    pub(crate) fn recording() -> String {
        let snapshot = |state: &str, at: u64| json!({"snapshot": process("shop", 1, "running", &[process("shop.a", 2, state, &[])]), "summaries": [], "at": at});
        let event = |kind: &str, at: u64| {
            let event =
                json!({"path": "shop.a", "child_id": 2, "process_id": 2, "at": at, "took_seconds": null, "kind": kind});
            json!({"event": event, "text": format!("shop.a {kind}")})
        };
        let lines = [
            json!({"hello": {"format": 1, "version": "0.1.0", "control": false}}),
            snapshot("running", 1_000),
            event("stopping", 2_000),
            event("restarting", 3_000),
            snapshot("stopped", 4_000),
        ];
        lines.map(|line| line.to_string()).join("\n") + "\n{\"event\":{\"pa"
    }

    fn open() -> (Replay, Model) {
        (Replay::new("a".into(), &recording()).expect("a recording"), Model::default())
    }

    fn state(model: &Model) -> String {
        format!("{:?}", model.nodes[1].state)
    }

    #[test]
    fn steps_go_forth_and_back() {
        let (mut replay, mut model) = open();
        replay.step(&mut model);
        assert_eq!(state(&model), "Running");
        replay.step(&mut model);
        replay.step(&mut model);
        assert_eq!((&*state(&model), model.events.len()), ("Restarting", 2));
        replay.back(&mut model);
        assert_eq!((&*state(&model), model.events.len()), ("Stopping", 1));
        replay.go_to_end(&mut model);
        assert_eq!((&*state(&model), model.events.len()), ("Stopped", 2));
        replay.step(&mut model);
        assert_eq!(replay.status(), "at the end, line 4 of 4, speed 1, 1 line not understood");
        replay.go_to(&mut model, 0);
        assert!(model.nodes.is_empty());
        replay.back(&mut model);
        assert!(replay.status().starts_with("paused, line 0 of 4"));
    }

    #[test]
    fn it_plays_in_the_time_of_the_recording() {
        let (mut replay, mut model) = open();
        let half = Duration::from_millis(500);
        assert!(!replay.pass(&mut model, half), "it is paused at first");
        replay.toggle(&mut model);
        assert!(replay.pass(&mut model, Duration::ZERO));
        assert_eq!(state(&model), "Running");
        assert!(!replay.pass(&mut model, half));
        assert!(replay.pass(&mut model, half));
        assert_eq!(state(&model), "Stopping");
        replay.faster();
        assert!(replay.pass(&mut model, half));
        assert_eq!(state(&model), "Restarting");
        replay.slower();
        replay.pass(&mut model, Duration::from_secs(1));
        replay.pass(&mut model, Duration::ZERO);
        assert!(!replay.is_playing, "it stops at the end");
        replay.toggle(&mut model);
        assert!(replay.status().starts_with("playing, line 0"), "and begins again");
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        for text in ["", "hello\nworld", "{}", r#"{"hello":{"format":1}}"#, "[1]"] {
            assert_eq!(Replay::new("a".into(), text).expect_err(text).exit_code(), 4);
        }
        let newer = recording().replace("\"format\":1", "\"format\":2");
        assert!(Replay::new("a".into(), &newer).expect_err("newer").to_string().contains("format 2"));
        assert_eq!(Replay::open(Path::new("/nowhere/at/all")).expect_err("no file").exit_code(), 5);
    }

    #[test]
    fn the_last_snapshot_is_the_one_to_print() {
        let (replay, _) = open();
        assert!(replay.last_snapshot().expect("a snapshot").contains("\"stopped\""));
        let text: String = recording().lines().filter(|line| !line.contains("snapshot")).collect::<Vec<_>>().join("\n");
        assert_eq!(Replay::new("a".into(), &text).expect("events").last_snapshot().expect_err("none").exit_code(), 4);
    }
}
