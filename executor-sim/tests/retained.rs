//! Retained values under faults: one holder at a time, and no message is lost.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use executor_sim::{Fault, Sim, sweep};
use supervisor_core::{
    ChildSpec, RestartStrategy, RestartType, Retained, Supervisor, SupervisorError, process, worker,
};

const SECOND: Duration = Duration::from_secs(1);
const CONSUMER: &str = "root.inner.consumer";

/// What came out of a run.
#[derive(Default)]
struct Tally {
    received: Mutex<Vec<u32>>,
    holders: AtomicUsize,
    takes: AtomicUsize,
}

/// Counts itself among the holders. Dropped before the value is given back.
struct Holding(Arc<Tally>);

impl Holding {
    fn begin(tally: &Arc<Tally>) -> Self {
        assert_eq!(tally.holders.fetch_add(1, SeqCst), 0, "two holders at once");
        tally.takes.fetch_add(1, SeqCst);
        Self(tally.clone())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.holders.fetch_sub(1, SeqCst);
    }
}

fn supervisor(name: &'static str, strategy: RestartStrategy) -> Supervisor {
    Supervisor::new(name).unwrap().with_restart_strategy(strategy.with_unlimited_restarts())
}

/// Sends one number after the other. The next one is retained, too.
fn producer(next: &Retained<u32>, sender: &async_channel::Sender<u32>) -> ChildSpec {
    let (next, sender) = (next.clone(), sender.clone());
    worker("producer", move |shutdown| {
        let (next, sender) = (next.clone(), sender.clone());
        async move {
            let mut next = next.take();
            while shutdown.run_until(process::sleep(SECOND / 10)).await.is_some() {
                sender.try_send(*next).expect("the receiver is retained");
                *next += 1;
            }
        }
    })
}

fn consumer(receiver: &Retained<async_channel::Receiver<u32>>, tally: &Arc<Tally>) -> ChildSpec {
    let (receiver, tally) = (receiver.clone(), tally.clone());
    worker("consumer", move |shutdown| {
        let (receiver, tally) = (receiver.clone(), tally.clone());
        async move {
            let receiver = receiver.take();
            let _holding = Holding::begin(&tally);
            while let Some(message) = shutdown.run_until(receiver.recv()).await {
                let message = message.expect("the sender is there");
                tally.received.lock().unwrap().push(message);
                assert_ne!(message % 17, 16, "message {message}");
            }
        }
    })
}

/// Kills the consumer, reloads it, stops it for a while, and shuts the supervisor above it down.
fn commander(seed: u64) -> ChildSpec {
    worker("commander", move |_| async move {
        let mut rng = fastrand::Rng::with_seed(seed);
        loop {
            process::sleep(SECOND.mul_f64(rng.f64() * 3.0)).await;
            let Ok(inner) = process::supervisor()?.supervisor("root.inner").await else { continue };
            let Some(id) = inner.find("consumer").await.ok().and_then(|found| Some(found.first()?.id)) else {
                continue;
            };
            // A supervisor that is just being restarted refuses what it is asked.
            let _ = match rng.u8(..5) {
                0 | 1 => inner.kill_child(id).await,
                4 => inner.reload_child(id).await,
                2 => match inner.terminate_child(id).await {
                    Ok(()) => inner.restart_child(id).await,
                    refused => refused,
                },
                _ => inner.shutdown(),
            };
        }
        #[allow(unreachable_code, reason = "it says what `?` converts into")]
        Ok::<(), SupervisorError>(())
    })
}

fn inject(sim: &Sim) {
    for fault in [
        Fault::panic(CONSUMER).one_in(3),
        Fault::fail(CONSUMER).one_in(5),
        Fault::lose(CONSUMER).one_in(5),
        Fault::panic("root.producer").one_in(2),
        Fault::panic("root.inner.companion").one_in(2),
        Fault::lose("root.inner").one_in(3),
        Fault::stall(CONSUMER).one_in(8).lasting(SECOND),
    ] {
        sim.fault(fault.within(8 * SECOND));
    }
    sim.fault(Fault::refuse(CONSUMER).one_in(9));
    sim.fault(Fault::fail_start(CONSUMER).one_in(9));
    sim.fault(Fault::delay_wakes(CONSUMER, SECOND / 10).one_in(4));
}

