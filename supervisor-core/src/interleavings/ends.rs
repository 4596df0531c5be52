//! Ends of processes, as monitors and the handles of tasks learn of them.

use std::future::{pending, ready};

use loom::thread;

use super::*;
use crate::{node::Expected, worker::Reporter};

#[test]
fn p11_a_monitor_that_races_the_end_gets_the_exit() {
    let told = outcomes(|| {
        let child = Child::new();
        let (id, _) = child.begin();
        let process = child.process(id, ready(()));
        let executor = thread::spawn(move || block_on(process));
        let monitor = child.monitors.add(&child.cell);
        let told = monitor.map(|monitor| (monitor.process() == Some(id), block_on(monitor).to_string()));
        executor.join().unwrap();
        told
    });
    assert_eq!(told, [None, Some((true, "ended normally".to_owned()))]);
}

#[test]
fn p11_two_monitors_that_race_the_end_are_both_told() {
    always(|| {
        let child = Child::new();
        let (id, _) = child.begin();
        let process = child.process(id, ready(()));
        let other = child.clone();
        let second = thread::spawn(move || other.monitors.add(&other.cell).map(block_on));
        let executor = thread::spawn(move || block_on(process));
        let first = child.monitors.add(&child.cell).map(block_on);
        for told in [first, second.join().unwrap()].into_iter().flatten() {
            assert_eq!(told, Exit::Normal);
        }
        executor.join().unwrap();
    });
}

#[test]
fn p11_a_monitor_of_a_first_process_that_begins_meanwhile() {
    let told = outcomes(|| {
        let (child, expected) = (Child::new(), Arc::new(Expected::default()));
        let (other, begun) = (child.clone(), expected.clone());
        // The supervisor begins the process, and hands it to an executor.
        let supervisor = thread::spawn(move || {
            let (id, _) = other.begin();
            begun.begun(ChildId::FIRST, &other.cell, &other.monitors);
            block_on(other.process(id, ready(())));
        });
        let now = || child.monitors.add(&child.cell);
        let monitor = now().or_else(|| expected.add(ChildId::FIRST, Some(&child.cell)).or_else(now));
        let told = monitor.map(|monitor| (monitor.process().is_some(), block_on(monitor).to_string()));
        supervisor.join().unwrap();
        told
    });
    // It has ended, it had not begun, it ran.
    let normal = || "ended normally".to_owned();
    assert_eq!(told, [None, Some((false, normal())), Some((true, normal()))]);
}

#[test]
fn p11_a_monitor_of_a_child_that_never_begins_is_told() {
    let told = outcomes(|| {
        let expected = Arc::new(Expected::default());
        let other = expected.clone();
        let supervisor = thread::spawn(move || other.close());
        let told = expected.add(ChildId::FIRST, None).map(|monitor| block_on(monitor).to_string());
        supervisor.join().unwrap();
        told
    });
    assert_eq!(told, [None, Some("was aborted".to_owned())]);
}

#[test]
fn a9_an_abort_around_the_begin_of_a_task_is_not_lost() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (reporter, task) = Reporter::<()>::new();
        let other = child.clone();
        let executor = thread::spawn(move || {
            let (id, _) = other.begin();
            let control: Arc<dyn Control> = other.clone();
            reporter.begin(&control);
            let process = other.process(id, async move {
                // As the process of a task does: after this look, the process itself looks for an abort.
                if !reporter.is_aborted() {
                    pending::<()>().await;
                }
            });
            block_on(process);
        });
        task.abort();
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(
        stories,
        ["dropped, exit: was aborted", "polled, dropped, exit: ended normally", "polled, dropped, exit: was aborted"]
    );
}

#[test]
fn a9_a_handle_that_waits_while_its_task_ends_is_woken() {
    let results = outcomes(|| {
        let (reporter, task) = Reporter::<u8>::new();
        let executor = thread::spawn(move || {
            assert_eq!(reporter.put(7), None);
            reporter.end(Exit::Normal);
        });
        let result = block_on(task).map_err(|exit| exit.to_string());
        executor.join().unwrap();
        result
    });
    assert_eq!(results, [Ok(7)]);
}

#[test]
fn a9_a_result_of_a_handle_that_is_dropped_is_dropped_once() {
    let drops = outcomes(|| {
        let (reporter, task) = Reporter::new();
        let value = Arc::new(());
        let kept = value.clone();
        let executor = thread::spawn(move || {
            let unwanted = reporter.put(kept);
            let in_the_process = unwanted.is_some();
            drop(unwanted);
            reporter.end(Exit::Normal);
            in_the_process
        });
        drop(task);
        let in_the_process = executor.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1, "it is gone");
        in_the_process
    });
    assert_eq!(drops, [false, true], "dropped with the handle, or in the process");
}
