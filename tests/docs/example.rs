use supervision::{BoxError, ProcessShutdown, Supervisor, SupervisorError, worker};

#[tokio::main]
async fn main() -> Result<(), SupervisorError> {
    let mut start = 0;
    let poller = worker("poller", move |shutdown| {
        start += 1; // the supervisor calls this closure for each start
        poll(start, shutdown)
    });
    let root = Supervisor::new("root")?.with_worker(poller);
    supervision::run(root).until_signal().exit().await // prints an error, and sets the exit code
}

async fn poll(start: u32, shutdown: ProcessShutdown) -> Result<(), BoxError> {
    println!("start {start}");
    if start == 1 {
        return Err("connection refused".into()); // a panic would be a failure, too
    }
    println!("polling");
    shutdown.await; // Ctrl-C, or SIGTERM
    println!("stopped");
    Ok(())
}