#[test]
fn p10_one_holder_at_a_time_and_no_message_lost_under_faults() {
    let takes = AtomicUsize::new(0);
    sweep(0..1000, |sim| {
        inject(sim);
        let (sender, receiver) = async_channel::unbounded();
        let (receiver, next, tally) = (Retained::new(receiver), Retained::new(0), Arc::new(Tally::default()));
        let strategies =
            [RestartStrategy::one_for_one(), RestartStrategy::one_for_all(), RestartStrategy::rest_for_one()];
        let mut inner = supervisor("inner", strategies[sim.seed() as usize % 3]);
        inner.add_worker(worker("companion", |shutdown| shutdown));
        inner.add_worker(consumer(&receiver, &tally));
        let mut root = supervisor("root", RestartStrategy::one_for_one());
        root.add_worker(producer(&next, &sender));
        root.add_worker(inner);
        root.add_worker(commander(sim.seed()));
        let record = sim.run_for(root, 12 * SECOND);
        let in_use = record.events.iter().find(|(_, event)| event.to_string().contains("retained"));
        assert!(in_use.is_none(), "{in_use:?}");

        // All processes are gone, so both values are here.
        let (receiver, sent) = (receiver.take(), *next.take());
        let mut messages = tally.received.lock().unwrap().clone();
        while let Ok(message) = receiver.try_recv() {
            messages.push(message);
        }
        assert!(sent > 25, "{sent} messages in 12 seconds");
        assert_eq!(messages, (0..sent).collect::<Vec<_>>(), "each message once, in order");
        takes.fetch_add(tally.takes.load(SeqCst), SeqCst);
    });
    let takes = takes.into_inner();
    assert!(takes > 5_000 || std::env::var_os("SIM_SEED").is_some(), "{takes} takes say little");
}

/// Takes the value for as long as it is there, in a process of a tree of its own.
fn holder(retained: &Retained<u32>) -> ChildSpec {
    let retained = retained.clone();
    worker("holder", move |shutdown| {
        let guard = retained.take();
        async move {
            let _guard = guard;
            shutdown.await;
        }
    })
}

#[test]
fn p10_an_abandoned_holder_is_named_as_that() {
    let (sim, retained) = (Sim::with_seed(1), Retained::new(0));
    sim.fault(Fault::stall("root.holder").after(SECOND));
    let mut root = supervisor("root", RestartStrategy::one_for_one());
    root.add_worker(holder(&retained));
    let record = sim.run_for(root, 5 * SECOND);
    assert!(record.outcome.is_err(), "it was abandoned");
    let in_use = retained.try_take().unwrap_err();
    let process = in_use.holder().expect("a process");
    assert_eq!(
        in_use.to_string(),
        format!(
            "`root.holder` (process {process}) holds the retained `u32`; it was abandoned because it did not yield, and has \
             not ended yet"
        )
    );
    drop(sim);
    assert!(!retained.take().was_poisoned(), "given back when its executor has dropped it");
}

/// Runs a tree when it is dropped, in which a process panics.
struct RunsATree(Retained<u32>);

impl Drop for RunsATree {
    fn drop(&mut self) {
        let sim = Sim::with_seed(1);
        sim.fault(Fault::panic("inner.holder").after(SECOND));
        let mut root = supervisor("inner", RestartStrategy::one_for_one());
        root.add_worker(holder(&self.0).with_restart_type(RestartType::Temporary));
        sim.run_for(root, 2 * SECOND).outcome.expect("a clean run");
    }
}

#[test]
fn p10_a_panic_counts_for_its_own_process_alone() {
    let (sim, outer, inner) = (Sim::with_seed(1), Retained::new(0), Retained::new(0));
    // Nothing unwinds here: the process is dropped after its panic.
    sim.fault(Fault::panic("root.outer").after(SECOND));
    let mut root = supervisor("root", RestartStrategy::one_for_one());
    let (own, inside) = (outer.clone(), inner.clone());
    let spec = worker("outer", move |shutdown| {
        let (guard, runs_a_tree) = (own.take(), RunsATree(inside.clone()));
        async move {
            // Dropped in the reverse order: while the guard is dropped, the tree inside has come and gone.
            let (_guard, _runs_a_tree) = (guard, runs_a_tree);
            shutdown.await;
        }
    });
    root.add_worker(spec.with_restart_type(RestartType::Temporary));
    sim.run_for(root, 2 * SECOND).outcome.expect("a clean run");
    assert!(inner.take().was_poisoned(), "its holder panicked, though it was taken in the aftermath of another panic");
    assert!(outer.take().was_poisoned(), "the panic inside is not the end of the one outside");
    assert!(!outer.take().was_poisoned());
}
