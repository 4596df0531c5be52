use std::{
    io::{self, Write},
    time::Duration,
};

use async_io::Timer;
use supervisor_core::{Event, SupervisorHandle};

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

/// Writes events as a recording, for the page of an [`Observer`](super::Observer) to replay. It has no snapshots: the page puts
/// the tree together from the events.
///
/// For the events of a simulated run, which `Record::events` has: a seed that fails can be looked at, step by step.
///
/// ```
/// # fn keep(events: &[std::sync::Arc<supervision::Event>]) -> std::io::Result<()> {
/// let file = std::fs::File::create("seed-17.jsonl")?;
/// supervision::observer::write_events(events.iter().map(|event| &**event), file)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first error of the writer.
pub fn write_events<'a>(events: impl IntoIterator<Item = &'a Event>, mut writer: impl Write) -> io::Result<()> {
    writeln!(writer, "{}", lines::hello(false))?;
    for event in events {
        writeln!(writer, "{}", lines::event(event))?;
    }
    writer.flush()
}
