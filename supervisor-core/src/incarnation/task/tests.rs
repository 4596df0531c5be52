use std::{
    future::{pending, ready},
    panic::panic_any,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Wake,
};

use super::*;
use crate::incarnation::{ChildId, ControlCell};

/// A supervisor and a child in one, that writes down what happens.
struct World {
    cell: ControlCell,
    log: Mutex<Vec<String>>,
    woken: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self { cell: ControlCell::new(), log: Mutex::default(), woken: AtomicUsize::new(0) })
    }

    fn say(&self, line: impl Into<String>) {
        self.log.lock().unwrap().push(line.into());
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn process<L: ProcessBody>(self: &Arc<Self>, body: L) -> Process {
        let id = ProcessId::next();
        self.cell.begin(id, Flags::NONE);
        let process_key = ProcessKey::only(ChildId::FIRST);
        let context = ProcessContext {
            id,
            process_key,
            control: self.clone(),
            parent: self.clone(),
            quiescence: Quiescence::uncounted(),
        };
        Process::new(context, body)
    }
}

impl Control for World {
    fn cell(&self) -> &ControlCell {
        &self.cell
    }

    fn name(&self) -> &str {
        "child"
    }

    fn release(&self) {
        self.say("released");
    }
}

impl Parent for World {
    fn report(&self, report: Report) {
        let flag = if current(|_| ()).is_some() { " (in its context)" } else { "" };
        self.say(match report.kind {
            ReportKind::Ready => format!("ready{flag}"),
            ReportKind::Acknowledged => format!("acknowledged{flag}"),
            ReportKind::Exited(exit) => format!("{exit}{flag}"),
            ReportKind::Vacated => "vacated".into(),
            ReportKind::Unclean(unclean) => format!("{} unclean", unclean.len()),
            ReportKind::Held => "held".into(),
        });
    }

    fn path_of(&self, segment: &str) -> String {
        format!("root.{segment}")
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Wake for World {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, SeqCst);
    }
}

pin_project! {
    struct Once<F> {
        #[pin]
        future: F,
        unready: bool,
    }
}

impl<F: Future<Output = Exit> + Send + 'static> ProcessBody for Once<F> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let this = self.project();
        if std::mem::take(this.unready) {
            return Poll::Ready(Step::Ready);
        }
        this.future.poll(cx).map(Step::Ended)
    }
}

fn body<F: Future<Output = Exit>>(future: F) -> Once<F> {
    Once { future, unready: false }
}

/// A value that records when it is dropped, and whether the process's context is there.
struct Tattle(Arc<World>);

impl Drop for Tattle {
    fn drop(&mut self) {
        self.0.say(match current(Current::path) {
            Some(path) => format!("dropped in {path}"),
            None => "dropped".into(),
        });
    }
}

fn poll(process: &mut Process, world: &Arc<World>) -> Poll<()> {
    Pin::new(process).poll(&mut Context::from_waker(&Waker::from(world.clone())))
}

#[test]
fn p2_the_future_is_dropped_in_context_before_the_exit() {
    let world = World::new();
    let tattle = Tattle(world.clone());
    let mut process = world.process(body(async move {
        let _tattle = tattle;
        Exit::Normal
    }));
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(world.log(), ["dropped in root.child", "ended normally"]);
    drop(process);
    assert_eq!(world.log().len(), 2, "one exit, and no more");
}

#[test]
fn p4_a_panic_in_a_poll_is_an_exit_with_its_message() {
    let world = World::new();
    let mut process = world.process(body(async { panic!("boom") }));
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(world.log(), ["panicked: boom"]);
}

#[test]
fn an_abort_brings_about_the_poll_that_drops_the_future() {
    let world = World::new();
    let tattle = Tattle(world.clone());
    let mut process = world.process(body(async move {
        let _tattle = tattle;
        pending().await
    }));
    assert!(poll(&mut process, &world).is_pending());
    world.cell.request(Flags::ABORT);
    assert_eq!(world.woken.load(SeqCst), 1);
    assert_eq!(world.log(), [""; 0]);
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(world.log(), ["dropped in root.child", "was aborted"]);
}

#[test]
fn p1_an_abort_before_the_first_poll_runs_no_user_code() {
    let world = World::new();
    let mut process = world.process(body(async { panic!("polled") }));
    world.cell.request(Flags::ABORT);
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(world.log(), ["was aborted"]);
}

