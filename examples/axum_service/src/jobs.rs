//! Jobs: each is a process of its own, and its caller receives the result.

use std::time::Duration;

use serde::Deserialize;
use supervision::{Exit, JoinHandle, Supervisor, SupervisorError, SupervisorHandle};
use tokio::{sync::mpsc, time::sleep};

use crate::writer::Row;

#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    dividend: i64,
    divisor: i64,
    /// A job that takes longer than a division.
    #[serde(default)]
    takes_ms: u64,
}

/// Returns the supervisor of the jobs, which bounds how many there are.
pub(crate) fn jobs(max: usize) -> Result<Supervisor, SupervisorError> {
    Ok(Supervisor::dynamic("jobs")?.with_max_children(max))
}

/// Why a job has no result.
pub(crate) enum NoResult {
    /// It never began: there is no place for it now.
    Refused(SupervisorError),
    /// It began, and ended without one.
    Ended(Exit),
}

/// Runs a job. If the future of this call is dropped, because the client has gone, the job is aborted.
pub(crate) async fn run(jobs: &SupervisorHandle, job: Job, rows: mpsc::Sender<Row>) -> Result<i64, NoResult> {
    let job = jobs.spawn_task("job", divide(job, rows)).map_err(NoResult::Refused)?;
    let mut wanted = Wanted(job);
    (&mut wanted.0).await.map_err(NoResult::Ended)
}

/// The handle on a job that ends with its caller.
struct Wanted<T>(JoinHandle<T>);

impl<T> Drop for Wanted<T> {
    fn drop(&mut self) {
        self.0.abort(); // does nothing to a job that has ended
    }
}

async fn divide(Job { dividend, divisor, takes_ms }: Job, rows: mpsc::Sender<Row>) -> i64 {
    sleep(Duration::from_millis(takes_ms)).await;
    let quotient = dividend / divisor; // panics if the divisor is zero
    let row = Row { question: format!("{dividend} / {divisor}"), answer: quotient.to_string() };
    // Waits while the writer is behind. The receiver is retained, so the channel is never closed.
    let _ = rows.send(row).await;
    quotient
}
