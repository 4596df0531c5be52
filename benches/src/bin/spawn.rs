//! How many children one dynamic supervisor adds in a second, on Tokio with two threads, and how busy it is while a server
//! accepts as many connections as it can.
//!
//! `cargo run --release -p supervision-benches --bin spawn [-- --smoke]`: with `--smoke` a hundredth of that.

use std::{
    env,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures_lite::future::yield_now;
use supervision_benches::measure::{Tally, median, processor_time};
use supervision_instructions::turns::{RootApart, Turns};
use supervisor_core::{SupervisionTree, Supervisor, SupervisorError, SupervisorHandle, one_shot};
use tokio::runtime::{Builder, Runtime};

/// The threads that accept connections, each with a listener of its own, and as many that connect.
const LISTENERS: usize = 4;

/// A dynamic supervisor whose turns are counted.
struct Pool {
    runtime: Runtime,
    tree: SupervisionTree,
    turns: Turns,
}

/// What adding children has cost: for each, in nanoseconds.
struct Sample {
    took: f64,
    /// In the supervisor's turns.
    turn: f64,
    /// On all processors.
    processor: f64,
}

fn main() {
    let is_smoke = env::args().any(|argument| argument == "--smoke");
    let (children, connections, rounds) = if is_smoke { (20_000, 400, 1) } else { (2_000_000, 20_000, 5) };
    println!(
        "| who adds children | a second | supervisor's turn, ns for each | processors, ns for each | supervisor is busy |"
    );
    println!("|---|---|---|---|---|");
    let mut rows: Vec<(String, Vec<Sample>)> = Vec::new();
    for round in 0..rounds {
        let mut samples = Vec::new();
        for callers in [1, 2, 16] {
            samples.push((format!("{callers} tasks"), spawned(children, callers)));
        }
        samples.push((format!("{LISTENERS} threads that accept connections"), accepted(connections)));
        for (row, (name, sample)) in samples.into_iter().enumerate() {
            if round == 0 {
                rows.push((name, Vec::new()));
            }
            rows[row].1.push(sample);
        }
    }
    for (name, samples) in &rows {
        let figures: [fn(&Sample) -> f64; 3] = [|sample| sample.took, |sample| sample.turn, |sample| sample.processor];
        let [took, turn, processor] = figures.map(|figure| median(samples.iter().map(figure)));
        let (rate, share) = (1e9 / took, turn / took * 100.0);
        println!("| {name} | {rate:.0} | {turn:.0} | {processor:.0} | {share:.1} % |");
    }
}

impl Pool {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
        let turns = Turns::default();
        let spawner = RootApart::new(runtime.handle().clone(), &turns);
        let pool = Supervisor::dynamic("pool").expect("a valid name");
        let tree = runtime.block_on(pool.start_on(spawner)).expect("a start without failure");
        Self { runtime, tree, turns }
    }

    /// Measures until this many children have ended.
    fn measure(self, children: usize, ends: &Tally, add: impl FnOnce(&Self)) -> Sample {
        let (begin, before) = (Instant::now(), processor_time());
        self.turns.begin();
        add(&self);
        self.runtime.block_on(ends.reach(children));
        let took = begin.elapsed();
        let (turn, processor) = (self.turns.took(), processor_time() - before);
        self.runtime.block_on(self.tree.shutdown()).expect("a clean stop");
        let each = |time: Duration| time.as_nanos() as f64 / children as f64;
        Sample { took: each(took), turn: each(turn), processor: each(processor) }
    }
}

/// Has tasks add children that end at once, as fast as they can.
fn spawned(children: usize, callers: usize) -> Sample {
    let (pool, ends) = (Pool::start(), Tally::default());
    pool.measure(children / callers * callers, &ends, |pool| {
        for _ in 0..callers {
            let (handle, ends) = (pool.tree.handle(), ends.clone());
            pool.runtime.spawn(async move {
                for _ in 0..children / callers {
                    while !try_spawn(&handle, &ends) {
                        yield_now().await;
                    }
                }
            });
        }
    })
}

/// Adds a child, unless too many wait already.
fn try_spawn(handle: &SupervisorHandle, ends: &Tally) -> bool {
    let ends = ends.clone();
    match handle.spawn(one_shot("child", async move { ends.count() })) {
        Ok(_) => true,
        Err(SupervisorError::Overloaded { .. }) => false,
        Err(error) => panic!("{error:#}"),
    }
}

/// Has threads accept connections, and a child serve each: it sends a byte, and closes. Nothing else costs less.
fn accepted(connections: usize) -> Sample {
    let (pool, ends) = (Pool::start(), Tally::default());
    let each = connections / LISTENERS;
    let listeners = || TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let listeners: Vec<_> = (0..LISTENERS).map(|_| Arc::new(listeners())).collect();
    let addresses = listeners.iter().map(|listener| listener.local_addr().expect("it is bound"));
    let clients: Vec<_> = addresses.map(|address| thread::spawn(move || connect(address, each))).collect();
    let sample = pool.measure(each * LISTENERS, &ends, |pool| {
        for listener in listeners {
            let (handle, ends) = (pool.tree.handle(), ends.clone());
            thread::spawn(move || {
                for _ in 0..each {
                    let (mut connection, _) = listener.accept().expect("a connection");
                    let ends = ends.clone();
                    let child = one_shot("connection", async move {
                        connection.write_all(b"x").expect("it is open");
                        drop(connection);
                        ends.count();
                    });
                    handle.spawn(child).expect("accepted");
                }
            });
        }
    });
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    sample
}

fn connect(address: SocketAddr, times: usize) {
    for _ in 0..times {
        let mut answer = Vec::new();
        TcpStream::connect(address).expect("it listens").read_to_end(&mut answer).expect("an answer");
        assert_eq!(answer, b"x");
    }
}
