//! How a program ends: by signals, by itself, and whatever is blocked.
//!
//! Each test starts this test program again, as the program under test: [`the_program_under_test`] is one if the environment
//! says so. Time is real here, so every limit is a generous upper one.
#![cfg(unix)]

use std::{
    env,
    future::{Future, Ready, pending},
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    panic,
    process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use supervision::{
    AutoShutdown, Backoff, ProcessShutdown, RestartStrategy, RestartType, ShutdownStrategy, Supervisor,
    SupervisorError, Tokio, exit, process, worker, worker_with_setup,
};
use tokio::runtime::{Builder, Runtime};

const PROGRAM: &str = "SUPERVISION_PROGRAM";
const EXECUTOR: &str = "SUPERVISION_EXECUTOR";
/// Nothing that is tested here takes a second, and nothing that is blocked ends within this.
const SOON: Duration = Duration::from_secs(3);
const FOR_EVER: Duration = Duration::from_secs(600);
const MOMENT: Duration = Duration::from_millis(100);

const TOKIO: [&str; 2] = ["tokio 2", "tokio 4"];
const ONE_THREAD: &str = "tokio 1";
#[cfg(feature = "smol")]
const SMOL: [&str; 2] = ["smol", "block_on"];
#[cfg(not(feature = "smol"))]
const SMOL: [&str; 0] = [];

/// Returns all executors, and of those the ones that have another thread when one is blocked.
fn executors() -> impl Iterator<Item = &'static str> {
    TOKIO.into_iter().chain([ONE_THREAD]).chain(SMOL)
}

fn executors_with_threads() -> impl Iterator<Item = &'static str> {
    executors().filter(|executor| ![ONE_THREAD, "block_on"].contains(executor))
}

#[test]
fn sigterm_ends_a_program_in_which_a_poll_blocks_and_names_it() {
    for executor in executors_with_threads() {
        let mut program = Program::start("blocked", executor);
        program.says("blocked");
        // The others have gone to sleep.
        thread::sleep(2 * MOMENT);
        let asked = Instant::now();
        program.signal("TERM");
        let end = program.end();
        assert!(asked.elapsed() < SOON, "{executor}: {:?}", asked.elapsed());
        assert_eq!(end.status.code(), Some(1), "{executor}: {end:?}");
        assert!(end.stderr.starts_with("error: shutdown was not clean: "), "{executor}: {end:?}");
        assert!(end.stderr.contains("root.blocker"), "{executor}: {end:?}");
    }
}

#[test]
fn a_second_signal_aborts_at_once_what_takes_long_to_stop() {
    for executor in executors() {
        for (signal, code) in [("TERM", 143), ("INT", 130)] {
            let mut program = Program::start("deaf", executor);
            program.says("ready");
            program.signal("INT");
            program.says("asked");
            let asked = Instant::now();
            program.signal(signal);
            let end = program.end();
            assert!(asked.elapsed() < SOON, "{executor}: {:?}", asked.elapsed());
            assert_eq!(end.status.code(), Some(code), "{executor}: {end:?}");
            let first = format!(
                "error: forced by SIG{signal}, the second signal: shutdown was not clean: `root.deaf` was killed"
            );
            assert!(end.stderr.starts_with(&first), "{executor}: {end:?}");
        }
    }
}

#[cfg(feature = "tracing")]
#[test]
fn the_log_names_the_signals_that_stop_a_program() {
    for executor in executors() {
        let mut program = Program::start("logged", executor);
        program.says("ready");
        program.signal("TERM");
        program.says("asked");
        program.signal("INT");
        let end = program.end();
        let aborts =
            "root is aborting what is left: SIGINT, the second signal; still stopping: root.deaf (9m 59s left) ";
        for line in ["root is shutting down: SIGTERM ", aborts] {
            assert!(end.stderr.contains(line), "{executor}: {end:?}");
        }
    }
}

#[cfg(feature = "tracing")]
#[test]
fn the_log_says_when_a_signal_came_that_was_seen_late() {
    let mut program = Program::start("blocked a while", ONE_THREAD);
    program.says("blocked");
    program.signal("TERM");
    let end = program.end();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    assert!(end.stderr.contains("root is shutting down: SIGTERM (received "), "{end:?}");
    assert!(end.stderr.contains("ms ago) "), "{end:?}");
}

