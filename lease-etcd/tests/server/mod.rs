//! A server of etcd for one test, on loopback.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) struct Server {
    folder: TempDir,
    client: u16,
    peer: u16,
    process: Mutex<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Both at one time, so that they differ.
        let [client, peer] = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [client, peer] = [client, peer].map(|socket| socket.local_addr().unwrap().port());
        let process = Mutex::new(run(&folder, client, peer));
        Self { folder, client, peer, process }
    }

    pub(crate) fn url(&self) -> String {
        url(self.client)
    }

    /// Stops the process where it is. It answers nothing, and its connections stay.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the process, and starts it again with its data.
    pub(crate) fn restart(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        *process = run(&self.folder, self.client, self.peer);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.lock().unwrap()), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn run(folder: &TempDir, client: u16, peer: u16) -> Child {
    let mut process = Command::new("etcd")
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)])
        .args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)])
        .args(["--initial-cluster", &format!("default={}", url(peer))])
        // A shorter term of office makes shorter leases possible.
        .args(["--heartbeat-interval", "20", "--election-timeout", "200"])
        .args(["--logger", "zap", "--log-level", "fatal"])
        // A server that outlives its test holds no pipe open, for whose end another program may wait.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run etcd, which `scripts/lease` installs: {error}"));
    // For the script, which ends what a test that was killed has left.
    fs::write(folder.path().join("pid"), process.id().to_string()).unwrap();
    let begin = Instant::now();
    while !is_healthy(client) {
        assert!(process.try_wait().unwrap().is_none(), "etcd ends at once");
        assert!(begin.elapsed() < Duration::from_secs(30), "etcd does not get ready");
        thread::sleep(Duration::from_millis(20));
    }
    process
}

fn is_healthy(port: u16) -> bool {
    let ask = || {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains(r#""health":"true""#))
}
