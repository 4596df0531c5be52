//! Recordings: of a running tree, and of a simulated run.

use std::time::Duration;

use executor_sim::Sim;
use futures_lite::future::or;
use serde_json::Value;
use supervision::{
    Event, RestartStrategy, Snapshot, Supervisor,
    observer::{Observer, record, write_record},
    process, worker,
};

use crate::client::Shown;

fn lines(recording: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(recording).expect("text");
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_has_all_events_until_the_end() {
    let shown = Shown::new(Observer::new()).await;
    let (handle, mut events) = (shown.tree.handle(), shown.tree.handle().events());
    let recording = smol::spawn(async move {
        let mut file = Vec::new();
        record(&handle, &mut file).await.map(|()| file)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    shown.tree.shutdown().await.unwrap();
    let lines = lines(&recording.await.unwrap());
    assert_eq!(lines[0]["hello"]["format"], 1);
    let snapshots: Vec<Snapshot> = lines
        .iter()
        .filter_map(|line| line.get("snapshot"))
        .map(|one| serde_json::from_value(one.clone()).unwrap())
        .collect();
    assert!(snapshots.first().unwrap().ready);
    assert_eq!(snapshots.last().unwrap().state, supervision::ChildState::Stopped, "the last one is of the end");
    let mut expected = Vec::new();
    while let Some(event) = events.next().await {
        expected.push(event);
    }
    let recorded: Vec<Event> = lines
        .iter()
        .filter_map(|line| line.get("event"))
        .map(|one| serde_json::from_value(one.clone()).unwrap())
        .collect();
    // The file keeps milliseconds, and begins a moment later.
    let key = |event: &Event| (event.path.clone(), event.process, event.kind.name());
    let (recorded, expected): (Vec<_>, Vec<_>) =
        (recorded.iter().map(key).collect(), expected.iter().map(|one| key(one)).collect());
    assert!(recorded.len() > 10, "{recorded:?}");
    assert!(expected.ends_with(&recorded), "{expected:?}\n{recorded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_writer_ends_a_recording() {
    let shown = Shown::new(Observer::new()).await;
    let mut room = [0; 300];
    let error = record(&shown.tree.handle(), &mut room[..]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
    let mut file = Vec::new();
    // Dropping it ends it, too.
    or(async { drop(record(&shown.tree.handle(), &mut file).await) }, async {
        tokio::time::sleep(Duration::from_millis(50)).await
    })
    .await;
    assert!(!file.is_empty());
    shown.tree.shutdown().await.unwrap();
}

fn failing() -> Supervisor {
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(RestartStrategy::one_for_one());
    root.add_worker(worker("failing", |_| async {
        process::sleep(Duration::from_secs(1)).await;
        Err::<(), _>("no peer")
    }));
    root
}

#[test]
fn a_simulated_run_is_a_recording_of_its_events() {
    let run = Sim::with_seed(7).run(failing());
    let mut file = Vec::new();
    write_record(&run, &mut file).unwrap();
    let lines = lines(&file);
    assert_eq!(lines.len(), 1 + run.events.len());
    for ((at, event), line) in run.events.iter().zip(&lines[1..]) {
        assert_eq!(line["event"]["at"], u64::try_from(at.as_millis()).unwrap());
        assert_eq!(line["text"], event.to_string());
    }
    assert!(lines.iter().any(|line| line["text"].as_str().is_some_and(|text| text.contains("gave up"))));
}

#[test]
fn the_recording_of_a_simulated_run_has_its_snapshots_where_they_were_taken() {
    let sim = Sim::with_seed(7);
    sim.take_snapshots(Duration::from_millis(1));
    let run = sim.run(failing());
    let mut file = Vec::new();
    write_record(&run, &mut file).unwrap();
    let lines = lines(&file);
    assert_eq!(lines.len(), 1 + run.events.len() + run.snapshots.len());
    let mut last = 0;
    let mut states = Vec::new();
    for line in &lines[1..] {
        let at = line["at"].as_u64().or(line["event"]["at"].as_u64()).unwrap();
        assert!(at >= last, "{line}");
        last = at;
        if let Some(snapshot) = line.get("snapshot") {
            let snapshot: Snapshot = serde_json::from_value(snapshot.clone()).unwrap();
            states.push((at, snapshot.state, snapshot.children[0].restarts));
        }
    }
    use supervision::ChildState::{Running, Stopped};
    assert_eq!(states, [(0, Running, 0), (1_000, Running, 1), (2_000, Stopped, 1)]);
}
