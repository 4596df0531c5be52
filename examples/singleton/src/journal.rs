use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    process,
    sync::Arc,
};

use lease::{Clock, MachineClock, Token};

/// A file that all replicas append to, and by which a judge sees whether two of them have worked at once.
///
/// A line is one write to a file that is open for appending, so the system puts the lines of all processes in one order.
#[derive(Clone)]
pub(crate) struct Journal(Arc<File>);

impl Journal {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    /// Writes the time in nanoseconds, the number of the process, the token, and what has happened.
    pub(crate) fn write(&self, token: Token, event: &str) {
        let line = format!("{} {} {token} {event}\n", now(), process::id());
        if let Err(error) = (&*self.0).write_all(line.as_bytes()) {
            // Work that cannot be judged must not go on.
            panic!("cannot write to the log: {error}");
        }
    }
}

/// Returns the time since the start of the machine: processes on one machine can compare it.
fn now() -> u128 {
    MachineClock::default().now().as_nanos()
}
