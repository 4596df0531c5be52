//! The connection to an observer: it reads the stream, writes it down if asked to, and connects again.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::mpsc::SyncSender,
    thread,
    time::Duration,
};

use supervision::Snapshot;

use crate::{
    endpoint::Endpoint,
    failure::Failure,
    line::{self, Line},
};

/// How long to wait before the first new attempt. Each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// How often probes without an observer are asked for the tree.
const PERIOD: Duration = Duration::from_secs(1);

/// What the connection tells the viewer.
#[derive(Debug)]
pub(crate) enum Message {
    /// The stream has begun. Of probes without an observer there are snapshots only.
    Connected {
        has_events: bool,
    },
    Line(Box<Line>),
    /// There is no connection, and why. The next attempt comes after this time.
    Waiting(Failure, Duration),
    /// No further attempt will help.
    Failed(Failure),
}

/// A file that is written line by line.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: File,
    name: String,
    has_hello: bool,
}

impl Recorder {
    /// Creates the file. One that exists stays as it is, because it may be a recording.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        match File::create_new(path) {
            Ok(file) => Ok(Self { file, name, has_hello: false }),
            Err(error) => Err(Failure::File { what: name, error }),
        }
    }

    fn write(&mut self, line: &str) -> Result<(), Failure> {
        let is_hello = line.starts_with("{\"hello\"");
        // Each connection begins with one, and a recording has one.
        if is_hello && std::mem::replace(&mut self.has_hello, true) {
            return Ok(());
        }
        // At once: the program may be killed.
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| Failure::File { what: self.name.clone(), error })
    }
}

