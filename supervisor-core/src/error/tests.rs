//! Every error, in each of its forms, says each thing once.

use std::{error::Error, fmt, iter::successors, sync::Arc, time::Duration};

use super::*;
use crate::id::ChildId;

/// What user code says: with a source, and with what has to be escaped.
const CODE: &str = "cannot open\nthe spool";
const SHOWN: &str = r"cannot open\nthe spool: disk on fire";

#[derive(Debug, thiserror::Error)]
#[error("{CODE}")]
struct Outer(#[source] std::io::Error);

fn failure() -> Failure {
    Failure::from_error(&Outer(std::io::Error::other("disk on fire")))
}

fn name(path: &str) -> String {
    path.to_owned()
}

fn gave_up_for(path: &str, causes: impl IntoIterator<Item = RestartCause>) -> GaveUp {
    let causes: Vec<_> = causes.into_iter().collect();
    let record = |(n, cause)| {
        RestartRecord::new(format!("{path}.w{n}"), Duration::from_secs(causes.len() as u64 - 1 - n as u64), cause)
    };
    let restarts = causes.iter().enumerate().map(record).collect();
    GaveUp::new(path.to_owned(), 1, Duration::MAX, restarts)
}

fn stopped(reason: StopReason) -> Exit {
    Exit::Shutdown(Arc::new(Termination { reason, unclean: vec![] }))
}

/// Makes a list of all variants with examples, and a match that does not compile when one is missing.
macro_rules! every {
    ($name:ident: $type:ty { $($variant:pat => [$($example:expr),+ $(,)?]),+ $(,)? }) => {
        fn $name() -> Vec<$type> {
            let is_listed = |listed: &$type| match listed {
                $($variant => {})+
            };
            let examples = vec![$($({
                let example = $example;
                assert!(matches!(&example, $variant), "{example:#?}");
                example
            },)+)+];
            examples.iter().for_each(is_listed);
            examples
        }
    };
}

every! { start_failures: StartFailure {
    StartFailure::Failed(_) => [StartFailure::Failed(failure())],
    StartFailure::Panicked(_) => [StartFailure::Panicked(failure())],
    StartFailure::TimedOut(_) => [StartFailure::TimedOut(Duration::from_secs(5))],
    StartFailure::Ended => [StartFailure::Ended],
    StartFailure::Aborted => [StartFailure::Aborted],
    StartFailure::ShutDown => [StartFailure::ShutDown],
    StartFailure::Lost => [StartFailure::Lost],
    StartFailure::Below { .. } => [
        StartFailure::Below { path: name("r.s.x"), cause: Box::new(StartFailure::Panicked(failure())) },
    ],
    StartFailure::GaveUp(_) => [StartFailure::GaveUp(gave_up_for("r.s", [RestartCause::Exit(Exit::Failed(failure()))]))],
} }

every! { exits_of_workers: Exit {
    Exit::Normal => [Exit::Normal],
    Exit::Ignored => [Exit::Ignored],
    Exit::Failed(_) => [Exit::Failed(failure())],
    Exit::Panicked(_) => [Exit::Panicked(failure())],
    Exit::Aborted => [Exit::Aborted],
    Exit::Unresponsive { .. } => [Exit::Unresponsive { within: Duration::from_secs(1) }],
    Exit::Lost => [Exit::Lost],
    Exit::Shutdown(_) => [stopped(StopReason::Requested)],
} }

every! { stop_reasons: StopReason {
    StopReason::Requested => [StopReason::Requested],
    StopReason::Killed => [StopReason::Killed],
    StopReason::GaveUp(_) => [StopReason::GaveUp(gave_up_for("r.s", [RestartCause::Exit(Exit::Failed(failure()))]))],
    StopReason::AutoShutdown { .. } => [
        StopReason::AutoShutdown { path: name("r.s"), child: name("r.s.job"), exit: Exit::Panicked(failure()) },
    ],
    StopReason::FailedToStart { .. } => [
        StopReason::FailedToStart { path: name("r.s.x"), cause: StartFailure::Failed(failure()) },
    ],
} }

fn exits() -> Vec<Exit> {
    exits_of_workers().into_iter().chain(stop_reasons().into_iter().map(stopped)).collect()
}

/// One for each cause: how the last child of the supervisor ended, or failed to start.
fn give_ups() -> Vec<GaveUp> {
    let starts = start_failures().into_iter().map(RestartCause::Start);
    let causes = exits().into_iter().map(RestartCause::Exit).chain(starts);
    // A path below the one of the supervisor that gave up, as it is in a tree.
    causes
        .map(|cause| {
            GaveUp::new(name("r"), 1, Duration::MAX, vec![RestartRecord::new(name("r.s"), Duration::ZERO, &cause)])
        })
        .collect()
}

every! { unclean_stops: UncleanStop {
    UncleanStop::Aborted => [UncleanStop::Aborted],
    UncleanStop::Killed => [UncleanStop::Killed],
    UncleanStop::Abandoned => [UncleanStop::Abandoned],
    UncleanStop::AbandonedWithSubtree => [UncleanStop::AbandonedWithSubtree],
    UncleanStop::Failed(_) => [UncleanStop::Failed(Exit::Failed(failure())), UncleanStop::Failed(Exit::Lost)],
} }

every! { plain_errors: SupervisorError {
    SupervisorError::InvalidName { .. } => [
        SupervisorError::InvalidName { name: name("\u{1b}"), parent: None },
        SupervisorError::InvalidName { name: name("..."), parent: Some(name("r")) },
    ],
    SupervisorError::InvalidSpec { .. } => [
        SupervisorError::InvalidSpec { path: name("r.x"), reason: InvalidSpec::PeriodZero },
    ],
    SupervisorError::FailedToStart { .. } => [
        SupervisorError::FailedToStart { path: name("r.s"), cause: StartFailure::Ended },
    ],
    SupervisorError::GaveUp(_) => [
        SupervisorError::GaveUp(gave_up_for("r", [Exit::Lost, Exit::Failed(failure())].map(RestartCause::Exit))),
    ],
    SupervisorError::SignificantChildFailed { .. } => [
        SupervisorError::SignificantChildFailed { path: name("r"), child: name("r.s"), exit: Exit::Lost },
    ],
    SupervisorError::UncleanShutdown(_) => [
        SupervisorError::UncleanShutdown(vec![UncleanProcess::new(name("r.a"), UncleanStop::Failed(Exit::Panicked(failure())))]),
        SupervisorError::UncleanShutdown(
            (0..12).map(|n| UncleanProcess::new(format!("r.{n}"), UncleanStop::Aborted)).collect(),
        ),
    ],
    SupervisorError::Overloaded { .. } => [SupervisorError::Overloaded { path: name("r"), unread: 1_000_000 }],
    SupervisorError::ShutdownDuringStart => [SupervisorError::ShutdownDuringStart],
    SupervisorError::Lost { .. } => [SupervisorError::Lost { path: name("r") }],
    SupervisorError::Panicked { .. } => [SupervisorError::Panicked { path: name("r"), panic: failure() }],
    SupervisorError::Executor(_) => [
        SupervisorError::Executor(failure()),
        SupervisorError::executor(Outer(std::io::Error::other("disk on fire"))),
    ],
    SupervisorError::NotRunning { .. } => [SupervisorError::NotRunning { path: name("r") }],
    SupervisorError::NotFound { .. } => [SupervisorError::NotFound { path: name("r") }],
    SupervisorError::ShuttingDown { .. } => [SupervisorError::ShuttingDown { path: name("r") }],
    SupervisorError::AtCapacity { .. } => [SupervisorError::AtCapacity { path: name("r"), max: 3 }],
    SupervisorError::AlreadyStarted { .. } => [SupervisorError::AlreadyStarted { path: name("r"), id: ChildId::next() }],
    SupervisorError::AlreadyPresent { .. } => [SupervisorError::AlreadyPresent { path: name("r"), id: ChildId::next() }],
    SupervisorError::Running { .. } => [SupervisorError::Running { path: name("r") }],
    SupervisorError::Restarting { .. } => [SupervisorError::Restarting { path: name("r") }],
    SupervisorError::Stopping { .. } => [SupervisorError::Stopping { path: name("r") }],
    SupervisorError::Stuck { .. } => [SupervisorError::Stuck { path: name("r") }],
    SupervisorError::RunsOnce { .. } => [SupervisorError::RunsOnce { path: name("r") }],
    SupervisorError::Dynamic { .. } => [SupervisorError::Dynamic { path: name("r") }],
    SupervisorError::WouldDeadlock { .. } => [SupervisorError::WouldDeadlock { path: name("r") }],
    SupervisorError::OutsideProcess => [SupervisorError::OutsideProcess],
    SupervisorError::NoScope { .. } => [SupervisorError::NoScope { path: name("r") }],
    SupervisorError::ScopeIsOpen { .. } => [SupervisorError::ScopeIsOpen { path: name("r") }],
    SupervisorError::ChildNotRunning { .. } => [SupervisorError::ChildNotRunning { path: name("r") }],
} }

/// Each variant, with each cause that it can have.
fn supervisor_errors() -> Vec<SupervisorError> {
    let failed = start_failures().into_iter().map(|cause| SupervisorError::FailedToStart { path: name("r.s"), cause });
    let significant = |exit| SupervisorError::SignificantChildFailed { path: name("r"), child: name("r.s"), exit };
    let unclean = unclean_stops().into_iter().map(|stop| UncleanProcess::new(name("r.s"), stop));
    let mut all = plain_errors();
    all.extend(failed);
    all.extend(give_ups().into_iter().map(SupervisorError::GaveUp));
    all.extend(exits().into_iter().map(significant));
    all.extend(unclean.map(|unclean| SupervisorError::UncleanShutdown(vec![unclean])));
    all
}

fn every_error() -> Vec<Box<dyn Error>> {
    let mut all: Vec<Box<dyn Error>> = vec![Box::new(failure())];
    all.extend(supervisor_errors().into_iter().map(|error| Box::new(error) as Box<dyn Error>));
    all.extend(start_failures().into_iter().map(|error| Box::new(error) as Box<dyn Error>));
    all.extend(give_ups().into_iter().map(|error| Box::new(error) as Box<dyn Error>));
    all.extend(exits().into_iter().map(|error| Box::new(error) as Box<dyn Error>));
    all
}

fn chain(error: &dyn Error) -> Vec<String> {
    successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect()
}

/// What stands in backticks and has a dot, or is a root.
fn paths(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with('r')).collect()
}

