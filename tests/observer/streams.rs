//! The stream of a page, and clients that are many, slow, or gone.

use std::time::{Duration, Instant};

use supervision::observer::Observer;

use crate::client::{Shown, Stream, ask, child, connect, local, status_of_events};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_a_snapshot_and_then_what_happens() {
    let shown = Shown::new(Observer::new()).await;
    shown
        .ask(|address| {
            let mut stream = Stream::open(address);
            let hello = stream.message();
            assert_eq!((&hello["hello"]["format"], &hello["hello"]["control"]), (&1.into(), &false.into()));
            let snapshot = stream.find(|message| message.get("snapshot").cloned());
            assert_eq!((&snapshot["schema"], &snapshot["path"]), (&1.into(), &"root".into()));
            let restarts = child(&snapshot, "root.flapping")["restarts"].as_u64().unwrap();
            // Within a second a restart is an event, and in a snapshot.
            let begun = Instant::now();
            let text = stream.find(|message| {
                (message["event"]["kind"] == "restarting").then(|| message["text"].as_str().unwrap().to_owned())
            });
            assert!(text.starts_with("root.flapping restarting (attempt"), "{text}");
            stream.find(|message| {
                let now = child(message.get("snapshot")?, "root.flapping")["restarts"].as_u64()?;
                (now > restarts).then_some(())
            });
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
            // What a program that replays a stream needs.
            let event = stream.find(|message| message.get("event").cloned());
            serde_json::from_value::<supervision::Event>(event).expect("an event");
            serde_json::from_value::<supervision::Snapshot>(snapshot).expect("a snapshot");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_page_too_many_is_told_so_until_one_is_closed() {
    let shown = Shown::new(Observer::new().with_max_viewers(2)).await;
    shown
        .ask(|address| {
            let (mut one, two) = (Stream::open(address), Stream::open(address));
            let answer = ask(address, "GET /events", &local(address));
            assert_eq!(answer.status, 503);
            assert!(answer.body.contains("too many pages show this tree"), "{}", answer.body);
            drop(two);
            while status_of_events(address, &local(address)) != 200 {
                one.message();
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pages_take_no_place_of_a_probe() {
    let shown = Shown::new(Observer::new().with_max_viewers(1_000)).await;
    let handle = shown.tree.handle();
    shown
        .ask(move |address| {
            let restarts = || smol::block_on(handle.snapshot()).find("root.flapping").unwrap().restarts;
            let mut streams: Vec<Stream> = (0..1_000).map(|_| Stream::open(address)).collect();
            let before = restarts();
            let begun = Instant::now();
            for stream in &mut streams {
                stream.find(|message| message.get("event").is_some().then_some(()));
            }
            assert_eq!(ask(address, "GET /livez", &local(address)).status, 200);
            while begun.elapsed() < Duration::from_millis(500) {
                std::thread::sleep(Duration::from_millis(10));
            }
            // It fails every 20 ms, whatever the pages do. The machine may be slow.
            let rate = f64::from(restarts() - before) / begun.elapsed().as_secs_f64();
            assert!(rate > 5.0, "{rate} restarts in a second");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_costs_bounded_memory() {
    // Each failure has 50 kB, and there are 40 in a second: with all of it kept for each client, memory would grow by 200 MB/s.
    let error: &'static str = "x".repeat(50_000).leak();
    let shown = Shown::at(std::net::Ipv4Addr::LOCALHOST, Observer::new(), error).await;
    let handle = shown.tree.handle();
    shown
        .ask(move |address| {
            use std::io::Write;

            let mut deaf: Vec<_> = (0..50).map(|_| connect(address)).collect();
            for client in &mut deaf {
                client.write_all(format!("GET /events HTTP/1.1\r\n{}\r\n", local(address)).as_bytes()).unwrap();
            }
            let mut good = Stream::open(address);
            let restarts = |stream: &mut Stream| {
                stream.find(|message| child(message.get("snapshot")?, "root.flapping")["restarts"].as_u64())
            };
            let (first, before) = (restarts(&mut good), memory());
            while restarts(&mut good) < first + 80 {}
            let grown = memory().saturating_sub(before);
            assert!(grown < 50 << 20, "{} MB", grown >> 20);
            assert!(smol::block_on(handle.snapshot()).find("root.flapping").is_some());
        })
        .await;
}

/// Returns how many bytes of memory this program uses. Zero where the system does not tell.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or_default() << 10
}
