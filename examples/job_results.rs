//! Jobs whose results the caller receives. Each job is a process of its own, so one that panics harms no other.
//!
//! It shows a result, an error that is a result, a panic told apart from an abort, and a bound on the number of jobs: one
//! caller is refused, another one waits for room, and many jobs are joined.
//!
//! `cargo run --example job_results` ends by itself.

use std::future::pending;

use supervision::{BoxError, Exit, JoinHandle, Supervisor, SupervisorHandle, process};

const MAX_JOBS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    std::panic::set_hook(Box::new(|_| {})); // one panic is on purpose, and the exit of its job has the message

    let jobs = Supervisor::dynamic("jobs")?.with_max_children(MAX_JOBS);
    let handle = jobs.handle();
    let tree = supervision::start(Supervisor::new("root")?.with_worker(jobs)).await?;

    each_end(&handle).await?;
    at_the_bound(&handle).await?;
    many(&handle).await?;

    println!("--- the shutdown lets a job finish that has begun, and takes no new one");
    let last = async {
        process::shutdown().await;
        "its last page"
    };
    let last = handle.start_task("last", last).await?;
    tree.shutdown().await?;
    println!("last: {}", described(last.await));
    if let Err(error) = handle.spawn_task("late", async {}) {
        println!("late: refused: {error}");
    }
    Ok(())
}

/// Runs one job for each way in which a job can end.
async fn each_end(jobs: &SupervisorHandle) -> Result<(), BoxError> {
    println!("--- how a job ends");
    let sum = jobs.spawn_task("sum", async { (1..=10).sum::<u32>() })?;
    println!("sum: {}", described(sum.await));

    // The job itself ends well: what it returns is for the caller.
    let parse = jobs.spawn_task("parse", async { "many".parse::<u32>() })?;
    match parse.await {
        Ok(Ok(number)) => println!("parse: {number}"),
        Ok(Err(error)) => println!("parse: returned an error: {error}"),
        Err(exit) => println!("parse: no result: the job {exit}"),
    }

    let divide = jobs.spawn_task("divide", async { 84 / "0".parse::<u32>().unwrap_or(2) })?;
    println!("divide: {}", described(divide.await));

    // `start_task` returns when the supervisor has admitted the job, and so it knows that this one runs.
    let search = jobs.start_task("search", pending::<u32>()).await?;
    search.abort();
    println!("search: {}", described(search.await));
    Ok(())
}

fn described<T: std::fmt::Debug>(result: Result<T, Exit>) -> String {
    match result {
        Ok(value) => format!("returned {value:?}"),
        Err(Exit::Panicked(panic)) => format!("panicked: {panic}"),
        Err(Exit::Aborted) => "was aborted".to_owned(),
        Err(exit) => format!("no result: the job {exit}"),
    }
}

/// Fills the supervisor with jobs that do not end by themselves. One more is refused, or waits.
async fn at_the_bound(jobs: &SupervisorHandle) -> Result<(), BoxError> {
    println!("--- at most {MAX_JOBS} at a time");
    let mut endless = Vec::<JoinHandle<()>>::new();
    for _ in 0..MAX_JOBS {
        // It waits until the job before is removed, which is a moment after that job's result is there.
        endless.push(jobs.reserve().await?.spawn_task("endless", pending())?);
    }
    if let Err(error) = jobs.spawn_task("one_more", async {}) {
        println!("one more: refused: {error}");
    }

    let waits = async {
        let permit = jobs.reserve().await?; // until there is room
        println!("one more: has room");
        permit.spawn_task("one_more", async { "a page" })
    };
    let makes_room = async {
        println!("one of the others is aborted");
        endless[0].abort();
    };
    let (one_more, ()) = tokio::join!(waits, makes_room);
    println!("one more: {}", described(one_more?.await));

    for job in endless {
        job.abort();
        let _ = job.await;
    }
    Ok(())
}

/// Runs many jobs, and joins them. A job starts as soon as there is room for it.
async fn many(jobs: &SupervisorHandle) -> Result<(), BoxError> {
    const MANY: u64 = 1_000;
    println!("--- {MANY} jobs");
    let mut started = Vec::new();
    for number in 1..=MANY {
        let permit = jobs.reserve().await?;
        assert!(jobs.count().await?.active < MAX_JOBS, "the bound holds");
        started.push(permit.spawn_task("square", async move { number * number })?);
    }
    let mut sum = 0;
    for job in started {
        sum += job.await?;
    }
    println!("the sum of their squares is {sum}");
    assert_eq!(sum, MANY * (MANY + 1) * (2 * MANY + 1) / 6);
    Ok(())
}