#[track_caller]
fn says_each_thing_once(text: &str) {
    let paths = paths(text);
    let twice = paths.iter().find(|path| paths.iter().filter(|other| other == path).count() > 1);
    assert_eq!(twice, None, "a path twice: {text}");
    for said in ["cannot open", "disk on fire", "failed to start: failed to start"] {
        assert!(text.matches(said).count() <= 1, "{said:?} twice: {text}");
    }
    assert!(!text.contains(char::is_control), "not on one line: {text}");
    assert!(!text.ends_with('.') && !text.contains("  "), "{text}");
    assert!(text.starts_with(|c: char| c == '`' || c.is_lowercase() || c.is_ascii_digit()), "{text}");
    assert!(!text.contains(&u64::MAX.to_string()), "no number for what has no limit: {text}");
}

#[test]
fn a1_no_text_stands_twice_along_the_sources_of_an_error() {
    for error in every_error() {
        let chain = chain(&*error);
        for (n, text) in chain.iter().enumerate() {
            assert!(!text.is_empty());
            assert!(chain[..n].iter().all(|above| !above.contains(text)), "{text:?} is told twice: {chain:#?}");
        }
        says_each_thing_once(&chain.join(": "));
    }
}

#[test]
fn a1_the_alternate_form_is_the_chain_with_each_cause_once() {
    #[track_caller]
    fn check(error: &(impl Error + 'static)) {
        assert_eq!(format!("{error:#}"), chain(error).join(": "));
        says_each_thing_once(&format!("{error:#}"));
    }
    check(&failure());
    supervisor_errors().iter().for_each(check);
    start_failures().iter().for_each(check);
    give_ups().iter().for_each(check);
    exits().iter().for_each(check);
}

#[test]
fn what_has_no_source_says_all_in_one_line() {
    let all = |told: &dyn fmt::Display, tells_code: bool| {
        says_each_thing_once(&told.to_string());
        assert_eq!(told.to_string().contains(SHOWN), tells_code, "{told}");
    };
    let has_code = |exit: &Exit| tell::Tell::said(exit).is_some();
    exits().iter().for_each(|exit| all(exit, has_code(exit)));
    assert_eq!(exits().iter().filter(|exit| has_code(exit)).count(), 5);
    for exit in exits() {
        let record = RestartRecord::new(name("r.x"), Duration::from_millis(1234), &RestartCause::Exit(exit.clone()));
        all(&record.cause, has_code(&exit));
        all(&record, has_code(&exit));
        assert!(record.to_string().starts_with("1.2s earlier: `r.x` "), "{record}");
    }
    for stop in unclean_stops() {
        all(&stop, matches!(&stop, UncleanStop::Failed(exit) if has_code(exit)));
    }
}

#[test]
fn the_debug_form_is_for_people_and_its_alternate_has_the_fields() {
    for error in supervisor_errors() {
        let (debug, line) = (format!("{error:?}"), format!("{error:#}"));
        assert_eq!(debug.replace(CODE, &CODE.replace('\n', r"\n")).lines().next(), line.lines().next());
        let fields = format!("{error:#?}");
        assert!(fields.starts_with(char::is_uppercase), "{fields}");
        assert!(!fields.contains(&u64::MAX.to_string()), "{fields}");
    }
}

#[test]
fn a_give_up_has_no_number_for_what_has_no_limit() {
    let gave_up = GaveUp::new(name("r"), usize::MAX, Duration::MAX, vec![]);
    let debug = format!("{gave_up:?}");
    assert_eq!(debug, r#"GaveUp { path: "r", intensity: unlimited, period: unlimited, restarts: [] }"#);
}

#[test]
fn a1_a_give_up_has_the_last_failure_as_its_source() {
    let gave_up = gave_up_for("r", [Exit::Lost, Exit::Failed(failure())].map(RestartCause::Exit));
    assert_eq!(gave_up.to_string(), "`r` gave up: more than 1 restart in all; last failure: `r.w1` failed");
    let source = gave_up.source().and_then(|source| source.downcast_ref::<Failure>());
    assert_eq!(source, Some(&failure()));
}

#[test]
fn a1_the_report_has_each_restart_on_a_line_of_its_own_once() {
    let gave_up = || gave_up_for("r.s", [Exit::Lost, Exit::Aborted, Exit::Failed(failure())].map(RestartCause::Exit));
    let exit = || stopped(StopReason::GaveUp(gave_up()));
    for (error, begin) in [
        (SupervisorError::GaveUp(gave_up()), "`r.s` "),
        (
            SupervisorError::FailedToStart { path: name("r.s"), cause: StartFailure::GaveUp(gave_up()) },
            "`r.s` failed to start: ",
        ),
        (
            SupervisorError::SignificantChildFailed { path: name("r"), child: name("r.s"), exit: exit() },
            "`r` shut down because its significant child `r.s` ",
        ),
    ] {
        let expected = format!(
            "{begin}gave up: more than 1 restart in all; last failure: `r.s.w2` failed: {CODE}: disk on fire\n  \
             2s earlier: `r.s.w0` was dropped by its executor\n  \
             1s earlier: `r.s.w1` was aborted"
        );
        assert_eq!(error.report().to_string(), expected);
    }
}

#[test]
fn r9_a_permanent_child_that_ends_well_is_pointed_to_its_restart_type() {
    let gave_up = gave_up_for("r", [RestartCause::Exit(Exit::Normal)]);
    assert_eq!(
        format!("{gave_up:#}"),
        "`r` gave up: more than 1 restart in all; `r.w0` ended normally, but a permanent child is restarted even when it ends \
         well; make it transient or temporary (see `RestartType`)"
    );
    // One that failed at last did not end well.
    let gave_up = gave_up_for("r", [Exit::Normal, Exit::Lost].map(RestartCause::Exit));
    assert!(!gave_up.to_string().contains("RestartType"), "{gave_up}");
}

/// How many records there are, at any depth.
fn records(cause: &RestartCause) -> usize {
    cause.gave_up().map_or(0, |gave_up| gave_up.restarts.iter().map(|record| 1 + records(&record.cause)).sum())
}

#[test]
fn a1_a_history_does_not_grow_with_the_depth_of_the_tree() {
    let unclean = || vec![UncleanProcess::new(name("r.u"), UncleanStop::Aborted)];
    let shut_down = |path: &str, child: &str, exit: Exit| {
        let reason = StopReason::AutoShutdown { path: name(path), child: name(child), exit };
        Exit::Shutdown(Arc::new(Termination { reason, unclean: unclean() }))
    };
    let mut cause = RestartCause::Exit(Exit::Failed(failure()));
    for depth in 0..2000 {
        let gave_up = gave_up_for("r.s", vec![cause; GaveUp::MAX_HISTORY]);
        // Each way in which one supervisor's end becomes another one's failure.
        cause = match depth % 3 {
            0 => RestartCause::Exit(Exit::Shutdown(Arc::new(Termination {
                reason: StopReason::GaveUp(gave_up),
                unclean: unclean(),
            }))),
            1 => RestartCause::Start(StartFailure::GaveUp(gave_up)),
            _ => RestartCause::Exit(shut_down(
                "r",
                "r.s",
                shut_down("r.s", "r.s.s", stopped(StopReason::GaveUp(gave_up))),
            )),
        };
        assert!(records(&cause) <= 2 * GaveUp::MAX_HISTORY, "{}", records(&cause));
        assert!(cause.to_string().len() < 500, "{cause}");
        assert!(cause.to_string().ends_with(SHOWN), "{cause}");
    }
    let kept =
        RestartRecord::new(name("r"), Duration::ZERO, &RestartCause::Exit(shut_down("r", "r.s", Exit::Lost))).cause;
    let RestartCause::Exit(Exit::Shutdown(termination)) = &kept else { panic!("{kept}") };
    assert!(termination.unclean.is_empty(), "what did not stop well is in the outcome, and in no history");
}