#[test]
fn after_a_second_signal_the_next_one_has_its_default_effect() {
    for executor in executors_with_threads() {
        let mut program = Program::start("stubborn", executor);
        program.says("blocked");
        program.signal("TERM");
        program.says("asked");
        // When the second one has taken effect cannot be seen from outside.
        let asked = Instant::now();
        while program.is_running() && asked.elapsed() < SOON {
            program.signal("TERM");
            thread::sleep(MOMENT / 2);
        }
        let end = program.end();
        assert_eq!(end.status.signal(), Some(15), "{executor}: {end:?}");
    }
}

#[test]
fn a_tree_that_stops_well_is_exit_code_zero_and_says_nothing() {
    for executor in executors() {
        for signal in ["INT", "TERM"] {
            let mut program = Program::start("well", executor);
            program.says("ready");
            program.signal(signal);
            let end = program.end();
            assert_eq!((end.status.code(), end.stderr.as_str()), (Some(0), ""), "{executor}: {end:?}");
        }
    }
}

#[test]
fn after_the_run_signals_have_their_default_effect_again() {
    for executor in executors() {
        let mut program = Program::start("over", executor);
        program.says("ready");
        program.signal("TERM");
        program.says("over");
        program.signal("INT");
        let end = program.end();
        assert_eq!(end.status.signal(), Some(2), "{executor}: {end:?}");
    }
}

#[test]
fn one_run_after_the_other_hears_signals() {
    for executor in executors() {
        let mut program = Program::start("twice", executor);
        for _ in 0..2 {
            program.says("ready");
            program.signal("TERM");
        }
        let end = program.end();
        assert_eq!(end.status.code(), Some(0), "{executor}: {end:?}");
    }
}

#[test]
fn a_signal_is_heard_by_every_run_there_is() {
    let mut program = Program::start("both", "tokio 2");
    program.says("ready");
    program.says("ready");
    program.signal("TERM");
    let end = program.end();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
}

#[test]
fn no_listening_thread_is_left_after_the_run() {
    let mut program = Program::start("threads", "tokio 2");
    program.says("ready");
    program.signal("TERM");
    let end = program.end();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
}

#[test]
fn a_main_that_returns_has_the_same_text_and_codes() {
    for (program, ..) in ENDS {
        for executor in executors().filter(|executor| *executor != "block_on") {
            let [exits, returns] = ["", "returns "].map(|how| {
                let mut program = Program::start(&format!("{how}{program}"), executor);
                program.drive();
                let End { status, stderr } = program.end();
                // How long ago a restart was differs.
                let lines = stderr.lines().filter(|line| !line.contains(" earlier: ")).map(str::to_owned);
                (status.code(), lines.collect::<Vec<_>>())
            });
            assert_eq!(exits, returns, "{executor}: {program}");
        }
    }
}

#[test]
fn the_first_line_says_which_kind_of_end_it_was() {
    for (program, code, first) in ENDS {
        for executor in executors() {
            let mut it = Program::start(program, executor);
            it.drive();
            let end = it.end();
            assert_eq!(end.status.code(), Some(code), "{executor}: {end:?}");
            assert_eq!(end.stderr.lines().next().unwrap_or_default(), first, "{executor}: {end:?}");
        }
    }
}

#[test]
fn only_a_main_that_returns_runs_its_destructors() {
    for executor in ["tokio 2", ONE_THREAD] {
        for (program, runs) in [("well", false), ("returns well", true)] {
            let mut it = Program::start(program, executor);
            let said = it.drive();
            assert_eq!(said.contains("destructor"), runs, "{executor}, {program}: {said}");
            assert_eq!(it.end().status.code(), Some(0), "{executor}, {program}");
        }
    }
}

#[test]
fn a_code_of_ones_own_is_asked_for_and_may_decline() {
    for how in ["", "returns "] {
        for executor in executors().filter(|executor| *executor != "block_on") {
            for (program, code) in
                [("own code", 75), ("own code declines", 1), ("own code panics", 1), ("own code forced", 143)]
            {
                let mut it = Program::start(&format!("{how}{program}"), executor);
                it.drive();
                let end = it.end();
                assert_eq!(end.status.code(), Some(code), "{executor}, {program}: {end:?}");
                assert!(end.stderr.contains("error: "), "{executor}, {program}: {end:?}");
            }
        }
    }
}

