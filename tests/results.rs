//! Monitors, tasks and reservations under faults, each run from its seed.

#[path = "harness/census.rs"]
mod census;

use std::{collections::BTreeMap, pin::pin, time::Duration};

use census::Census;
use executor_sim::{Fault, Sim, sweep};
use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    EventKind, Exit, Monitor, ProcessId, RestartStrategy, Supervisor, SupervisorError, SupervisorHandle, one_shot,
    process, worker,
};

const SEEDS: u64 = 1_000;
const MOMENT: Duration = Duration::from_millis(1);

/// All that may end a process, or hold it up for a while.
fn faults(sim: &Sim, target: &str) {
    sim.fault(Fault::panic(target).one_in(4).within(5 * MOMENT).saying("scripted"));
    sim.fault(Fault::fail(target).one_in(4).within(5 * MOMENT));
    sim.fault(Fault::lose(target).one_in(5).within(5 * MOMENT));
    sim.fault(Fault::refuse(target).one_in(7));
    sim.fault(Fault::stall(target).one_in(6).within(3 * MOMENT).lasting(4 * MOMENT));
    sim.fault(Fault::delay_wakes(target, MOMENT).one_in(3));
}

/// Monitors whatever runs, again and again.
async fn watch(sim: &Sim, handle: &SupervisorHandle) -> Vec<(ProcessId, Monitor)> {
    let mut monitors = Vec::new();
    for _ in 0..20 {
        for child in handle.children().await.unwrap_or_default() {
            if let Ok(monitor) = handle.monitor(child.id) {
                monitors.push((monitor.process(), monitor));
            }
        }
        sim.sleep(MOMENT).await;
    }
    monitors
}

#[test]
fn no_monitor_misses_an_exit_under_faults() {
    sweep(0..SEEDS, |sim| {
        let strategy = RestartStrategy::one_for_one().with_intensity_and_period(usize::MAX, MOMENT);
        let mut root = Supervisor::new("root").unwrap().with_restart_strategy(strategy);
        for name in ["a", "b", "c"] {
            root.add_worker(worker(name, |shutdown| shutdown));
            faults(sim, &format!("root.{name}"));
        }
        let handle = root.handle();
        let mut events = handle.events();
        let told = sim.run_until(async {
            let tree = root.start_on(sim.spawner()).await;
            let Ok(tree) = tree else { return Vec::new() };
            let monitors = watch(sim, &handle).await;
            let _ = tree.shutdown().await;
            let mut told = Vec::new();
            for (process, monitor) in monitors {
                // It resolves: a simulation in which nothing can go on any more is a failure.
                told.push((process, monitor.await));
            }
            told
        });
        let mut exits = BTreeMap::new();
        sim.run_until(async {
            while let Some(event) = events.next().await {
                if let (EventKind::Exited(exit), Some(process)) = (&event.kind, event.process) {
                    exits.insert(process, exit.clone());
                }
            }
        });
        for (process, exit) in told {
            // What is abandoned has no exit in the events: its supervisor has not waited for it.
            if let Some(told) = exits.get(&process) {
                assert_eq!(told, &exit, "{process:?}");
            }
        }
    });
}

/// Reserves room, gives up waits, uses permits or drops them, and aborts tasks or drops their handles, all by chance.
async fn draw_on(handle: &SupervisorHandle, census: &Census, mut draw: fastrand::Rng) {
    let mut results = Vec::new();
    for number in 0..12_u32 {
        let mut reserving = pin!(handle.reserve());
        let mut permit = None;
        // Some waits are given up, while they wait or after they were given room.
        let gives_up = draw.u8(0..3) == 0;
        let patience = if gives_up { draw.u32(0..5) } else { 10_000 };
        for _ in 0..patience {
            permit = poll_once(reserving.as_mut()).await;
            if permit.is_some() {
                break;
            }
            process::sleep(MOMENT / 4).await;
        }
        let Some(permit) = permit else {
            assert!(gives_up, "no room came free");
            continue;
        };
        let permit = permit.unwrap();
        if draw.u8(0..5) == 0 {
            yield_now().await;
            continue;
        }
        let (census, time) = (census.clone(), draw.u32(0..4) * MOMENT);
        let task = permit.spawn_task("task", async move {
            let _present = census.enter();
            process::sleep(time).await;
            number
        });
        let task = task.unwrap();
        match draw.u8(0..6) {
            0 => task.abort(),
            1 => continue,
            _ => {}
        }
        results.push((number, task));
    }
    for (number, task) in results {
        match task.await {
            Ok(result) => assert_eq!(result, number),
            Err(exit) => assert!(!matches!(exit, Exit::Normal | Exit::Ignored), "{exit}"),
        }
    }
}

#[test]
fn no_result_and_no_permit_is_lost_or_doubled_under_faults() {
    const ROOM: usize = 3;
    sweep(0..SEEDS, |sim| {
        let pool = Supervisor::dynamic("root").unwrap().with_max_children(ROOM);
        faults(sim, "root.task");
        let census = Census::default();
        sim.run_until(async {
            let tree = pool.start_on(sim.spawner()).await.unwrap();
            let handle = tree.handle();
            let mut clients = Supervisor::new("clients").unwrap();
            for client in 0..4 {
                let (handle, census) = (handle.clone(), census.clone());
                let draw = fastrand::Rng::with_seed(sim.seed() * 4 + client);
                clients.add_worker(one_shot("client", async move { draw_on(&handle, &census, draw).await }));
            }
            let clients = clients.start_on(sim.spawner()).await.unwrap();
            for client in clients.handle().children().await.unwrap() {
                let exit = clients.handle().monitor(client.id).map(Some).unwrap_or_default();
                if let Some(exit) = exit {
                    assert_eq!(exit.await, Exit::Normal);
                }
            }
            clients.shutdown().await.unwrap();
            // With all tasks gone, all room is there again, and no more than that.
            let mut permits = Vec::new();
            for _ in 0..ROOM {
                permits.push(handle.reserve().await.unwrap());
            }
            assert!(matches!(handle.try_reserve(), Err(SupervisorError::AtCapacity { .. })));
            assert!(census.most() <= ROOM, "{} at once", census.most());
            drop(permits);
            let _ = tree.shutdown().await;
        });
    });
}
