//! What an attacker can try from a page of another site, or over a socket.

use std::net::Ipv4Addr;

use supervision::{
    Probes,
    observer::{Observer, ObserverError},
};

use crate::client::{Shown, Stream, TOKEN, ask, local, send, status_of_events};

const PAGES: [&str; 5] = ["GET /", "GET /observer/main.js", "GET /tree", "GET /events", "POST /children/1/terminate"];

#[tokio::test(flavor = "multi_thread")]
async fn another_name_of_the_host_gets_nothing() {
    let shown = Shown::new(Observer::new().with_control(TOKEN).with_host("ops.example.com")).await;
    shown
        .ask(|address| {
            let authority = "host: evil.example\r\n";
            let foreign = [
                authority.to_owned(),
                format!("host: evil.example:{}\r\n", address.port()),
                "host: localhost.evil.example\r\n".to_owned(),
                "host: 127.0.0.1.evil.example\r\n".to_owned(),
                "host: evil.example#localhost\r\n".to_owned(),
                "host: localhost@evil.example\r\n".to_owned(),
                "host: localhost:80@evil.example\r\n".to_owned(),
                "host: [::1]evil.example\r\n".to_owned(),
                "host: [::1\r\n".to_owned(),
                "host: 10.0.0.5\r\n".to_owned(),
                "host: \r\n".to_owned(),
                String::new(),
                format!("{}{authority}", local(address)),
                format!("{authority}x-forwarded-host: localhost\r\n"),
            ];
            for page in PAGES {
                for headers in &foreign {
                    let answer = ask(address, page, &format!("{headers}authorization: Bearer {TOKEN}\r\n"));
                    assert!([403, 400].contains(&answer.status), "{page} {headers}: {}", answer.status);
                    assert!(!answer.body.contains("evil"), "the answer repeats what was sent");
                }
            }
            // A proxy would ask like this.
            assert_eq!(ask(address, "GET http://evil.example/tree", &local(address)).status, 403);
            let own = [
                "localhost",
                "LOCALHOST:1",
                "127.0.0.1:80",
                "127.1.2.3",
                "[::1]:8080",
                "ops.example.com",
                "OPS.example.com:443",
            ];
            for host in own {
                assert_eq!(ask(address, "GET /tree", &format!("host: {host}\r\n")).status, 200, "{host}");
            }
            // Orchestrators ask by the address of the pod.
            for page in ["GET /livez", "GET /readyz", "GET /startupz"] {
                assert_ne!(ask(address, page, "host: 10.0.0.5:8080\r\n").status, 403, "{page}");
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_gets_no_data() {
    let shown = Shown::new(Observer::new().with_control(TOKEN)).await;
    shown
        .ask(|address| {
            let port = address.port();
            let foreign = [
                "origin: http://evil.example\r\n".to_owned(),
                "origin: null\r\n".to_owned(),
                format!("origin: http://localhost:{}\r\n", port ^ 1),
                format!("origin: http://localhost:{port}.evil.example\r\n"),
                format!("origin: file://localhost:{port}\r\n"),
                "sec-fetch-site: cross-site\r\n".to_owned(),
                "sec-fetch-site: same-site\r\n".to_owned(),
                format!("origin: http://localhost:{port}\r\norigin: http://evil.example\r\n"),
            ];
            for headers in foreign {
                for page in ["GET /tree", "GET /events", "POST /children/1/terminate"] {
                    let headers = format!("{}{headers}authorization: Bearer {TOKEN}\r\n", local(address));
                    assert_eq!(ask(address, page, &headers).status, 403, "{page} {headers}");
                }
            }
            for headers in
                [format!("origin: http://localhost:{port}\r\n"), "sec-fetch-site: same-origin\r\n".to_owned()]
            {
                let answer = ask(address, "GET /tree", &format!("{}{headers}", local(address)));
                assert_eq!(answer.status, 200, "{headers}");
                assert!(!answer.head.contains("access-control"), "{}", answer.head);
            }
            // A link on another site may lead to the page, which has no data.
            let answer = ask(address, "GET /", &format!("{}sec-fetch-site: cross-site\r\n", local(address)));
            assert_eq!(answer.status, 200);
            for policy in [
                "default-src 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "form-action 'none'",
            ] {
                assert!(answer.head.contains(policy), "{}", answer.head);
            }
            assert!(!answer.head.contains("unsafe"), "{}", answer.head);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn path_tricks_lead_nowhere() {
    let tricks = [
        "/../tree",
        "/./tree",
        "//tree",
        "/tree/",
        "/%74ree",
        "/%2e%2e/tree",
        "/observer/../tree",
        "/observer/%2e%2e/tree",
        "/observer/",
        "/observer//main.js",
        "/observer/main.js/",
        "/observer/../../Cargo.toml",
        "/observer/..%2fmod.rs",
        "/observer\\main.js",
        "/events/",
        "/events%00",
        "/children/",
        "/Events",
        "/tree;x",
        "*",
    ];
    let shown = Shown::new(Observer::new().with_control(TOKEN)).await;
    shown
        .ask(move |address| {
            for path in tricks {
                let answer = ask(address, &format!("GET {path}"), &local(address));
                assert!([400, 404, 405].contains(&answer.status), "{path}: {}", answer.status);
            }
            let headers = format!("{}authorization: Bearer {TOKEN}\r\n", local(address));
            let changes = [
                "",
                "1",
                "1/",
                "/1/reload",
                "1/reload/",
                "1/kill",
                "-1/reload",
                "1e0/reload",
                "99999999999999999999/reload",
                "999999/reload",
                "1/reload%20",
                "../1/reload",
            ];
            for target in changes {
                let answer = ask(address, &format!("POST /children/{target}"), &headers);
                assert!([400, 404].contains(&answer.status), "{target}: {} {}", answer.status, answer.body);
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_requests_and_other_methods_are_refused() {
    let shown = Shown::new(Observer::new().with_control(TOKEN)).await;
    shown
        .ask(|address| {
            let long = "x".repeat(20_000);
            assert_eq!(ask(address, "GET /events", &format!("{}x: {long}\r\n", local(address))).status, 431);
            assert_eq!(
                ask(address, "GET /tree", &format!("{}authorization: Bearer {long}\r\n", local(address))).status,
                431
            );
            assert!([414, 431].contains(&ask(address, &format!("GET /{long}"), &local(address)).status));
            // A body is not read: it says it has a gigabyte, and sends nothing.
            let request =
                format!("POST /children/1/terminate HTTP/1.1\r\n{}content-length: 1000000000\r\n\r\n", local(address));
            assert_eq!(send(address, request.as_bytes()).status, 401);
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
                for page in ["/", "/events", "/observer/main.js"] {
                    let answer = ask(address, &format!("{method} {page}"), &local(address));
                    assert!([400, 405].contains(&answer.status), "{method} {page}: {}", answer.status);
                }
            }
            for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
                let answer = ask(address, &format!("{method} /children/1/terminate"), &local(address));
                assert_eq!(answer.status, 405, "{method}");
                assert!(answer.head.contains("allow: post"), "{}", answer.head);
            }
            assert_eq!(ask(address, "HEAD /events", &local(address)).status, 405);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_errors_cannot_begin_another_line() {
    let hostile = "</script><img src=x onerror=alert(1)>\n\ndata: {\"hello\":{\"control\":true}}\r\n\r\nevent: x\u{2028}\u{85}\rid: 1\u{0}";
    let shown = Shown::at(Ipv4Addr::LOCALHOST, Observer::new(), hostile).await;
    shown
        .ask(move |address| {
            let mut stream = Stream::open(address);
            assert_eq!(stream.message()["hello"]["control"], false);
            let (mut failures, mut snapshots) = (0, 0);
            while failures < 3 || snapshots < 3 {
                // Each line is a whole message, or between two.
                let message = stream.message();
                assert_eq!(message.get("hello"), None);
                if message["event"]["kind"] == "exited" {
                    assert_eq!(message["event"]["data"]["message"], hostile);
                    assert!(!message["text"].as_str().unwrap().contains(['\n', '\r']), "{message}");
                    failures += 1;
                }
                snapshots += usize::from(message.get("snapshot").is_some());
            }
            let tree = ask(address, "GET /tree", &local(address));
            assert!(tree.head.contains("application/json") && tree.head.contains("nosniff"), "{}", tree.head);
        })
        .await;
}

#[test]
fn another_address_needs_a_token_before_it_starts() {
    let everywhere = || Probes::on((Ipv4Addr::UNSPECIFIED, 0));
    let error = everywhere().with_observer(Observer::new()).unwrap_err();
    assert_eq!(error, ObserverError::NeedsToken { address: (Ipv4Addr::UNSPECIFIED, 0).into() });
    assert!(error.to_string().contains("`Observer::with_token`"), "{error}");
    for token in ["", "short", "a token with spaces in it", "a-token-with-a-break\r\n"] {
        let refused = Probes::on_loopback(0).with_observer(Observer::new().with_token(token));
        assert_eq!(refused.unwrap_err(), ObserverError::InvalidToken, "{token:?}");
    }
    for name in ["", "http://x", "x:80", "a b", "*", "x/y", "[x]"] {
        let refused = Probes::on_loopback(0).with_observer(Observer::new().with_host(name));
        assert_eq!(refused.unwrap_err(), ObserverError::InvalidHost { name: name.to_owned() });
    }
    let shown = everywhere().with_observer(Observer::new().with_token(TOKEN)).unwrap();
    assert!(!format!("{shown:?}").contains(TOKEN), "a token in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_another_address_data_need_a_token() {
    let shown = Shown::at(Ipv4Addr::UNSPECIFIED, Observer::new().with_control(TOKEN), "broken").await;
    shown
        .ask(|address| {
            let with = |more: &str| format!("{}{more}", local(address));
            let refused = [
                "",
                "authorization: Bearer wrong-token-of-a-client\r\n",
                "cookie: token=the-token-of-this-test\r\n",
                "authorization: Basic the-token-of-this-test\r\n",
                "authorization: the-token-of-this-test\r\n",
            ];
            for headers in refused {
                for page in ["GET /tree", "GET /events"] {
                    let answer = ask(address, page, &with(headers));
                    assert_eq!(answer.status, 401, "{page} {headers}");
                    assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
                }
            }
            assert_eq!(ask(address, &format!("GET /tree?token={TOKEN}"), &with("")).status, 401);
            let token = format!("authorization: Bearer {TOKEN}\r\n");
            assert_eq!(ask(address, "GET /tree", &with(&token)).status, 200);
            assert_eq!(status_of_events(address, &with(&token)), 200);
            for page in ["GET /", "GET /livez"] {
                assert_eq!(ask(address, page, &with("")).status, 200, "{page}");
            }
        })
        .await;
}
