use std::{
    io::{self, Write},
    time::Duration,
};

use async_io::Timer;
#[cfg(feature = "sim")]
use executor_sim::Record;
use supervisor_core::SupervisorHandle;

#[cfg(feature = "sim")]
use super::overview::reduce;

use super::{
    lines,
    source::{Source, TICK},
};

/// The shortest time between two snapshots of a recording.
const PERIOD: Duration = Duration::from_secs(1);

/// Records a tree until it has ended: writes a snapshot, then each event, and a snapshot now and then, as lines of JSON. The page
/// of an [`Observer`](super::Observer) replays such a file: "open a recording".
///
/// It begins when this is first polled, and flushes the writer after each piece. Dropping the future ends the recording. Writing to
/// a file blocks, so run this in a [`local_worker`](crate::local_worker) outside of the tree, or on a thread:
///
/// ```no_run
/// # fn record(tree: supervision::SupervisionTree) -> std::io::Result<()> {
/// use futures_lite::future::block_on;
///
/// let (handle, file) = (tree.handle(), std::fs::File::create("tree.jsonl")?);
/// std::thread::spawn(move || block_on(supervision::observer::record(&handle, file)));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first error of the writer, which ends the recording.
pub async fn record(supervisor: &SupervisorHandle, mut writer: impl Write) -> io::Result<()> {
    let mut source = Source::new(supervisor.clone());
    writeln!(writer, "{}", lines::hello(false))?;
    loop {
        let happened = source.happened(usize::MAX).await;
        if happened.lost > 0 {
            writeln!(writer, "{}", lines::lost(happened.lost))?;
        }
        for line in happened.lines {
            writeln!(writer, "{line}")?;
        }
        let snapshot = match source.is_over() {
            true => source.snapshot(|_| PERIOD).await,
            false => source.snapshot_if_due(|_| PERIOD).await,
        };
        if let Some(snapshot) = snapshot {
            writeln!(writer, "{snapshot}")?;
        }
        writer.flush()?;
        if source.is_over() {
            return Ok(());
        }
        Timer::after(TICK).await;
    }
}

/// Writes the record of a simulated run as a recording, for the page of an [`Observer`](super::Observer) and for `supervision-top` to
/// replay: a seed that fails can be looked at, step by step.
///
/// Without [`Sim::take_snapshots`](crate::sim::Sim::take_snapshots) it has events alone. Then a viewer puts the tree together from
/// their names, and knows no settings.
///
/// ```
/// use std::{fs::File, time::Duration};
/// use supervision::{Supervisor, observer, sim::Sim};
///
/// # fn keep(root: Supervisor) -> std::io::Result<()> {
/// let sim = Sim::with_seed(17);
/// sim.take_snapshots(Duration::from_secs(1));
/// let record = sim.run_for(root, Duration::from_secs(3600));
/// observer::write_record(&record, File::create("seed-17.jsonl")?)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first error of the writer.
#[cfg(feature = "sim")]
pub fn write_record(record: &Record, mut writer: impl Write) -> io::Result<()> {
    writeln!(writer, "{}", lines::hello(false))?;
    let mut snapshots = record.snapshots.iter().peekable();
    for written in 0..=record.events.len() {
        while let Some((_, snapshot)) = snapshots.next_if(|(before, _)| *before <= written) {
            let mut tree = snapshot.clone();
            let summaries = reduce(&mut tree);
            if let Some(line) = lines::snapshot(&tree, &summaries) {
                writeln!(writer, "{line}")?;
            }
        }
        if let Some((_, event)) = record.events.get(written) {
            writeln!(writer, "{}", lines::event(event))?;
        }
    }
    writer.flush()
}
