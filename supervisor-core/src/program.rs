//! Ends the program whose main part is a tree.

use std::{
    io::{self, Write},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{error::SupervisorError, signals};

/// How long another thread may hold stderr or stdout before the program ends without its last output.
const PATIENCE: Duration = Duration::from_secs(1);

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
/// The first line on stderr is `error: `, the error's message and its cause. For a supervisor that gave up, a line
/// follows for each restart before its last failure. This is what `{:?}` of the error prints. Control characters other
/// than line breaks and tabs are escaped, because a terminal would interpret them. Nothing is printed for `Ok`.
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
    let text = outcome.err().map(|error| format!("error: {}", error.report()));
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