#[test]
fn an_invalid_tree_is_exit_code_one_with_the_reason() {
    for executor in ["tokio 2", ONE_THREAD] {
        let end = Program::start("invalid", executor).end();
        assert_eq!(end.status.code(), Some(1), "{executor}: {end:?}");
        assert!(end.stderr.starts_with("error: `root` has an invalid specification"), "{executor}: {end:?}");
    }
}

#[test]
fn a_supervisor_that_gave_up_tells_why_line_by_line() {
    let end = Program::start("gives up", "tokio 2").end();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    let lines: Vec<_> = end.stderr.lines().collect();
    let first = "error: `root` gave up: more than 1 restart in 5s; last failure: `root.w` failed: no luck";
    assert_eq!(lines[0], first, "{end:?}");
    assert!(lines[1].starts_with("  ") && lines[1].ends_with(" earlier: `root.w` failed: no luck"), "{end:?}");
    assert_eq!(lines.len(), 2, "{end:?}");
}

#[test]
fn a_main_that_returns_the_error_prints_the_same() {
    let end = Program::start("gives up in main", "tokio 2").end();
    let lines: Vec<_> = end.stderr.lines().collect();
    let first = "Error: `root` gave up: more than 1 restart in 5s; last failure: `root.w` failed: no luck";
    assert_eq!((lines[0], lines.len()), (first, 2), "{end:?}");
    assert!(lines[1].starts_with("  ") && lines[1].ends_with(" earlier: `root.w` failed: no luck"), "{end:?}");
}

#[test]
fn a_give_up_further_below_is_printed_once() {
    let end = Program::start("gives up below", "tokio 2").end();
    let expected = "error: `root` gave up: more than 0 restarts in 5s; last failure: `root.api` gave up: \
                    more than 0 restarts in 5s; last failure: `root.api.w` failed: no luck\n";
    assert_eq!(end.stderr, expected);
}

