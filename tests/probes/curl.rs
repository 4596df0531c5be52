//! The same answers, as the client that people use sees them.

use std::process::Command;

use supervision::Probes;

use crate::{
    client::{beside, serve},
    harness::World,
};

mount_in_real_time! { everywhere:
    curl_understands_each_answer
}

async fn curl_understands_each_answer(world: World) {
    let probes = Probes::on_loopback(0).with_metrics(|| "jobs_total 7\n".into());
    let (tree, address) = serve(&world, &probes).await;
    let cases: [(&[&str], u8, &str); 9] = [
        (&["/livez"], 0, "live: answered within "),
        (&["/readyz"], 0, "ready\n"),
        (&["/startupz"], 0, "started\n"),
        (&["/tree"], 0, r#"{"schema":1,"#),
        (&["/tree?picture"], 0, "● root  running"),
        (&["/metrics"], 0, "jobs_total 7\n"),
        // As a probe of a script: with `--fail`, an answer of 400 or more is the exit code 22.
        (&["/none", "--fail"], 22, ""),
        (&["/readyz", "--fail", "--request", "POST"], 22, ""),
        (&["/readyz", "--http1.0", "--head"], 0, "HTTP/1."),
    ];
    for (arguments, code, begin) in cases {
        let url = format!("http://{address}{}", arguments[0]);
        let output = beside(move || {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--max-time", "20", "--noproxy", "*", &url]).args(&arguments[1..]);
            curl.output().expect("curl is installed")
        })
        .await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code.into()), "{arguments:?}: {text}");
        assert!(text.starts_with(begin), "{arguments:?}: {text}");
    }
    tree.shutdown().await.unwrap();
}
