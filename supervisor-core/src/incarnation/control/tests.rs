use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Wake,
};

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Count {
    /// Makes a waker that is recognised as equal to its clones. For a waker made of an `Arc` that is not certain: the
    /// table of its functions may be in memory once for it and once for all its clones, as it is under Miri.
    fn waker(self: &Arc<Self>) -> Waker {
        let waker = Waker::from(self.clone());
        waker.clone()
    }

    fn wakes(&self) -> usize {
        self.0.load(SeqCst)
    }
}

struct Life {
    cell: ControlCell,
    id: ProcessId,
}

fn life() -> Life {
    let cell = ControlCell::new();
    let id = ProcessId::next();
    cell.begin(id, Flags::NONE);
    Life { cell, id }
}

#[test]
fn a_request_wakes_the_process_at_each_new_demand() {
    let Life { cell, id } = life();
    let process = Arc::new(Count::default());
    cell.register_process(id, &process.waker());
    cell.request(Flags::SHUTDOWN);
    cell.request(Flags::SHUTDOWN);
    assert_eq!(process.wakes(), 1, "the same request twice wakes once");
    cell.request(Flags::ABORT);
    assert_eq!(process.wakes(), 2);
    assert!(cell.flags(id).unwrap().contains(Flags::SHUTDOWN | Flags::ABORT));
}

#[test]
fn shutdown_wakes_all_waiters_and_abort_none() {
    let Life { cell, id } = life();
    let waiters: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
    for waiter in &waiters {
        cell.register_waiter(id, &mut None, &waiter.waker());
    }
    cell.request(Flags::ABORT);
    assert!(waiters.iter().all(|waiter| waiter.wakes() == 0));
    cell.request(Flags::SHUTDOWN);
    assert!(waiters.iter().all(|waiter| waiter.wakes() == 1));
}

#[test]
fn a_dropped_wait_is_deregistered_wherever_it_was() {
    let Life { cell, id } = life();
    let waiters: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
    let mut keys = [None; 3];
    for (waiter, key) in waiters.iter().zip(&mut keys) {
        cell.register_waiter(id, key, &waiter.waker());
    }
    cell.deregister_waiter(keys[0].unwrap());
    cell.deregister_waiter(keys[2].unwrap());
    assert_eq!(Arc::strong_count(&waiters[0]), 1, "its waker is gone");
    assert_eq!(Arc::strong_count(&waiters[2]), 1, "its waker is gone");
    cell.request(Flags::SHUTDOWN);
    assert_eq!(waiters.iter().map(|waiter| waiter.wakes()).collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn a_waiter_that_is_polled_by_another_task_is_woken_there() {
    let Life { cell, id } = life();
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let mut key = None;
    cell.register_waiter(id, &mut key, &first.waker());
    cell.register_waiter(id, &mut key, &second.waker());
    cell.request(Flags::SHUTDOWN);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn the_end_fires_all_waits_and_forgets_the_process() {
    let Life { cell, id } = life();
    let (process, waiter) = (Arc::new(Count::default()), Arc::new(Count::default()));
    cell.register_process(id, &process.waker());
    cell.register_waiter(id, &mut None, &waiter.waker());
    assert_eq!(cell.process(), Some(id));
    cell.end(id, false);
    assert!(cell.is_shutdown(id));
    assert_eq!(cell.process(), None);
    assert_eq!((process.wakes(), waiter.wakes()), (1, 1));
    assert_eq!(Arc::strong_count(&process), 1, "no cycle is left");
}

#[test]
fn p5_an_earlier_incarnation_sees_no_request_to_its_successor() {
    let Life { cell, id: first } = life();
    cell.end(first, false);
    let second = ProcessId::next();
    cell.begin(second, Flags::NONE);
    assert_eq!(cell.flags(first), None);
    assert!(cell.is_shutdown(first), "its own time is over");
    assert!(!cell.is_shutdown(second));
    let stale = Arc::new(Count::default());
    cell.register_process(first, &stale.waker());
    cell.register_waiter(first, &mut None, &stale.waker());
    cell.end(first, false);
    cell.request(Flags::SHUTDOWN);
    assert_eq!(stale.wakes(), 0);
    assert!(cell.is_shutdown(second));
    assert_eq!(cell.process(), Some(second), "the stale end changed nothing");
}

#[test]
fn p5_a_request_after_the_end_does_not_reach_the_successor() {
    let Life { cell, id } = life();
    cell.end(id, false);
    cell.request(Flags::SHUTDOWN | Flags::ABORT);
    let next = ProcessId::next();
    cell.begin(next, Flags::NONE);
    assert_eq!(cell.flags(next), Some(Flags::NONE));
}

#[test]
fn r78_only_the_process_says_that_a_child_is_released() {
    let Life { cell, id } = life();
    cell.end(id, false);
    cell.request(Flags::NO_SUCCESSOR);
    assert!(!cell.has_released(), "the process had read the flag before");
    let next = ProcessId::next();
    cell.begin(next, Flags::NO_SUCCESSOR);
    assert!(!cell.has_released());
    cell.end(next, true);
    assert!(cell.has_released());
    cell.begin(ProcessId::next(), Flags::NONE);
    assert!(!cell.has_released(), "its successor has not done that");
}

#[test]
fn an_end_without_a_signal_wakes_other_waiters_of_the_task() {
    let Life { cell, id } = life();
    let task = Arc::new(Count::default());
    cell.register_process(id, &task.waker());
    // Another process that the same task polls waits for this one: it takes no place of its own.
    let mut key = None;
    cell.register_waiter(id, &mut key, &task.waker());
    assert!(key.is_none());
    cell.end(id, false);
    assert_eq!(task.wakes(), 1);
    assert!(cell.is_shutdown(id));

    cell.begin(ProcessId::next(), Flags::NONE);
    let id = cell.process().unwrap();
    cell.register_process(id, &task.waker());
    cell.request(Flags::SHUTDOWN);
    cell.end(id, false);
    assert_eq!(task.wakes(), 2, "it was told by the signal");
}
