//! A client that checks what the server promises: a `SET` that was acknowledged is never lost.
//!
//! `verify write` sets numbered keys over many connections until it gets SIGTERM. It connects again when it loses a
//! connection, and keeps a journal of what was acknowledged. `verify check` reads all these keys back. It is written with
//! plain threads and blocking sockets, so it shares nothing with what it checks.

use std::{
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::exit,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};
use signal_hook::{consts::SIGTERM, flag};

const USAGE: &str = "\
verify write --address IP:PORT --journal FILE [--prefix WORD] [--connections N] [--rate N] [--keys N]
    sets keys at this rate per second until SIGTERM, then writes the journal; each connection has so many keys, and begins
    again with the first one
verify check --address IP:PORT --journal FILE
    checks that the keys of the journal are there";

/// So many commands are sent before their replies are read.
const PIPELINE: u64 = 4;
/// A reply that takes longer is a failure: no kill of a worker may hold clients up.
const PATIENCE: Duration = Duration::from_secs(10);

struct Options {
    address: String,
    journal: String,
    prefix: String,
    connections: u64,
    rate: u64,
    keys: u64,
}

fn main() {
    match run() {
        Ok(()) => {}
        Err(error) => {
            eprintln!("verify: {error}");
            exit(1);
        }
    }
}

fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut parser = Parser::from_env();
    let mut command = String::new();
    let (address, journal, prefix) = (String::new(), String::new(), "v".into());
    let mut options = Options { address, journal, prefix, connections: 32, rate: 2000, keys: 1000 };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(value) => command = value.string()?,
            Arg::Long("address") => options.address = parser.value()?.string()?,
            Arg::Long("journal") => options.journal = parser.value()?.string()?,
            Arg::Long("prefix") => options.prefix = parser.value()?.string()?,
            Arg::Long("connections") => options.connections = parser.value()?.parse()?,
            Arg::Long("rate") => options.rate = parser.value()?.parse()?,
            Arg::Long("keys") => options.keys = parser.value()?.parse()?,
            other => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
        }
    }
    match command.as_str() {
        "write" => write(options),
        "check" => check(&options),
        _ => Err(USAGE.into()),
    }
}

/// A connection that sends commands and reads replies.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())
    }

    /// Reads a line without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn expect_ok(&mut self) -> io::Result<()> {
        let line = self.line()?;
        if line == "+OK" { Ok(()) } else { Err(io::Error::other(format!("the reply is {line:?}"))) }
    }

    /// Reads the reply to a `GET`.
    fn value(&mut self) -> io::Result<Option<String>> {
        let line = self.line()?;
        let length = line.strip_prefix('$').and_then(|length| length.parse::<i64>().ok());
        match length.ok_or_else(|| io::Error::other(format!("the reply is {line:?}")))? {
            -1 => Ok(None),
            length => {
                let mut value = vec![0; length as usize + 2];
                self.0.read_exact(&mut value)?;
                value.truncate(length as usize);
                Ok(Some(String::from_utf8_lossy(&value).into_owned()))
            }
        }
    }
}

fn value(prefix: &str, writer: u64, number: u64) -> String {
    format!("value {number} of writer {writer} in {prefix}")
}

/// What the writers meet.
#[derive(Default)]
struct Met {
    lost: AtomicU64,
    hung: AtomicU64,
    /// In microseconds.
    longest: AtomicU64,
}

/// How many numbers of a writer were acknowledged, and the last one for the key that it always overwrites.
type Acknowledged = (u64, u64);

fn write(options: Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = Arc::new(AtomicBool::new(false));
    flag::register(SIGTERM, stop.clone())?;
    let (options, met) = (Arc::new(options), Arc::new(Met::default()));
    let writers: Vec<_> = (0..options.connections)
        .map(|writer| {
            let (options, met, stop) = (options.clone(), met.clone(), stop.clone());
            thread::spawn(move || write_keys(writer, &options, &met, &stop))
        })
        .collect();
    let (mut journal, mut total) = (format!("{} {}\n", options.prefix, options.keys), 0);
    for (writer, thread) in writers.into_iter().enumerate() {
        let (numbers, last) = thread.join().map_err(|_| "a writer has panicked")?;
        total += 2 * numbers;
        journal.push_str(&format!("{writer} {numbers} {last}\n"));
    }
    fs::write(&options.journal, journal)?;
    let (lost, hung) = (met.lost.load(Relaxed), met.hung.load(Relaxed));
    let longest = met.longest.load(Relaxed) / 1000;
    println!("acknowledged={total} lost_connections={lost} hung={hung} longest_ms={longest}");
    if hung > 0 { Err(format!("{hung} replies took longer than {PATIENCE:?}").into()) } else { Ok(()) }
}

