//! Changes that are made from the page.

use std::sync::OnceLock;

use supervision::observer::Observer;

use crate::{
    client::{Shown, TOKEN, ask, local},
    lines::Lines,
};

/// Returns the log of all tests of this program: the observer runs on a thread of its own.
fn log() -> &'static Lines {
    static LOG: OnceLock<Lines> = OnceLock::new();
    LOG.get_or_init(|| {
        let lines = Lines::default();
        let subscriber =
            tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_global_default(subscriber.finish()).expect("it is the only one");
        lines
    })
}

fn has(log: &Lines, words: &[&str]) -> bool {
    log.text().lines().any(|line| words.iter().all(|word| line.contains(word)))
}

async fn child(shown: &Shown, name: &str) -> u64 {
    shown.tree.handle().find(name).await.unwrap()[0].id.as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_changes() {
    let shown = Shown::new(Observer::new().with_control(TOKEN).with_token("a-token-for-readers-only")).await;
    let (idle, handle) = (child(&shown, "idle").await, shown.tree.handle());
    let process = handle.find("idle").await.unwrap()[0].process;
    let (other, log) = (handle.clone(), log());
    shown
        .ask(move |address| {
            let refused = [
                String::new(),
                "authorization: Bearer a-token-for-readers-only\r\n".to_owned(),
                format!("authorization: Bearer {}\r\n", &TOKEN[..TOKEN.len() - 1]),
                format!("authorization: Bearer {TOKEN}x\r\n"),
                format!("authorization: Bearer {}\r\n", TOKEN.to_uppercase()),
                "authorization: Bearer \r\n".to_owned(),
                format!("authorization: Basic {TOKEN}\r\n"),
                format!("cookie: token={TOKEN}\r\n"),
                format!("x-token: {TOKEN}\r\n"),
            ];
            for headers in refused {
                for action in ["restart", "reload", "terminate"] {
                    let answer = ask(
                        address,
                        &format!("POST /children/{idle}/{action}"),
                        &format!("{}{headers}", local(address)),
                    );
                    assert_eq!(answer.status, 401, "{headers}");
                }
            }
            let answer = ask(address, &format!("POST /children/{idle}/terminate?token={TOKEN}"), &local(address));
            assert_eq!(answer.status, 401);
            let process_now = smol::block_on(other.find("idle")).unwrap()[0].process;
            assert_eq!(process_now, process, "it is the same process");
            assert!(has(log, &["WARN", "a change was refused", "127.0.0.1", "status=401"]));
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_without_control_is_read_only() {
    let shown = Shown::new(Observer::new().with_token(TOKEN)).await;
    let idle = child(&shown, "idle").await;
    shown
        .ask(move |address| {
            let headers = format!("{}authorization: Bearer {TOKEN}\r\n", local(address));
            let answer = ask(address, &format!("POST /children/{idle}/terminate"), &headers);
            assert_eq!(answer.status, 403);
            assert!(answer.body.contains("read only"), "{}", answer.body);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_and_logged_with_who_asked() {
    let log = log();
    let shown = Shown::new(Observer::new().with_control(TOKEN)).await;
    let (idle, own) = (child(&shown, "idle").await, child(&shown, "probes").await);
    let handle = shown.tree.handle();
    shown
        .ask(move |address| {
            let state =
                || smol::block_on(handle.snapshot()).find("root.idle").map(|idle| (idle.state, idle.process)).unwrap();
            let change = |child: u64, action: &str| {
                let headers = format!(
                    "{}authorization: Bearer {TOKEN}\r\norigin: http://localhost:{}\r\n",
                    local(address),
                    address.port()
                );
                let answer = ask(address, &format!("POST /children/{child}/{action}"), &headers);
                (answer.status, answer.body)
            };
            let (_, first) = state();
            assert_eq!(change(idle, "reload").0, 200);
            let (running, second) = state();
            assert_ne!(first, second, "another process");
            assert_eq!(change(idle, "restart").0, 409, "it is running");
            assert_eq!(change(idle, "terminate").0, 200);
            assert_ne!(state().0, running);
            assert_eq!(change(idle, "restart").0, 200);
            assert_eq!(state().0, running);
            // It could not be started again from the page.
            let (status, why) = change(own, "terminate");
            assert_eq!(status, 409, "{why}");
            assert!(why.contains("root.probes answers this request"), "{why}");
            assert_eq!(change(1_000_000, "reload").0, 404);
            for action in ["reload", "terminate", "restart"] {
                assert!(has(log, &["INFO", &format!("observer: {action} root.idle, for 127.0.0.1:")]), "{action}");
            }
            assert!(has(log, &["WARN", "observer: restart root.idle, for 127.0.0.1:", "failed"]));
            assert!(!has(log, &[TOKEN]), "a token in the log");
        })
        .await;
}