#[test]
fn p8_a_future_that_ends_as_it_is_aborted_ended_normally() {
    let world = World::new();
    let cell = world.clone();
    let mut process = world.process(body(async move {
        cell.cell.request(Flags::ABORT);
        Exit::Normal
    }));
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(world.log(), ["ended normally"]);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

#[test]
fn a_panic_in_a_destructor_at_abort_is_one_exit() {
    let world = World::new();
    let bomb = Bomb;
    let mut process = world.process(body(async move {
        let _bomb = bomb;
        pending().await
    }));
    assert!(poll(&mut process, &world).is_pending());
    world.cell.request(Flags::ABORT);
    assert!(poll(&mut process, &world).is_ready());
    drop(process);
    assert_eq!(world.log(), ["panicked: in a destructor"]);
}

#[test]
fn p1_panics_in_a_poll_and_a_destructor_are_one_exit() {
    struct Both(Bomb);

    impl ProcessBody for Both {
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Step> {
            let _ = &self.0;
            panic_any(7)
        }
    }

    let world = World::new();
    let mut process = world.process(Both(Bomb));
    assert!(poll(&mut process, &world).is_ready());
    drop(process);
    assert_eq!(world.log(), ["panicked: panic with non-string payload"]);
}

#[test]
fn p1_a_process_dropped_by_its_executor_is_lost() {
    let world = World::new();
    let tattle = Tattle(world.clone());
    let mut process = world.process(body(async move {
        let _tattle = tattle;
        pending().await
    }));
    assert!(poll(&mut process, &world).is_pending());
    drop(process);
    assert_eq!(world.log(), ["dropped in root.child", "was dropped by its executor"]);
}

#[test]
fn p1_a_process_that_its_executor_refuses_is_lost() {
    let world = World::new();
    drop(world.process(body(ready(Exit::Normal))));
    assert_eq!(world.log(), ["was dropped by its executor"]);
}

#[test]
fn after_ready_the_process_lets_go_of_the_thread_once() {
    let world = World::new();
    let mut process = world.process(Once { future: ready(Exit::Normal), unready: true });
    assert!(poll(&mut process, &world).is_pending());
    assert_eq!(world.log(), ["ready"]);
    assert_eq!(world.woken.load(SeqCst), 1, "it comes back by itself");
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(world.log(), ["ready", "ended normally"]);
}

#[test]
fn p7_the_context_is_there_in_a_poll_and_nowhere_else() {
    let world = World::new();
    let inner = world.clone();
    let mut process = world.process(body(async move {
        inner.say(current(Current::path).expect("polled in its context"));
        Exit::Normal
    }));
    assert!(current(|_| ()).is_none());
    assert!(poll(&mut process, &world).is_ready());
    assert!(current(|_| ()).is_none());
    assert_eq!(world.log(), ["root.child", "ended normally"]);
}

#[test]
fn p7_a_process_polled_in_another_has_its_own_context() {
    let world = World::new();
    let (outer, inner) = (world.clone(), world.clone());
    let mut process = world.process(body(async move {
        let mine = current(|current| current.id).unwrap();
        let nested = World::new();
        let mut other = nested.process(body(async move {
            assert_ne!(current(|current| current.id).unwrap(), mine);
            Exit::Normal
        }));
        assert!(poll(&mut other, &nested).is_ready());
        assert_eq!(nested.log(), ["ended normally (in its context)"], "in that of the outer one");
        assert_eq!(current(|current| current.id).unwrap(), mine);
        inner.say("outer goes on");
        Exit::Normal
    }));
    assert!(poll(&mut process, &outer).is_ready());
    assert_eq!(world.log(), ["outer goes on", "ended normally"]);
}

#[test]
fn r78_the_last_incarnation_drops_its_spec_before_its_exit() {
    let world = World::new();
    let mut process = world.process(body(pending()));
    world.cell.request(Flags::NO_SUCCESSOR | Flags::ABORT);
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(world.log(), ["released", "was aborted"]);
}

#[test]
fn the_exit_lets_go_of_everything() {
    let world = World::new();
    let mut process = world.process(body(ready(Exit::Normal)));
    assert!(poll(&mut process, &world).is_ready());
    assert_eq!(Arc::strong_count(&world), 1, "though the task itself is still there");
    drop(process);
}

#[test]
fn a_process_moved_to_another_waker_is_woken_there() {
    let (world, other) = (World::new(), World::new());
    let mut process = world.process(body(pending()));
    assert!(poll(&mut process, &world).is_pending());
    assert!(poll(&mut process, &other).is_pending());
    world.cell.request(Flags::ABORT);
    assert_eq!((world.woken.load(SeqCst), other.woken.load(SeqCst)), (0, 1));
}