/// Writes one number after the other, each to the next of its keys and to `prefix:writer:last`.
fn write_keys(writer: u64, options: &Options, met: &Met, stop: &AtomicBool) -> Acknowledged {
    let mut acknowledged = (0, 0);
    while !stop.load(Relaxed) {
        let Ok(client) = Client::connect(&options.address) else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        if let Err(error) = write_over(client, writer, &mut acknowledged, options, met, stop) {
            let is_timeout = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            (if is_timeout { &met.hung } else { &met.lost }).fetch_add(1, Relaxed);
        }
    }
    acknowledged
}

/// Does so over one connection, as long as there is the connection.
fn write_over(
    mut client: Client,
    writer: u64,
    (numbers, last): &mut Acknowledged,
    options: &Options,
    met: &Met,
    stop: &AtomicBool,
) -> io::Result<()> {
    let Options { prefix, keys, connections, rate, .. } = options;
    // Each number is two keys.
    let pause = Duration::from_secs_f64((2 * PIPELINE * connections) as f64 / *rate as f64);
    client.send("CLIENT SETNAME victim\r\n")?;
    client.expect_ok()?;
    while !stop.load(Relaxed) {
        let begin = Instant::now();
        let mut text = String::new();
        for number in *numbers..*numbers + PIPELINE {
            let value = value(prefix, writer, number);
            for key in [format!("{prefix}:{writer}:{}", number % keys), format!("{prefix}:{writer}:last")] {
                text += &format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n", key.len(), value.len());
            }
        }
        client.send(&text)?;
        for _ in 0..PIPELINE {
            client.expect_ok()?;
            *numbers += 1;
            client.expect_ok()?;
            *last = *numbers;
        }
        let took = begin.elapsed();
        met.longest.fetch_max(took.as_micros() as u64, Relaxed);
        thread::sleep(pause.saturating_sub(took));
    }
    Ok(())
}

/// Checks each key: it has the last number that was acknowledged for it, or a later one, which was sent and written, but whose
/// reply did not come.
fn check(options: &Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    let journal = fs::read_to_string(&options.journal)?;
    let (head, lines) = journal.split_once('\n').ok_or("the journal is empty")?;
    let (prefix, keys) = head.split_once(' ').ok_or("the journal is damaged")?;
    let keys: u64 = keys.parse()?;
    let mut client = Client::connect(&options.address)?;
    let (mut checked, mut missing) = (0, 0);
    for line in lines.lines() {
        let line = line.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [writer, numbers, last] = line[..] else { return Err("the journal is damaged".into()) };
        let mut expected: Vec<_> =
            (numbers.saturating_sub(keys)..numbers).map(|n| ((n % keys).to_string(), n)).collect();
        expected.extend(last.checked_sub(1).map(|number| ("last".to_owned(), number)));
        for chunk in expected.chunks(100) {
            client
                .send(&chunk.iter().map(|(key, _)| format!("GET {prefix}:{writer}:{key}\r\n")).collect::<String>())?;
            for (key, number) in chunk {
                let found = client.value()?;
                let step = if key == "last" { 1 } else { keys };
                let later = numbers + PIPELINE;
                let mut accepted = (*number..=later).step_by(step as usize);
                checked += 1;
                if !accepted.any(|number| found.as_deref() == Some(&value(prefix, writer, number))) {
                    eprintln!("{prefix}:{writer}:{key} should have number {number}, but has {found:?}");
                    missing += 1;
                }
            }
        }
    }
    println!("checked={checked} missing={missing}");
    if missing > 0 { Err(format!("{missing} acknowledged values are missing").into()) } else { Ok(()) }
}
