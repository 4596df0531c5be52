//! Ends the program whose main part is a tree.

use std::{
    io::{self, Write},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{error::SupervisorError, guard::guard, signals};

/// How long another thread may hold stderr or stdout before the program ends without its last output.
const PATIENCE: Duration = Duration::from_secs(1);

/// Chooses the exit code of an error; `None` is the usual one.
pub(crate) type ExitCodes = Box<dyn FnOnce(&SupervisorError) -> Option<u8> + Send>;

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
/// The first line on stderr is `error: `, the error's message and its cause, so it says which kind of end it is:
///
/// | the tree | first line |
/// |---|---|
/// | could not start | ``error: `root.db` failed to start: connection refused`` |
/// | gave up | ``error: `root` gave up: more than 1 restart in 5s; last failure: `root.db` failed: connection lost`` |
/// | did not stop well | ``error: shutdown was not clean: `root.db` was aborted: did not stop in time`` |
/// | was aborted by a second signal | ``error: forced by SIGTERM, the second signal: shutdown was not clean: `root.db` was killed before it had stopped`` |
///
/// For a supervisor that gave up, a line follows for each restart before its last failure. Apart from the second signal, this
/// is what `{:?}` of the error prints. Control characters other than line breaks and tabs are escaped, because a terminal would
/// interpret them. Nothing is printed for `Ok`. What other code prints, such as the message of a panic, may come before these
/// lines. If another thread holds the lock of stderr for more than a second, they are lost, because the program ends all the
/// same.
///
/// `Run::exit` runs a tree and does this; `Run::exit_code` is for a `main` that returns. Call this directly with the outcome of
/// a [`SupervisionTree`](crate::SupervisionTree), or of other code that ran the tree.
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
    process::exit(report(outcome, None).into())
}

/// Prints the outcome, and returns the exit code that it has.
pub(crate) fn report(outcome: Result<(), SupervisorError>, codes: Option<ExitCodes>) -> u8 {
    let (text, code) = match outcome {
        Ok(()) => (None, 0),
        Err(error) => match signals::forced() {
            // The usual convention. Whatever the error is then, the signal is its cause.
            Some((name, code)) => {
                (Some(format!("error: forced by {name}, the second signal: {}", error.report())), code)
            }
            None => {
                // P9: foreign code. A program that is about to end has no other use for its panic.
                let own = codes.and_then(|codes| guard(|| codes(&error)).ok().flatten());
                (Some(format!("error: {}", error.report())), own.unwrap_or(1))
            }
        },
    };
    print(text);
    code
}

fn print(text: Option<String>) {
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
}
