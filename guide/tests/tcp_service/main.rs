//! The service of the page `tcp-service.md`, with clients that behave badly.

use std::{fs, path::Path};

#[test]
fn the_page_shows_the_service_that_is_tested() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/tcp-service.md");
    let page = fs::read_to_string(page).expect("a readable page");
    let (_, rest) = page.split_once("```rust,no_run\n").expect("an example");
    let (shown, _) = rest.split_once("```\n").expect("its end");
    assert_eq!(shown, include_str!("service.rs"), "the page and guide/tests/tcp_service/service.rs differ");
}

/// The service as a program that the test starts.
#[cfg(unix)]
mod program {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
        process::{Child, Command, Stdio},
    };

    mod service {
        include!("service.rs");

        pub(super) fn run() {
            main().expect("the addresses are valid");
        }
    }

    const PROGRAM: &str = "SUPERVISION_TCP_SERVICE";

    /// A process that does not outlive the test, also where that fails.
    struct Program(Child);

    impl Drop for Program {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn the_service() {
        if std::env::var_os(PROGRAM).is_some() {
            service::run();
        }
    }

    fn connect(address: &str) -> BufReader<std::net::TcpStream> {
        BufReader::new(std::net::TcpStream::connect(address).expect("the port is open"))
    }

    fn read_line(from: &mut impl BufRead) -> String {
        let mut line = String::new();
        from.read_line(&mut line).expect("text");
        line
    }

    #[test]
    fn resets_and_idle_clients_do_not_end_the_service() {
        // Held together, so that they differ. The collector stays closed.
        let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [listen, probes, collector] = free.map(|free| free.local_addr().expect("an address").to_string());
        let service = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "program::the_service", "--nocapture", "--quiet"])
            .envs([(PROGRAM, "1"), ("NO_COLOR", "1")])
            .envs([("LISTEN", &listen), ("PROBES", &probes), ("COLLECTOR", &collector)])
            .stdout(Stdio::piped())
            .spawn();
        let mut service = Program(service.unwrap());
        let mut output = BufReader::new(service.0.stdout.take().unwrap());
        let mut log = String::new();
        // The job fails, and the service is ready all the same.
        while !(log.contains("with its whole tree") && log.contains("root.jobs.reporter failed")) {
            let line = read_line(&mut output);
            assert!(!line.is_empty(), "it ended: {log}");
            log.push_str(&line);
        }

        let mut idle = connect(&listen);
        for n in 1..=3 {
            let mut client = connect(&listen);
            client.get_mut().write_all(b"hello\n").unwrap();
            // The answer has come, and is not read: the system resets the connection when it is closed.
            while client.get_mut().peek(&mut [0]).unwrap() == 0 {}
            drop(client);
            while log.matches("Connection reset by peer").count() < n {
                let line = read_line(&mut output);
                assert!(!line.is_empty(), "it ended: {log}");
                log.push_str(&line);
            }
        }
        idle.get_mut().write_all(b"still there?\n").unwrap();
        assert_eq!(read_line(&mut idle), "4 still there?\n");

        let mut probe = connect(&probes);
        probe.get_mut().write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        probe.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

        let sent = Command::new("kill").args(["-s", "TERM", &service.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        output.read_to_string(&mut log).unwrap();
        assert!(service.0.wait().unwrap().success(), "{log}");
        assert_eq!(read_line(&mut idle), "", "its connection was closed");
        let mut warnings = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
        assert!(warnings.all(|line| line.contains("root.jobs.reporter")), "only the job has failed: {log}");
    }
}
