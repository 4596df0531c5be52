//! Ends the program whose main part is a tree.

use std::{
    error::Error,
    io::{self, Write},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    error::{GaveUp, SupervisorError},
    signals,
    text::Lines,
};

/// How long another thread may hold stderr or stdout before the program ends without its last output.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest chain of causes that is printed, as elsewhere: an endless chain is possible.
const LONGEST_CHAIN: usize = 32;

/// Ends the program with the outcome of its tree: an error is printed on stderr, and the exit code follows from it.
///
/// It waits for no thread and no task. A blocked thread would keep `main` from returning: dropping a Tokio runtime
/// waits for it, possibly for ever. So destructors of whatever is left after the tree do not run. A log writer that
/// flushes when its guard is dropped, for example, has to be flushed before.
///
/// | code | when |
/// |---|---|
/// | 0 | `Ok`: the tree ended as it should |
/// | 1 | any error, an invalid tree included |
/// | 128 + the number of the signal | an error, after a second signal aborted what was left: 130 for SIGINT, 143 for SIGTERM |
///
/// The first line on stderr is `error: ` and the error's message. Lines of their own follow for what the message does
/// not contain: the causes, and for a supervisor that gave up the restarts that spent its budget. Control characters
/// other than line breaks and tabs are escaped, because a terminal would interpret them. Nothing is printed for `Ok`.
///
/// `Run::exit` runs a tree and does this. Call it directly with the outcome of a
/// [`SupervisionTree`](crate::SupervisionTree), or of other code that ran the tree.
///
/// ```standalone_crate
/// use supervision::{Supervisor, exit};
///
/// let invalid = Supervisor::new("...").map(|_root| { /* run it */ });
/// # if false {
/// exit(invalid) // error: invalid name "...": a name needs a letter or a digit
/// # }
/// ```
pub fn exit(outcome: Result<(), SupervisorError>) -> ! {
    // D3: running destructors would wait for blocked threads, so the program ends here.
    let code = match &outcome {
        Ok(()) => 0,
        Err(_) => signals::forced().map_or(1, |signal| 128 + signal),
    };
    let text = outcome.err().map(|error| Lines(tell(&error)).to_string());
    // A blocked thread may hold either of the two locks.
    let (done, is_done) = mpsc::channel::<()>();
    let speak = move || {
        if let Some(text) = text {
            let _ = writeln!(io::stderr(), "{text}");
        }
        let _ = io::stdout().flush();
        drop(done);
    };
    if thread::Builder::new().name("supervision-exit".into()).spawn(speak).is_ok() {
        let _ = is_done.recv_timeout(PATIENCE);
    }
    process::exit(code)
}

/// Renders an error for people.
fn tell(error: &SupervisorError) -> String {
    let mut text = format!("error: {error}");
    if let SupervisorError::GaveUp(gave_up) = error {
        write_history(&mut text, gave_up);
    }
    let mut cause = error.source();
    for _ in 0..LONGEST_CHAIN {
        let Some(this) = cause else { break };
        let message = this.to_string();
        if !text.contains(&message) {
            text += &format!("\n  caused by: {message}");
        }
        let boxed = this.downcast_ref::<Box<GaveUp>>().map(|gave_up| &**gave_up);
        if let Some(gave_up) = boxed.or_else(|| this.downcast_ref()) {
            write_history(&mut text, gave_up);
        }
        cause = this.source();
    }
    text
}

fn write_history(text: &mut String, gave_up: &GaveUp) {
    for restart in &gave_up.restarts {
        *text += &format!("\n  {restart}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, RestartRecord, StartFailure};

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the spool")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_that_the_message_does_not_contain_follow_it() {
        let failure = Failure::from_error(&Outer(io::Error::other("disk on fire")));
        let error = SupervisorError::FailedToStart { path: "root.spool".into(), cause: StartFailure::Failed(failure) };
        assert_eq!(
            tell(&error),
            "error: `root.spool` failed to start: cannot open the spool\n  caused by: disk on fire"
        );
    }

    #[test]
    fn a1_a_give_up_tells_the_whole_history() {
        let restart = |ago| RestartRecord::new("root.w".into(), Duration::from_secs(ago), "failed: boom".into());
        let gave_up = GaveUp::new("root".into(), 1, Duration::from_secs(5), vec![restart(2), restart(0)]);
        for error in [
            SupervisorError::GaveUp(gave_up.clone()),
            SupervisorError::SignificantChildFailed {
                path: "top".into(),
                child: "root".into(),
                how: "gave up".into(),
                gave_up: Some(Box::new(gave_up.clone())),
            },
        ] {
            let text = tell(&error);
            assert!(text.starts_with(&format!("error: {error}\n")), "{text}");
            assert_eq!(text.matches("`root.w` failed: boom").count(), 3, "{text}");
        }
    }

    #[test]
    fn a_message_that_tells_all_stands_alone() {
        let error = SupervisorError::executor("no reactor");
        assert_eq!(tell(&error), format!("error: {error}"));
    }
}