#[cfg(feature = "systemd")]
#[test]
fn systemd_learns_of_the_program_by_its_environment() {
    for executor in executors() {
        let path = env::temp_dir().join(format!("supervision-program-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(5 * SOON)).unwrap();
        let next = || {
            let mut buffer = [0; 1024];
            let length = socket.recv(&mut buffer).expect("a message in time");
            String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()
        };
        let vars = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
        let mut program = Program::start_with("under systemd", executor, &vars);
        program.says("ready");
        while next() != "READY=1\nSTATUS=ready" {}
        while next() != "WATCHDOG=1" {}
        program.signal("TERM");
        while next() != "STOPPING=1\nSTATUS=stopping" {}
        let end = program.end();
        assert_eq!((end.status.code(), end.stderr.as_str()), (Some(0), ""), "{executor}: {end:?}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[cfg(feature = "systemd")]
#[test]
fn an_environment_of_systemd_without_meaning_is_exit_code_one() {
    let vars = [("NOTIFY_SOCKET", "/run/notify"), ("WATCHDOG_USEC", "much")];
    let end = Program::start_with("under systemd", "tokio 2", &vars).end();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    let first = "error: cannot run the tree: WATCHDOG_USEC=\"much\" in the environment: ";
    assert!(end.stderr.starts_with(first), "{end:?}");
}

#[test]
fn a_thread_that_locks_stderr_does_not_hold_up_the_end() {
    let begin = Instant::now();
    let end = Program::start("silent", "tokio 2").end();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert_eq!(end.status.code(), Some(0), "{end:?}");
}

#[test]
fn timers_of_a_dead_runtime_do_not_reach_the_panic_hook() {
    for executor in executors_with_threads() {
        let mut program = Program::start("dead runtime", executor);
        program.says("dead");
        program.signal("TERM");
        let end = program.end();
        assert!(end.status.code().is_some(), "{executor}: {end:?}");
    }
}

/// Programs, with the code and the first line with which each ends.
const ENDS: [(&str, i32, &str); 6] = [
    ("well", 0, ""),
    ("gives up", 1, "error: `root` gave up: more than 1 restart in 5s; last failure: `root.w` failed: no luck"),
    ("fails to start", 1, "error: `root.w` failed to start: no luck"),
    ("unclean", 1, "error: shutdown was not clean: `root.deaf` was aborted: did not stop in time"),
    (
        "deaf",
        143,
        "error: forced by SIGTERM, the second signal: shutdown was not clean: `root.deaf` was killed before it had stopped",
    ),
    ("significant", 1, "error: `root` shut down because its significant child `root.w` failed: no luck"),
];

/// The programs. Each says a word when it is time for the test's next step.
#[test]
fn the_program_under_test() {
    let (Ok(program), Ok(executor)) = (env::var(PROGRAM), env::var(EXECUTOR)) else { return };
    let mut root = Supervisor::new("root").unwrap();
    let (returns, program) = match program.strip_prefix("returns ") {
        Some(program) => (true, program),
        None => (false, program.as_str()),
    };
    let finish =
        |executor: &str, root: Supervisor| if returns { finish_main(executor, root) } else { finish(executor, root) };
    match program {
        "blocked" => {
            root = root.with_abort_grace(2 * MOMENT);
            root.add_worker(blocker().with_shutdown_strategy(ShutdownStrategy::Graceful(MOMENT)));
            root.add_worker(worker("idle", |shutdown| shutdown));
            finish(&executor, root)
        }
        "deaf" | "logged" | "own code forced" => {
            #[cfg(feature = "tracing")]
            if program == "logged" {
                tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
            }
            root.add_worker(
                worker("deaf", |shutdown: ProcessShutdown| async {
                    println!("ready");
                    shutdown.await;
                    println!("asked");
                    pending::<()>().await;
                })
                .with_shutdown_strategy(ShutdownStrategy::Graceful(FOR_EVER)),
            );
            if program == "own code forced" {
                end_with(&executor, returns, root, |_| Some(75));
            }
            finish(&executor, root)
        }
        #[cfg(feature = "tracing")]
        "blocked a while" => {
            tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
            root.add_worker(worker("blocker", |shutdown: ProcessShutdown| async {
                println!("blocked");
                thread::sleep(8 * MOMENT);
                shutdown.await;
            }));
            finish(&executor, root)
        }
        "unclean" => {
            root.add_worker(
                worker("deaf", |shutdown: ProcessShutdown| async {
                    println!("ready");
                    shutdown.await;
                    pending::<()>().await;
                })
                .with_shutdown_strategy(ShutdownStrategy::Graceful(MOMENT)),
            );
            finish(&executor, root)
        }
        "fails to start" => {
            root.add_worker(worker_with_setup("w", async |_| Err::<Ready<()>, _>("no luck".into())));
            finish(&executor, root)
        }
        "significant" => {
            root = root.with_auto_shutdown(AutoShutdown::AnySignificant);
            let job = worker("w", |_| async { Err::<(), _>("no luck") });
            root.add_worker(job.with_restart_type(RestartType::Temporary).with_significance());
            finish(&executor, root)
        }
        "own code" | "own code declines" | "own code panics" => {
            root.add_worker(worker("w", |_| async { Err::<(), _>("no luck") }));
            let how = program.to_owned();
            end_with(&executor, returns, root, move |error| match how.as_str() {
                "own code" => matches!(error, SupervisorError::GaveUp(_)).then_some(75),
                "own code declines" => None,
                _ => panic!("the hook panics"),
            })
        }
        "stubborn" => {
            root = root.with_abort_grace(FOR_EVER);
            root.add_worker(blocker());
            root.add_worker(worker("witness", |shutdown: ProcessShutdown| async {
                shutdown.await;
                println!("asked");
            }));
            finish(&executor, root)
        }
        #[cfg(feature = "systemd")]
        "under systemd" => {
            match supervision::systemd::Systemd::from_env() {
                Ok(systemd) => root.add_worker(systemd),
                Err(error) => exit(Err(error)),
            };
            finish(&executor, ready(root))
        }
        "well" => finish(&executor, ready(root)),
        "over" => {
            drive(&executor, ready(root)).unwrap();
            println!("over");
            thread::sleep(FOR_EVER);
        }
        "twice" => {
            drive(&executor, ready(root)).unwrap();
            finish(&executor, ready(Supervisor::new("root").unwrap()))
        }
        "both" => {
            let other = ready(Supervisor::new("other").unwrap());
            runtime(2).block_on(async {
                let other = tokio::spawn(async { supervision::run(other).until_signal().await });
                let outcome = supervision::run(ready(root)).until_signal().await;
                exit(outcome.and(other.await.unwrap()))
            })
        }
        "threads" => {
            drive(&executor, ready(root)).unwrap();
            let begin = Instant::now();
            // It ends by itself; nothing waits for it.
            while threads().contains(&"supervision-sig".to_owned()) {
                assert!(begin.elapsed() < SOON, "{:?}", threads());
                thread::sleep(MOMENT / 10);
            }
            std::process::exit(0)
        }
        "invalid" => {
            let strategy = RestartStrategy::one_for_one().with_intensity_and_period(1, Duration::ZERO);
            finish(&executor, root.with_restart_strategy(strategy))
        }
        "gives up" => {
            root.add_worker(worker("w", |_| async { Err::<(), _>("no luck") }));
            finish(&executor, root)
        }
        "gives up in main" => {
            root.add_worker(worker("w", |_| async { Err::<(), _>("no luck") }));
            // As the runtime of Rust does with what `main` returns.
            let _ = std::process::Termination::report(drive(&executor, root));
            std::process::exit(1)
        }
        "gives up below" => {
            let none = RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(5));
            let mut api = Supervisor::new("api").unwrap().with_restart_strategy(none);
            api.add_worker(worker("w", |_| async { Err::<(), _>("no luck") }));
            root.add_worker(api);
            finish(&executor, root.with_restart_strategy(none))
        }
        "silent" => {
            thread::spawn(|| {
                let _kept = (std::io::stderr().lock(), std::io::stdout().lock());
                thread::sleep(FOR_EVER);
            });
            thread::sleep(MOMENT);
            exit(Ok(()))
        }
        "dead runtime" => {
            panic::set_hook(Box::new(|_| std::process::abort()));
            let doomed = runtime(2);
            let spawner = Tokio::try_from(doomed.handle().clone()).unwrap();
            let mut below = Supervisor::new("below")
                .unwrap()
                .with_child_placement(spawner)
                .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(1_000_000, MOMENT))
                .with_default_backoff(Backoff::exponential(MOMENT, MOMENT));
            below.add_worker(worker("w", |_| async {
                process::sleep(MOMENT / 10).await;
                Err::<(), _>("again")
            }));
            below.add_worker(worker("watched", |_| pending::<()>()).with_watchdog(FOR_EVER));
            root.add_worker(below);
            let handle = root.handle();
            thread::spawn(move || {
                thread::sleep(MOMENT / 2);
                drop(doomed);
                thread::sleep(3 * MOMENT);
                println!("dead");
                let _kept = handle;
            });
            finish(&executor, root)
        }
        _ => unreachable!("no program {program}"),
    }
}

/// Says so when it blocks its thread, which it does in a poll that a timer has woken.
fn blocker() -> supervision::ChildSpec {
    worker("blocker", |shutdown: ProcessShutdown| async {
        process::sleep(MOMENT / 2).await;
        println!("blocked");
        thread::sleep(FOR_EVER);
        shutdown.await;
    })
}

/// Makes a tree with a worker that reports when it is ready, and stops well.
fn ready(mut root: Supervisor) -> Supervisor {
    root.add_worker(worker("w", |shutdown| {
        println!("ready");
        shutdown
    }));
    root
}

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

/// Runs the tree with exit codes of its own.
fn end_with(
    executor: &str,
    returns: bool,
    root: Supervisor,
    code: impl FnOnce(&SupervisorError) -> Option<u8> + Send + 'static,
) -> ! {
    let run = async { supervision::run(root).until_signal().with_exit_code(code) };
    let ends = async {
        let run = run.await;
        if returns { run.exit_code().await } else { run.exit().await }
    };
    leave(block_on(executor, ends))
}

/// Runs the tree in a `main` that returns.
fn finish_main(executor: &str, root: Supervisor) -> ! {
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            println!("destructor");
        }
    }
    let code = {
        let _last = Last;
        block_on(executor, async { supervision::run(root).until_signal().exit_code().await })
    };
    leave(code)
}

/// Ends as the runtime of Rust does after `main`.
fn leave(code: ExitCode) -> ! {
    use std::process::Termination;

    // What a code is cannot be read otherwise.
    let code = format!("{:?}", code.report());
    let digits: String = code.chars().filter(char::is_ascii_digit).collect();
    std::process::exit(digits.parse().unwrap())
}

fn block_on<F: Future>(executor: &str, future: F) -> F::Output {
    match executor {
        #[cfg(feature = "smol")]
        "smol" => smol::block_on(future),
        "tokio 1" => Builder::new_current_thread().enable_all().build().unwrap().block_on(future),
        "tokio 2" => runtime(2).block_on(future),
        "tokio 4" => runtime(4).block_on(future),
        _ => unreachable!("no executor {executor}"),
    }
}

/// Runs the tree as the last line of `main` does.
fn finish(executor: &str, root: Supervisor) -> ! {
    match executor {
        #[cfg(feature = "smol")]
        "smol" => smol::block_on(supervision::run(root).until_signal().exit()),
        "tokio 1" => Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async { supervision::run(root).until_signal().exit().await }),
        "tokio 2" => runtime(2).block_on(supervision::run(root).until_signal().exit()),
        "tokio 4" => runtime(4).block_on(supervision::run(root).until_signal().exit()),
        _ => exit(drive(executor, root)),
    }
}

