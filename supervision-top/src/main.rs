//! Shows a running supervision tree in the terminal. `README.md` says how to use it.

mod app;
mod draw;
mod endpoint;
mod failure;
mod feed;
mod line;
mod model;
mod options;
mod replay;
mod rows;
mod text;

use std::{
    env,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal,
    crossterm::{
        event::{self, Event, KeyEventKind},
        terminal,
    },
};
use supervision::Snapshot;

use crate::{
    app::{App, Link},
    endpoint::Endpoint,
    failure::Failure,
    feed::{Message, Recorder},
    options::{Options, Output, Request, Source},
    replay::Replay,
};

/// The stack of a thread that reads snapshots: that is recursive, and trees are up to 1,000 supervisors deep.
const STACK: usize = 128 << 20;

/// How long to wait for a key before the next look at what has come.
const TICK: Duration = Duration::from_millis(50);

/// How long lines are taken in before the next frame is drawn.
const INTAKE: Duration = Duration::from_millis(100);

/// How long the next line may take if it is to be in the same frame.
const NEXT: Duration = Duration::from_millis(1);

/// How many messages of the connection wait for the viewer: few, because each may be a large snapshot. While there is no room, the
/// stream is not read, and the observer skips.
const QUEUE: usize = 16;

/// The width of a picture that does not go to a terminal.
const COLUMNS: usize = 100;

fn main() -> ExitCode {
    // Only what is used of the stack takes memory.
    let outcome = thread::Builder::new().stack_size(STACK).spawn(run).map(thread::JoinHandle::join);
    match outcome {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err(failure))) => {
            eprintln!("supervision-top: {failure}");
            if let Failure::Usage(_) = failure {
                eprintln!("supervision-top: `--help` lists the options");
            }
            ExitCode::from(failure.exit_code())
        }
        // The panic has been printed.
        Ok(Err(_)) => ExitCode::from(101),
        Err(error) => {
            eprintln!("supervision-top: cannot start a thread: {error}");
            ExitCode::from(5)
        }
    }
}

fn run() -> Result<(), Failure> {
    let Options { source, output } = match options::read(env::args_os(), env::var("SUPERVISION_TOKEN").ok())? {
        Request::Run(options) => options,
        Request::Help => return print(options::USAGE),
        Request::Version => return print(concat!("supervision-top ", env!("CARGO_PKG_VERSION"), "\n")),
    };
    match (source, output) {
        (Source::Live { endpoint, record }, Output::Viewer) => {
            let has_terminal = has_terminal();
            if !has_terminal && record.is_none() {
                return Err(no_terminal());
            }
            let recorder = record.as_deref().map(Recorder::create).transpose()?;
            let link = Link::Connecting(endpoint.address());
            let messages = follow(endpoint, recorder)?;
            match has_terminal {
                true => view(link, Some(&messages)),
                false => record_only(&messages),
            }
        }
        (Source::Live { endpoint, .. }, output) => {
            let (json, tree) = feed::tree(&endpoint)?;
            print_tree(&json, &tree, output)
        }
        (Source::Replay(file), Output::Viewer) => {
            let replay = Replay::open(&file)?;
            if !has_terminal() {
                return Err(no_terminal());
            }
            view(Link::Replay(replay), None)
        }
        (Source::Replay(file), output) => {
            let replay = Replay::open(&file)?;
            let not_understood = |why| Failure::NotUnderstood { what: file.display().to_string(), why };
            let tree = line::read(replay.last_snapshot()?).map_err(not_understood)?.snapshot;
            let tree = tree.ok_or_else(|| not_understood("the snapshot is empty".into()))?;
            let json = serde_json::to_string(&tree).map_err(|error| not_understood(error.to_string()))?;
            print_tree(&json, &tree, output)
        }
    }
}

fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

fn no_terminal() -> Failure {
    Failure::Usage("there is no terminal; use `--once`, `--json` or `--record FILE`".into())
}

/// Starts the thread that follows the stream.
fn follow(endpoint: Endpoint, recorder: Option<Recorder>) -> Result<Receiver<Message>, Failure> {
    let (sender, messages) = sync_channel(QUEUE);
    let follow = move || feed::follow(&endpoint, recorder, &sender);
    match thread::Builder::new().stack_size(STACK).spawn(follow) {
        Ok(_) => Ok(messages),
        Err(error) => Err(Failure::File { what: "a thread".into(), error }),
    }
}

fn print_tree(json: &str, tree: &Snapshot, output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        return print(&format!("{}\n", text::clean_json(json)));
    }
    let columns = match io::stdout().is_terminal() {
        true => terminal::size().map_or(COLUMNS, |(columns, _)| usize::from(columns)),
        false => COLUMNS,
    };
    let picture = format!("{tree:.columns$}");
    print(&picture.lines().map(|line| format!("{}\n", text::clean(line))).collect::<String>())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::File { what: "the output".into(), error }),
        Ok(()) => Ok(()),
    }
}

/// Waits while the other thread records, until the connection ends.
fn record_only(messages: &Receiver<Message>) -> Result<(), Failure> {
    let mut has_recorded = false;
    for message in messages {
        match message {
            Message::Connected { .. } => {}
            Message::Line(_) => has_recorded = true,
            Message::Waiting(failure, _) if has_recorded => {
                eprintln!("supervision-top: the recording ends: {failure}");
                return Ok(());
            }
            Message::Waiting(failure, _) | Message::Failed(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Shows the viewer until a key ends it.
fn view(link: Link, messages: Option<&Receiver<Message>>) -> Result<(), Failure> {
    let has_colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, is_over.clone()).map_err(Failure::terminal)?;
    }
    let mut terminal = ratatui::try_init().map_err(Failure::terminal)?;
    let outcome = show(&mut terminal, App::new(link, has_colour), messages, &is_over);
    // In any case, and before a failure is printed.
    ratatui::restore();
    outcome
}

fn show(
    terminal: &mut DefaultTerminal,
    mut app: App,
    messages: Option<&Receiver<Message>>,
    is_over: &AtomicBool,
) -> Result<(), Failure> {
    if let Link::Replay(replay) = &mut app.link {
        replay.step(&mut app.model);
    }
    let (mut has_changed, mut last) = (true, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        while let Some(Ok(message)) = messages.map(|messages| messages.recv_timeout(NEXT)) {
            app.receive(message)?;
            has_changed = true;
            if begun.elapsed() > INTAKE {
                break;
            }
        }
        has_changed |= app.pass(last.elapsed());
        last = Instant::now();
        if has_changed {
            terminal.draw(|frame| draw::draw(frame, &mut app)).map_err(Failure::terminal)?;
            has_changed = false;
        }
        let mut wait = TICK;
        while event::poll(wait).map_err(Failure::terminal)? {
            match event::read().map_err(Failure::terminal)? {
                Event::Key(key) if key.kind == KeyEventKind::Press && !app.press(key) => return Ok(()),
                _ => has_changed = true,
            }
            // What has been typed meanwhile goes into the same frame.
            wait = Duration::ZERO;
        }
    }
    Ok(())
}
