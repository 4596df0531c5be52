//! The end of the program that a tree is the main part of.

use std::{
    io::{self, Write},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{error::SupervisorError, signals};

/// How long the program waits for a thread that has locked stderr or stdout, before it ends without its last words.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ends the program with the outcome of its tree: prints an error on stderr, and exits with a code that says the same.
///
/// Waits for no thread. One that is blocked would keep `main` from returning, for ever if need be: a Tokio runtime that is
/// dropped waits for it. So destructors of what is left when the tree has ended do not run. A log writer that flushes
/// when its guard is dropped, for example, should be flushed before.
///
/// | code | when |
/// |---|---|
/// | 0 | `Ok`: the tree ended as it should |
/// | 1 | any error, an invalid tree included |
/// | 128 + the number of the signal | an error, after a second signal had aborted what was left: 130 for SIGINT, 143 for SIGTERM |
///
/// The first line on stderr is `error: `, the error's message and its cause. For a supervisor that gave up, a line follows for
/// each restart before its last failure. This is what `{:?}` of the error prints. Control characters other than line breaks and
/// tabs are escaped, because a terminal would obey them. Nothing is printed for `Ok`.
///
/// `Run::exit` runs a tree and does this. Call it directly with the outcome of a
/// [`SupervisionTree`](crate::SupervisionTree), or of any other run.
///
/// ```standalone_crate
/// use supervisor_core::{Supervisor, exit};
///
/// let invalid = Supervisor::new("...").map(|_root| { /* run it */ });
/// # if false {
/// exit(invalid) // error: invalid name "...": a name needs a letter or a digit
/// # }
/// ```
pub fn exit(outcome: Result<(), SupervisorError>) -> ! {
    // D3: destructors of threads that are blocked would be waited for, so the program ends here.
    let code = match &outcome {
        Ok(()) => 0,
        Err(_) => signals::forced().map_or(1, |signal| 128 + signal),
    };
    let text = outcome.err().map(|error| format!("error: {}", error.report()));
    // A thread that is blocked may hold either.
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
