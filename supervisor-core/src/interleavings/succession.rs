//! One incarnation after another in the same cell.

use std::future::pending;

use loom::thread;

use super::*;

#[test]
fn p6_a_clone_of_an_earlier_incarnation_fires() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, shutdown) = child.begin();
        let process = child.process(id, pending());
        let waiter = thread::spawn(move || block_on(shutdown));
        let executor = thread::spawn(move || block_on(process));
        child.cell.request(Flags::ABORT);
        child.wait_for("exit");
        let (second, successors) = child.begin();
        waiter.join().unwrap();
        executor.join().unwrap();
        assert_eq!(child.cell.flags(second), Some(Flags::NONE), "nothing was asked of the successor");
        assert!(!successors.is_requested());
        child.story()
    });
    assert_eq!(stories, ["dropped, exit: was aborted", "polled, dropped, exit: was aborted"]);
}

#[test]
fn p6_an_earlier_wait_takes_no_signal_from_the_successor() {
    always(|| {
        let child = Child::new();
        let (first, earlier) = child.begin();
        let stale = thread::spawn(move || block_on(earlier));
        let other = child.clone();
        let successor = thread::spawn(move || {
            other.cell.end(first, false);
            let (_, shutdown) = other.begin();
            assert!(!shutdown.is_requested());
            child.cell.request(Flags::SHUTDOWN);
            block_on(shutdown);
        });
        stale.join().unwrap();
        successor.join().unwrap();
    });
}

#[test]
fn p5_an_end_takes_nothing_from_its_successor() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (first, _) = child.begin();
        let other = child.clone();
        let executor = thread::spawn(move || {
            let (second, shutdown) = other.begin();
            let process = other.process(second, shutdown);
            other.tell("begun");
            block_on(process);
        });
        child.cell.end(first, false);
        child.wait_for("begun");
        assert!(child.cell.process().is_some(), "the successor has not ended");
        child.cell.request(Flags::SHUTDOWN);
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(stories, ["begun, polled, dropped, exit: ended normally"]);
}