/// Runs the tree, and goes on after it.
fn drive(executor: &str, root: Supervisor) -> Result<(), SupervisorError> {
    match executor {
        #[cfg(feature = "smol")]
        "smol" => smol::block_on(async { supervision::run(root).until_signal().await }),
        #[cfg(feature = "smol")]
        "block_on" => supervision::block_on(root, |run| run.until_signal()),
        "tokio 1" => {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { supervision::run(root).until_signal().await })
        }
        "tokio 2" => runtime(2).block_on(async { supervision::run(root).until_signal().await }),
        "tokio 4" => runtime(4).block_on(async { supervision::run(root).until_signal().await }),
        _ => unreachable!("no executor {executor}"),
    }
}

/// Returns the names of this program's threads, as far as the system keeps them.
fn threads() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

/// A program under test, from outside.
struct Program {
    child: Child,
    words: BufReader<ChildStdout>,
}

#[derive(Debug)]
struct End {
    status: ExitStatus,
    stderr: String,
}

impl Program {
    fn start(program: &str, executor: &str) -> Self {
        Self::start_with(program, executor, &[])
    }

    fn start_with(program: &str, executor: &str, vars: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_program_under_test", "--nocapture", "--quiet"])
            .env(PROGRAM, program)
            .env(EXECUTOR, executor)
            .env("SMOL_THREADS", "2")
            .envs(vars.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let words = BufReader::new(child.stdout.take().unwrap());
        Self { child, words }
    }

    /// Waits for this word.
    #[track_caller]
    fn says(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            let length = self.words.read_line(&mut line).unwrap();
            assert!(length > 0, "ended before it said `{word}`");
        }
    }

    /// Brings it to its end: one that says that it is ready is asked to stop, and asked again if it says that it was asked.
    /// Returns all that it says.
    fn drive(&mut self) -> String {
        let mut said = String::new();
        loop {
            let begin = said.len();
            if self.words.read_line(&mut said).unwrap() == 0 {
                return said;
            }
            if let "ready" | "asked" = said[begin..].trim() {
                self.signal("TERM");
            }
        }
    }

    fn signal(&self, signal: &str) {
        // It may have ended meanwhile.
        let _ = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).stderr(Stdio::null()).status();
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end, and ends it if that does not come.
    #[track_caller]
    fn end(mut self) -> End {
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begin.elapsed() < 5 * SOON => thread::sleep(MOMENT / 20),
                None => {
                    self.child.kill().unwrap();
                    self.child.wait().unwrap();
                    panic!("it does not end");
                }
            }
        };
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        End { status, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
