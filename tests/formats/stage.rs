use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_lite::future::{block_on, poll_once};
use serde_json::Value;
use supervision::{
    AutoShutdown, Backoff, ChildId, ChildSpec, Event, RestartStrategy, RestartType, ShutdownOrder, ShutdownStrategy,
    Snapshot, SupervisionTree, Supervisor, process,
    sim::{Fault, Sim, block_for, block_for_good},
    worker,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// An error that has a source.
#[derive(Debug)]
struct Unreachable(std::io::Error);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no peer")
    }
}

impl std::error::Error for Unreachable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn idle(name: &'static str) -> ChildSpec {
    worker(name, |shutdown| shutdown)
}

fn supervisor(name: &'static str) -> Supervisor {
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(10, 60 * SECOND);
    Supervisor::new(name).unwrap().with_restart_strategy(patient)
}

/// A supervisor with settings of every kind.
fn api() -> Supervisor {
    let mut api = Supervisor::new("api")
        .unwrap()
        .with_restart_strategy(RestartStrategy::rest_for_one().with_unlimited_restarts())
        .with_auto_shutdown(AutoShutdown::AllSignificant)
        .with_shutdown_order(ShutdownOrder::Concurrent)
        .with_shutdown_budget(30 * SECOND)
        .with_max_children(100)
        .with_abort_grace(2 * SECOND)
        .with_default_backoff(Backoff::exponential(SECOND / 10, 10 * SECOND).without_jitter())
        .with_unique_names();
    let listener = idle("listener").with_shutdown_strategy(ShutdownStrategy::UNLIMITED);
    api.add_worker(listener.with_start_timeout(3 * SECOND).with_watchdog(3600 * SECOND));
    api.add_worker(idle("cache").with_restart_type(RestartType::Transient).with_significance());
    api.add_worker(idle("pool").with_shutdown_strategy(ShutdownStrategy::Brutal));
    api
}

/// A tree with a process in each state that there is.
pub(crate) struct Stage {
    pub(crate) sim: Sim,
    pub(crate) tree: SupervisionTree,
    pub(crate) events: Vec<Arc<Event>>,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let sim = Sim::with_seed(1);
        sim.fault(Fault::panic("root.api.listener").nth(1).after(10 * SECOND).saying("boom"));
        let mut root = supervisor("root");
        root.add_worker(api());
        let mut runs = 0;
        let flaky = worker("flaky", move |_| {
            runs += 1;
            let is_first = runs == 1;
            async move {
                if is_first {
                    process::ready();
                    process::sleep(20 * SECOND).await;
                    return Err::<(), _>("odd");
                }
                Err("no disk")
            }
        });
        root.add_worker(flaky.with_explicit_ready().with_backoff(Backoff::constant(15 * SECOND)));
        let waiting = worker("waiting", |_| async {
            process::sleep(20 * SECOND).await;
            Err::<(), _>(Unreachable(std::io::Error::other("refused")))
        });
        root.add_worker(waiting.with_backoff(Backoff::constant(Duration::MAX)));
        let done = worker("done", |_| block_for(2 * SECOND)).with_restart_type(RestartType::Transient);
        root.add_worker(done.with_accounting());
        let never = RestartStrategy::one_for_one().with_intensity_and_period(0, SECOND);
        let mut broken = Supervisor::new("broken").unwrap().with_restart_strategy(never);
        let brief = worker("brief", |_| async {
            process::sleep(SECOND).await;
            Err::<(), _>("bad input")
        });
        broken.add_worker(brief);
        root.add_worker(ChildSpec::from(broken).with_restart_type(RestartType::Transient));
        let mut gone = supervisor("gone");
        gone.add_worker(worker("hog", |_| block_for_good()));
        let gone = root.add_worker(gone);
        let deaf = worker("deaf", |_| async { std::future::pending::<()>().await });
        let deaf = root.add_worker(deaf.with_shutdown_strategy(ShutdownStrategy::Graceful(60 * SECOND)));
        let hung = root.add_worker(worker("hung", |_| block_for_good()));
        let connections = Supervisor::dynamic("connections").unwrap();
        let dynamic = connections.handle();
        root.add_worker(connections);
        let mut stalled = supervisor("stalled");
        stalled.add_worker(idle("x"));
        let reached = stalled.handle();
        root.add_worker(stalled);

        let mut events = root.handle().events();
        let tree = sim.start(root).unwrap();
        sim.run_until(dynamic.start_child(idle("peer"))).unwrap();
        let handle = tree.handle();
        handle
            .spawn(worker("late", |shutdown| shutdown).with_explicit_ready().with_restart_type(RestartType::Permanent))
            .unwrap();
        sim.advance(20 * SECOND);
        let _ = sim.run_until(handle.terminate_child(gone));
        ask(&sim, &tree, deaf, hung);
        sim.fault(Fault::stall("root.stalled"));
        sim.advance(8 * SECOND);
        reached.spawn(idle("unheard")).unwrap();
        sim.advance(SECOND);
        let mut told = Vec::new();
        while let Some(Some(event)) = block_on(poll_once(events.next())) {
            told.push(event);
        }
        Self { sim, tree, events: told }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.sim.run_until(self.tree.snapshot())
    }
}

/// Asks one to stop, which does not, and kills one that does not yield.
fn ask(sim: &Sim, tree: &SupervisionTree, deaf: ChildId, hung: ChildId) {
    let handle = tree.handle();
    sim.run_until(async {
        let _ = poll_once(handle.terminate_child(deaf)).await;
        let _ = poll_once(handle.kill_child(hung)).await;
    });
}

/// The same with the numbers of children and processes in the order of their appearance: what they are depends on what else ran
/// in the program.
pub(crate) fn numbered(mut value: Value) -> Value {
    fn renumber(value: &mut Value, known: &mut BTreeMap<(&'static str, u64), u64>) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| renumber(value, known)),
            Value::Object(fields) => {
                for key in ["child_id", "process_id"] {
                    let Some(number) = fields.get(key).and_then(Value::as_u64) else { continue };
                    let next = known.keys().filter(|(kind, _)| *kind == key).count() as u64 + 1;
                    let number = *known.entry((key, number)).or_insert(next);
                    fields.insert(key.to_owned(), number.into());
                }
                fields.values_mut().for_each(|value| renumber(value, known));
            }
            _ => {}
        }
    }
    renumber(&mut value, &mut BTreeMap::new());
    value
}

pub(crate) fn milliseconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}