/// Follows the stream until that makes no more sense, or the other side of the channel has gone.
pub(crate) fn follow(endpoint: &Endpoint, mut recorder: Option<Recorder>, messages: &SyncSender<Message>) {
    let mut wait = FIRST_WAIT;
    loop {
        let mut has_begun = false;
        let mut tell = |message| {
            has_begun |= matches!(message, Message::Line(_));
            messages.send(message).is_ok()
        };
        let ended = connect(endpoint, &mut recorder, &mut tell);
        if has_begun {
            wait = FIRST_WAIT;
        }
        let (message, is_over) = match ended {
            // The other side has gone.
            None => return,
            Some(failure) if failure.may_pass() => (Message::Waiting(failure, wait), false),
            Some(failure) => (Message::Failed(failure), true),
        };
        if messages.send(message).is_err() || is_over {
            return;
        }
        thread::sleep(wait);
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Reads the stream to its end. Returns why it has ended, and `None` if `tell` wants no more.
fn connect(
    endpoint: &Endpoint,
    recorder: &mut Option<Recorder>,
    tell: &mut dyn FnMut(Message) -> bool,
) -> Option<Failure> {
    let mut answer = match endpoint.events() {
        Ok(answer) => answer,
        // There may be probes without an observer.
        Err(failure @ Failure::NotUnderstood { .. }) => return poll(endpoint, recorder, tell, failure),
        Err(failure) => return Some(failure),
    };
    if !tell(Message::Connected { has_events: true }) {
        return None;
    }
    loop {
        let text = match answer.next_event() {
            Ok(Some(text)) => text,
            Ok(None) => return Some(endpoint.no_answer(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => return Some(endpoint.no_answer(error)),
        };
        match line::read(&text) {
            Ok(line) => {
                if let Err(failure) = recorder.as_mut().map_or(Ok(()), |recorder| recorder.write(&text)) {
                    return Some(failure);
                }
                if !tell(Message::Line(Box::new(line))) {
                    return None;
                }
            }
            Err(why) => return Some(endpoint.not_understood(why)),
        }
    }
}

/// Asks for the tree again and again.
fn poll(
    endpoint: &Endpoint,
    recorder: &mut Option<Recorder>,
    tell: &mut dyn FnMut(Message) -> bool,
    no_events: Failure,
) -> Option<Failure> {
    let mut is_first = true;
    loop {
        let tree = match tree(endpoint) {
            Ok((json, tree)) => (json, tree.captured_at),
            // What it says to the first request explains more.
            Err(Failure::NotUnderstood { .. }) if is_first => {
                return Some(match no_events {
                    Failure::NotUnderstood { what, why } => {
                        Failure::NotUnderstood { what, why: format!("it is neither an observer nor probes ({why})") }
                    }
                    other => other,
                });
            }
            Err(failure) => return Some(failure),
        };
        // As an observer would send it.
        let at = tree.1.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let text = format!("{{\"snapshot\":{},\"summaries\":[],\"at\":{at}}}", tree.0);
        let line = match line::read(&text) {
            Ok(line) => line,
            Err(why) => return Some(endpoint.not_understood(why)),
        };
        if let Some(recorder) = recorder {
            let hello =
                format!(r#"{{"hello":{{"format":1,"version":"{}","control":false}}}}"#, env!("CARGO_PKG_VERSION"));
            if let Err(failure) = recorder.write(&hello).and_then(|()| recorder.write(&text)) {
                return Some(failure);
            }
        }
        if is_first && !tell(Message::Connected { has_events: false }) || !tell(Message::Line(Box::new(line))) {
            return None;
        }
        is_first = false;
        thread::sleep(PERIOD);
    }
}

/// Asks for the tree. Returns it as it came, and as it was understood.
pub(crate) fn tree(endpoint: &Endpoint) -> Result<(String, Snapshot), Failure> {
    let json = endpoint.read("/tree")?;
    match line::parse(&json) {
        Ok(tree) => Ok((json, tree)),
        Err(why) => Err(endpoint.not_understood(format!("/tree is no snapshot: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
        sync::mpsc::{Receiver, sync_channel},
    };

    use super::*;
    use crate::{model::tests::process, replay::tests::recording};

    /// Answers requests, one after the other, by their path.
    fn server(answer: impl Fn(usize, &str) -> String + Send + 'static) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut reader = BufReader::new(stream.expect("a client"));
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    reader.read_line(&mut request).expect("a request");
                }
                let path = request.split(' ').nth(1).unwrap_or_default();
                reader.get_mut().write_all(answer(number, path).as_bytes()).expect("a client that reads");
            }
        });
        Endpoint::new(&url, None).expect("a URL")
    }

    fn stream() -> String {
        let lines: Vec<_> = recording().lines().take(5).map(|line| format!("data: {line}\n\n")).collect();
        format!("HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{}", lines.concat())
    }

    fn following(endpoint: Endpoint, recorder: Option<Recorder>) -> Receiver<Message> {
        let (sender, messages) = sync_channel(0);
        thread::spawn(move || follow(&endpoint, recorder, &sender));
        messages
    }

    #[test]
    fn it_connects_again_and_records_one_hello() {
        let file = std::env::temp_dir().join(format!("supervision-top-{}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let recorder = Recorder::create(&file).expect("a file");
        assert!(Recorder::create(&file).is_err(), "a recording is not overwritten");
        let messages = following(server(|_, _| stream()), Some(recorder));
        for _ in 0..2 {
            assert!(matches!(messages.recv(), Ok(Message::Connected { has_events: true })));
            for _ in 0..5 {
                assert!(matches!(messages.recv(), Ok(Message::Line(_))));
            }
            let Ok(Message::Waiting(failure, _)) = messages.recv() else { panic!("it waits") };
            assert!(failure.to_string().contains("the connection was closed"), "{failure}");
        }
        let recorded = std::fs::read_to_string(&file).expect("a recording");
        std::fs::remove_file(&file).expect("it is there");
        assert_eq!(recorded.lines().filter(|line| line.contains("hello")).count(), 1);
        assert_eq!(recorded.lines().count(), 9);
    }

    #[test]
    fn probes_without_an_observer_are_asked_for_the_tree() {
        let tree = process("shop", 1, "running", &[]).to_string();
        let endpoint = server(move |_, path| match path {
            "/tree" => format!("HTTP/1.0 200 OK\r\n\r\n{tree}"),
            _ => "HTTP/1.0 404 Not Found\r\n\r\nno such page\n".into(),
        });
        let messages = following(endpoint, None);
        assert!(matches!(messages.recv(), Ok(Message::Connected { has_events: false })));
        let Ok(Message::Line(line)) = messages.recv() else { panic!("a snapshot") };
        assert_eq!(line.snapshot.map(|tree| tree.path).as_deref(), Some("shop"));
    }

    #[test]
    fn what_cannot_pass_ends_it() {
        let refusals = [
            ("HTTP/1.0 403 x\r\n\r\nno\n", 3),
            ("HTTP/1.0 404 x\r\n\r\n", 4),
            ("HTTP/1.0 200 x\r\n\r\n<html>a page for each request</html>", 4),
            ("HTTP/1.0 200 x\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"hello\":{\"format\":2}}\n\n", 4),
            ("HTTP/1.0 200 x\r\ncontent-type: text/event-stream\r\n\r\ndata: no json\n\n", 4),
        ];
        for (answer, code) in refusals {
            let messages = following(server(move |_, _| answer.into()), None);
            let failed = messages.iter().find(|message| !matches!(message, Message::Connected { .. }));
            let Some(Message::Failed(failure)) = failed else { panic!("{answer}: {failed:?}") };
            assert_eq!(failure.exit_code(), code, "{failure}");
            assert!(messages.recv().is_err(), "it ends");
        }
    }
}
