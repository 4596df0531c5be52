use std::{fs, time::Duration};

use lease::{LeaseState, LeaseStatus, Memory};
use supervision::{BoxError, SupervisionTree, Supervisor};
use tokio::time::sleep;

use crate::{journal::Journal, leased, options::Options, work::Work};

/// How long each replica has the lease before it stops.
const TURN: Duration = Duration::from_secs(1);

/// Runs three replicas as three trees in this process, and stops the one that has the lease until none is left.
pub(crate) async fn run(options: &Options) -> Result<(), BoxError> {
    let (store, work) = (Memory::new(), Work::new(options, Journal::open(&options.log)?));
    let mut replicas = Vec::new();
    for name in ["first", "second", "third"] {
        replicas.push(start(options, name, &store, &work).await?);
    }
    while !replicas.is_empty() {
        sleep(TURN).await;
        // A stop waits until the work is gone and the lease is given back, so there is always one, or soon.
        if let Some(holder) = replicas.iter().position(|(_, status)| status.snapshot().state == LeaseState::Holding) {
            let (tree, _) = replicas.swap_remove(holder);
            tree.shutdown().await?;
        }
    }
    print!("{}", summary(&fs::read_to_string(&options.log)?));
    Ok(())
}

async fn start(
    options: &Options,
    name: &'static str,
    store: &Memory,
    work: &Work,
) -> Result<(SupervisionTree, LeaseStatus), BoxError> {
    let (leased, work) = (leased(options, store.clone()), work.clone());
    let status = leased.status();
    let mut replica = Supervisor::new(name)?;
    replica.add_worker(leased.run(move |held| work.subtree(held))?);
    Ok((supervision::start(replica).await?, status))
}

/// Returns the first and the last line of each token in the log.
fn summary(log: &str) -> String {
    let is_edge = |line: &&str| line.ends_with("begin") || line.ends_with("end");
    log.lines().filter(is_edge).map(|line| format!("{line}\n")).collect()
}
