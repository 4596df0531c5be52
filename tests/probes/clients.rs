//! Clients that do what they should not, and many of them.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use supervision::Probes;

use crate::{
    client::{Answer, ask, beside, connect, get, read_to_end, send, serve},
    harness::World,
};

mount_in_real_time! { everywhere:
    only_get_and_head_are_allowed
    http_1_0_and_pipelined_requests_are_answered
    garbage_and_huge_heads_are_refused
    the_body_of_a_request_is_not_read
    silent_clients_keep_no_other_out
    the_oldest_silent_client_is_closed_for_a_new_one
    a_client_beyond_the_bound_is_refused_while_all_others_are_answered
}

/// They wait for limits of the server, so they run on two executors only.
mod on_two {
    use super::{a_client_that_sends_half_a_request_is_cut, a_client_that_takes_no_answer_is_cut};

    mount!(tokio, TokioInRealTime, Static: a_client_that_sends_half_a_request_is_cut a_client_that_takes_no_answer_is_cut);
    mount!(smol, Smol, Static: a_client_that_sends_half_a_request_is_cut a_client_that_takes_no_answer_is_cut);
}

async fn only_get_and_head_are_allowed(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let asked = |method: &str| {
        let request = format!("{method} /readyz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        beside(move || Answer::of(&send(address, request.as_bytes())))
    };
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "SHUTDOWN"] {
        let answer = asked(method).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
    }
    let (head, get) = (asked("HEAD").await, asked("GET").await);
    assert_eq!((head.status, &*head.body), (200, ""));
    assert!(head.head.contains(&format!("content-length: {}", get.body.len())), "{}", head.head);
    tree.shutdown().await.unwrap();
}

async fn http_1_0_and_pipelined_requests_are_answered(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let old = beside(move || send(address, b"GET /readyz HTTP/1.0\r\n\r\n")).await;
    assert!(old.starts_with("HTTP/1.0 200"), "{old}");
    let one = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = beside(move || send(address, format!("{one}{one}{one}{last}").as_bytes())).await;
    assert_eq!((answers.matches("HTTP/1.1 200").count(), answers.matches("HTTP/1.1 404").count()), (3, 1));
    // One after the other on the same connection.
    let kept = beside(move || {
        let mut connection = connect(address);
        for _ in 0..3 {
            connection.write_all(one.as_bytes()).unwrap();
            let mut answer = String::new();
            while !answer.ends_with("ready\n") {
                let mut piece = [0; 512];
                let read = connection.read(&mut piece).unwrap();
                assert!(read > 0, "{answer}");
                answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
        }
    });
    kept.await;
    tree.shutdown().await.unwrap();
}

async fn garbage_and_huge_heads_are_refused(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let garbage: [&[u8]; 4] = [b"\0\x01\x02\xff\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00"];
    for bytes in garbage {
        let answer = beside(move || {
            let mut connection = connect(address);
            connection.write_all(bytes).unwrap();
            connection.shutdown(std::net::Shutdown::Write).unwrap();
            read_to_end(&mut connection)
        });
        let answer = answer.await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let long = format!("GET /readyz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /readyz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(500));
    for request in [long, path, many] {
        let answer = beside(move || send(address, request.as_bytes())).await;
        let refused = ["HTTP/1.1 431", "HTTP/1.1 414"].iter().any(|status| answer.starts_with(status));
        // The system may have dropped the answer, because the request was not read to its end.
        assert!(refused || answer.is_empty(), "{answer}");
    }
    assert_eq!(ask(address, "/readyz").await.status, 200);
    tree.shutdown().await.unwrap();
}

async fn the_body_of_a_request_is_not_read(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let request = "GET /readyz HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\nsome";
    let begun = Instant::now();
    let answer = beside(move || send(address, request.as_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(4), "the connection was closed at once");
    tree.shutdown().await.unwrap();
}

async fn silent_clients_keep_no_other_out(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let answered = beside(move || {
        let _held: Vec<_> = (0..1000).map(|_| connect(address)).collect();
        (0..100).map(|_| get_or_cut(address).map(|answer| answer.status)).collect::<Vec<_>>()
    });
    assert_eq!(answered.await, [Some(200); 100]);
    assert_eq!(tree.snapshot().await.find("root.probes").map(|probes| probes.restarts), Some(0));
    tree.shutdown().await.unwrap();
}

async fn the_oldest_silent_client_is_closed_for_a_new_one(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0).with_max_connections(2)).await;
    let (first, second, third) = beside(move || {
        let [mut first, mut second, mut third] = [(); 3].map(|()| connect(address));
        let begun = Instant::now();
        let first = read_to_end(&mut first);
        assert!(begun.elapsed() < Duration::from_secs(4), "it is closed at once");
        for client in [&mut second, &mut third] {
            client.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        }
        (first, read_to_end(&mut second), read_to_end(&mut third))
    })
    .await;
    assert_eq!(first, "");
    for answer in [second, third] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    tree.shutdown().await.unwrap();
}

async fn a_client_beyond_the_bound_is_refused_while_all_others_are_answered(world: World) {
    let large = "x".repeat(64 << 20);
    let probes = Probes::on_loopback(0).with_max_connections(1).with_metrics(move || large.clone());
    let (tree, address) = serve(&world, &probes).await;
    let refused = beside(move || {
        let mut taking = connect(address);
        taking.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        taking.read_exact(&mut [0; 10]).unwrap();
        get_or_cut(address)
    });
    let refused = refused.await.expect("an answer");
    assert_eq!((refused.status, &*refused.body), (503, "busy: too many connections\n"));
    assert!(refused.head.contains(&format!("content-length: {}", refused.body.len())));
    tree.shutdown().await.unwrap();
}

/// Returns the answer, unless the connection was closed before.
fn get_or_cut(address: std::net::SocketAddr) -> Option<Answer> {
    let text = send(address, b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    (!text.is_empty()).then(|| Answer::of(&text))
}

async fn a_client_that_sends_half_a_request_is_cut(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let begun = Instant::now();
    let clients = [&b""[..], b"GET /readyz HT", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"];
    let cut = clients.map(|bytes| std::thread::spawn(move || send(address, bytes)));
    for (cut, bytes) in cut.into_iter().zip(clients) {
        let answer = beside(|| cut.join().expect("no panic")).await;
        // The last one has its answer, and sends no other request.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408") || bytes.ends_with(b"\r\n\r\n"), "{answer}");
    }
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(ask(address, "/readyz").await.status, 200);
    tree.shutdown().await.unwrap();
}

async fn a_client_that_takes_no_answer_is_cut(world: World) {
    let large = "x".repeat(64 << 20);
    let probes = Probes::on_loopback(0).with_max_connections(1).with_metrics(move || large.clone());
    let (tree, address) = serve(&world, &probes).await;
    let (waited, is_free) = beside(move || {
        let mut client = connect(address);
        client.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        client.read_exact(&mut [0; 10]).unwrap();
        // It takes a piece now and then, which does not help.
        let begun = Instant::now();
        let mut piece = [0; 1 << 16];
        while get_or_cut(address).is_none_or(|answer| answer.status == 503) {
            let _ = client.read(&mut piece);
            std::thread::park_timeout(Duration::from_millis(200));
            assert!(begun.elapsed() < Duration::from_secs(60), "it is not cut");
        }
        (begun.elapsed(), get(address, "/readyz").status)
    })
    .await;
    assert!(waited > Duration::from_secs(9), "{waited:?}");
    assert_eq!(is_free, 200);
    tree.shutdown().await.unwrap();
}
