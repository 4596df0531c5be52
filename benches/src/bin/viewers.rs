//! What open pages of the observer cost a tree of 10,000 children: the rate of its restarts without a page, and with 100.
//!
//! `cargo run --release -p supervision-benches --features viewers --bin viewers [-- --smoke]`. Fails if the tree loses a tenth of
//! its rate at 1,000 restarts a second. As fast as it can restart them, the loss is only told: the pages, which read all, run on
//! the same machine.

use std::{
    env,
    error::Error,
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use supervision::{Probes, RestartStrategy, SupervisionTree, Supervisor, observer::Observer, process, worker};
use tokio::runtime::Builder;

const CHILDREN: u32 = 10_000;
/// Each child fails once in this time. Together that is a thousand failures a second.
const LIFE: Duration = Duration::from_secs(10);
/// The largest loss at a thousand restarts a second.
const LOSS: f64 = 0.1;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let is_smoke = env::args().any(|argument| argument == "--smoke");
    let (rounds, time, viewers) =
        if is_smoke { (1, Duration::from_secs(1), 10) } else { (3, Duration::from_secs(10), 100) };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!(
        "| load | pages | restarts per second without | with | loss | CPU without | with | read by the pages per second |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut is_met = true;
    for (load, life) in [("1,000 a second", Some(LIFE)), ("as fast as it can", None)] {
        let restarts = Arc::new(AtomicU64::new(0));
        let (tree, address) = runtime.block_on(start(life, restarts.clone(), viewers))?;
        // Until the failures are spread evenly.
        thread::sleep(if is_smoke { Duration::from_secs(1) } else { LIFE });
        let (mut without, mut with) = (Sample::default(), Sample::default());
        for _ in 0..rounds {
            without.add(&restarts, time);
            let pages = Pages::open(address, viewers)?;
            // The first snapshots are not the rate.
            thread::sleep(time / 5);
            let before = pages.bytes.load(Relaxed);
            with.add(&restarts, time);
            with.bytes += pages.bytes.load(Relaxed) - before;
            pages.close();
        }
        let loss = 1.0 - with.rate() / without.rate();
        println!(
            "| {load} | {viewers} | {:.0} | {:.0} | {:.1} % | {:.0} % | {:.0} % | {:.1} MB |",
            without.rate(),
            with.rate(),
            100.0 * loss,
            without.cpu(),
            with.cpu(),
            with.bytes as f64 / with.time.as_secs_f64() / 1e6
        );
        is_met &= life.is_none() || is_smoke || loss < LOSS;
        // Children that fail while they stop make it unclean.
        let _ = runtime.block_on(tree.shutdown());
    }
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn start(
    life: Option<Duration>,
    restarts: Arc<AtomicU64>,
    viewers: usize,
) -> Result<(SupervisionTree, SocketAddr), Box<dyn Error>> {
    let without_limit = RestartStrategy::one_for_one().with_intensity_and_period(usize::MAX, Duration::MAX);
    // All pages connect at once.
    let probes = Probes::on_loopback(0).with_max_connections(viewers + 1).with_observer(Observer::new())?;
    let mut root = Supervisor::new("root")?.with_restart_strategy(without_limit);
    root.add_worker(probes.clone());
    let mut crowd = Supervisor::new("crowd")?.with_restart_strategy(without_limit);
    for number in 0..CHILDREN {
        let restarts = restarts.clone();
        let mut is_first = true;
        crowd.add_worker(worker(format!("child_{number}"), move |_| {
            let is_first = std::mem::replace(&mut is_first, false);
            restarts.fetch_add(u64::from(!is_first), Relaxed);
            let life = life.map(|life| if is_first { life * number / CHILDREN } else { life });
            async move {
                match life {
                    Some(life) => process::sleep(life).await,
                    None => futures_lite::future::yield_now().await,
                }
                Err::<(), _>("connection refused")
            }
        }));
    }
    root.add_worker(crowd);
    let tree = supervision::start(root).await?;
    let address = probes.local_addr().ok_or("it listens")?;
    Ok((tree, address))
}

/// What was counted in some rounds.
#[derive(Default)]
struct Sample {
    restarts: u64,
    time: Duration,
    /// In hundredths of a second, on all cores.
    ticks: u64,
    bytes: u64,
}

impl Sample {
    fn add(&mut self, restarts: &AtomicU64, time: Duration) {
        let (begun, before, ticks) = (Instant::now(), restarts.load(Relaxed), ticks());
        thread::sleep(time);
        self.restarts += restarts.load(Relaxed) - before;
        self.ticks += ticks_since(ticks);
        self.time += begun.elapsed();
    }

    fn rate(&self) -> f64 {
        self.restarts as f64 / self.time.as_secs_f64()
    }

    /// Returns the share of one core.
    fn cpu(&self) -> f64 {
        self.ticks as f64 / self.time.as_secs_f64()
    }
}

/// Returns the CPU time of this program. Zero where the system does not tell.
fn ticks() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn ticks_since(before: u64) -> u64 {
    ticks() - before
}

/// Pages that read all that they are sent.
struct Pages {
    connections: Vec<TcpStream>,
    readers: Vec<thread::JoinHandle<()>>,
    bytes: Arc<AtomicU64>,
    is_closed: Arc<AtomicBool>,
}

impl Pages {
    fn open(address: SocketAddr, number: usize) -> Result<Self, Box<dyn Error>> {
        let (bytes, is_closed) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (mut connections, mut readers) = (Vec::new(), Vec::new());
        for _ in 0..number {
            let mut connection = TcpStream::connect(address)?;
            write!(connection, "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
            connections.push(connection.try_clone()?);
            let (bytes, is_closed) = (bytes.clone(), is_closed.clone());
            readers.push(thread::spawn(move || {
                let mut piece = vec![0; 64 << 10];
                while let Ok(read @ 1..) = connection.read(&mut piece) {
                    bytes.fetch_add(read as u64, Relaxed);
                }
                assert!(is_closed.load(Relaxed), "a page was closed");
            }));
        }
        Ok(Self { connections, readers, bytes, is_closed })
    }

    fn close(self) {
        self.is_closed.store(true, Relaxed);
        for connection in self.connections {
            let _ = connection.shutdown(Shutdown::Both);
        }
        for reader in self.readers {
            let _ = reader.join();
        }
    }
}
