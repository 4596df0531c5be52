//! The place of a panic, in a program that captures panics. A program has one hook, so these tests are a program of their own.

use std::{
    panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind},
    process::Command,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use supervision::{
    ChildSpec, EventKind, Exit, Failure, InitializationError, ProcessShutdown, RestartType, StartFailure, Supervisable,
    Supervisor, SupervisorFuture, capture_panics, sim::Sim, worker,
};

static BEFORE: AtomicUsize = AtomicUsize::new(0);
static AFTER: AtomicUsize = AtomicUsize::new(0);

/// Sets a hook, captures panics more than once, and sets another hook that calls the one before.
fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|_| {
            BEFORE.fetch_add(1, SeqCst);
        }));
        capture_panics();
        capture_panics();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            AFTER.fetch_add(1, SeqCst);
            before(info);
        }));
    });
    capture_panics();
}

/// Returns how a child failed.
fn failure_of(child: impl Into<ChildSpec>) -> Failure {
    let sim = Sim::with_seed(1);
    let tree = sim.start(Supervisor::dynamic("root").unwrap()).unwrap();
    let mut events = tree.events();
    sim.run_until(async {
        let _ = tree.handle().start_child(child.into().with_restart_type(RestartType::Temporary)).await;
        loop {
            match &events.next().await.unwrap().kind {
                EventKind::Exited(Exit::Panicked(failure))
                | EventKind::StartFailed(StartFailure::Panicked(failure)) => return failure.clone(),
                _ => {}
            }
        }
    })
}

fn line(failure: &Failure) -> Option<u32> {
    let location = failure.location()?;
    assert!(location.file().ends_with("panics.rs") && location.column() > 0, "{location}");
    Some(location.line())
}

#[test]
fn p12_a_process_that_panicked_says_where() {
    capture();
    let here = line!() + 1;
    let failure = failure_of(worker("a", |_| async { panic!("no {}", "peer") }));
    assert_eq!((failure.message(), line(&failure)), ("no peer", Some(here)));
    let exit = Exit::Panicked(failure.clone()).to_string();
    assert_eq!(exit, format!("panicked at {}: no peer", failure.location().unwrap()));
    assert!(exit.contains("tests/panics.rs:"), "{exit}");
}

struct Unborn;

impl Supervisable for Unborn {
    fn name(&self) -> &str {
        "unborn"
    }

    async fn initialize(&self, _: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        std::hint::black_box(None::<()>).expect("a plan");
        Err(InitializationError::ignore())
    }
}

#[test]
fn p12_a_set_up_that_panicked_says_where() {
    capture();
    let failure = failure_of(Unborn);
    let location = failure.location().unwrap();
    let said = format!("{:#}", StartFailure::Panicked(failure.clone()));
    assert_eq!(said, format!("failed to start: panicked at {location}: a plan"));
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn p12_a_destructor_that_panicked_says_where() {
    capture();
    let here = line!() + 2;
    let failure = failure_of(worker("a", |_| async {
        let _bomb = OnDrop(|| panic!("in drop"));
    }));
    assert_eq!((failure.message(), line(&failure)), ("in drop", Some(here)));
}

#[test]
fn p12_a_panic_that_was_caught_is_not_the_one_that_ended_it() {
    capture();
    let failure = failure_of(worker("a", |_| async {
        let caught = catch_unwind(|| panic!("harmless"));
        assert!(caught.is_err());
        resume_unwind(Box::new("not said by the hook"));
    }));
    assert_eq!((failure.message(), failure.location()), ("not said by the hook", None));
    // One that is resumed as it was is the same panic.
    let here = line!() + 2;
    let failure = failure_of(worker("a", |_| async {
        let caught = catch_unwind(|| panic!("harmful")).unwrap_err();
        resume_unwind(caught);
    }));
    assert_eq!((failure.message(), line(&failure)), ("harmful", Some(here)));
}

#[test]
fn p12_a_tree_that_runs_while_another_unwinds_takes_nothing_from_it() {
    capture();
    let here = line!() + 6;
    let failure = failure_of(worker("outer", |_| async {
        let _inner = OnDrop(|| {
            let inner = failure_of(worker("inner", |_| async { panic!("inner") }));
            assert_eq!(inner.message(), "inner");
        });
        panic!("outer");
    }));
    assert_eq!((failure.message(), line(&failure)), ("outer", Some(here)));
}

#[test]
fn p12_the_hooks_of_the_program_hear_each_panic_once() {
    capture();
    let heard = || (BEFORE.load(SeqCst), AFTER.load(SeqCst));
    let before = heard();
    // A panic outside of processes, which changes nothing here.
    thread::spawn(|| panic!("outside")).join().unwrap_err();
    let _ = catch_unwind(AssertUnwindSafe(|| panic!("outside")));
    let after = heard();
    // Other tests panic meanwhile.
    assert!(after.0 >= before.0 + 2 && after.1 >= before.1 + 2);
    let failure = failure_of(worker("a", |_| async { resume_unwind(Box::new("outside")) }));
    assert_eq!(failure.location(), None);
}

/// Checks this environment; the next test calls it in others.
#[test]
fn p12_a_backtrace_is_there_if_the_environment_asks() {
    capture();
    let asked = |name: &str| std::env::var(name).ok().map(|asked| asked != "0");
    let is_asked = asked("RUST_LIB_BACKTRACE").or_else(|| asked("RUST_BACKTRACE")).unwrap_or(false);
    let failure = failure_of(worker("a", |_| async { panic!("boom") }));
    assert_eq!(failure.backtrace().is_some(), is_asked);
}

#[test]
fn p12_a_backtrace_costs_nothing_unless_asked_for() {
    for asked in ["0", "1"] {
        let test = "p12_a_backtrace_is_there_if_the_environment_asks";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", test]).env("RUST_LIB_BACKTRACE", asked).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{asked}: {said}");
    }
}

#[test]
#[cfg(feature = "serde")]
fn p12_a_location_is_read_as_it_was_written() {
    capture();
    let exit = Exit::Panicked(failure_of(worker("a", |_| async { panic!("boom") })));
    let json = serde_json::to_value(&exit).unwrap();
    let Exit::Panicked(failure) = serde_json::from_value(json.clone()).unwrap() else { panic!("{json}") };
    let location = failure.location().unwrap();
    assert_eq!(
        json["location"],
        serde_json::json!({
            "file": location.file(), "line": location.line(), "column": location.column(),
        })
    );
    assert_eq!(Exit::Panicked(failure).to_string(), exit.to_string());
}
