//! What the server does with clients that want too much. Each test starts the program, and is a client of it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use signal_hook::consts::SIGTERM;

/// Longer than anything here takes, on any machine. A test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of the test's own, which ends with it.
struct Server {
    program: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Server {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let folder = env::temp_dir().join(format!("mini-redis-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self::start_in(folder, arguments)
    }

    fn start_in(folder: PathBuf, arguments: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mini-redis"))
            .args(["--address", "127.0.0.1:0", "--dir"])
            .arg(&folder)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("the address").parse().unwrap();
        Self { program, address, folder }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    /// Connects when there is room: the place of a client that has gone is free a moment later.
    fn connect_when_there_is_room(&self) -> Client {
        let begin = Instant::now();
        loop {
            let mut client = self.connect();
            if client.0.get_mut().write_all(b"PING\r\n").is_ok() && client.line() == "+PONG\r\n" {
                return client;
            }
            assert!(begin.elapsed() < PATIENCE, "no room");
        }
    }

    /// Returns a line of `INFO`.
    fn info(&self, name: &str) -> u64 {
        let mut client = self.connect();
        client.send(b"INFO\r\nQUIT\r\n");
        let text = client.rest();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Returns the most memory that the server has had so far, in bytes.
    #[cfg(target_os = "linux")]
    fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        1024 * line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
    }

    /// Asks it to stop. Returns the folder of its log.
    fn stop(mut self) -> PathBuf {
        signal(&self.program, SIGTERM);
        assert!(self.program.wait().unwrap().success());
        std::mem::take(&mut self.folder)
    }
}

fn signal(program: &Child, signal: i32) {
    let kill = Command::new("kill").args([format!("-{signal}"), program.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        if !self.folder.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Reads a line, or what comes before the connection ends.
    fn line(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(_) => line,
            // A server that closes a connection with unread input resets it.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => line,
            Err(error) => panic!("{error}"),
        }
    }

    fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.line()
    }

    /// Reads until the server closes the connection.
    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn a_client_over_the_bound_is_refused_at_once() {
    let server = Server::start("bound", &["--max-connections", "2"]);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
    }
    for _ in 0..10 {
        assert_eq!(server.connect().rest(), "-ERR max number of clients reached\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n", "the others do not notice");
    }
    drop(clients);
    assert_eq!(server.connect_when_there_is_room().ask("PING"), "+PONG\r\n");
}

#[test]
fn a_client_that_stalls_in_a_command_is_cut() {
    let server = Server::start("stall", &["--stall-ms", "50"]);
    let mut idle = server.connect();
    let mut stalling = server.connect();
    stalling.send(b"PING\r\n*2\r\n$3\r\nGE");
    assert_eq!(stalling.rest(), "+PONG\r\n");
    assert_eq!(server.info("stalled_connections"), 1);
    assert_eq!(idle.ask("PING"), "+PONG\r\n", "a client that has begun no command may be idle");
}

#[test]
fn a_client_that_sends_one_byte_at_a_time_is_cut() {
    let server = Server::start("slow", &["--stall-ms", "200"]);
    let mut slow = server.connect();
    let (begin, mut writer) = (Instant::now(), slow.0.get_ref().try_clone().unwrap());
    // Each byte comes in time; the command does not.
    slow.send(b"*1\r\n$1000\r\n");
    let drip = std::thread::spawn(move || {
        while writer.write_all(b"x").is_ok() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(slow.line(), "");
    drip.join().unwrap();
    assert!(begin.elapsed() < PATIENCE);
    assert_eq!(server.info("stalled_connections"), 1);
}

#[test]
fn a_client_that_reads_no_replies_is_cut() {
    let server = Server::start("deaf", &["--stall-ms", "50"]);
    let value = "x".repeat(100_000);
    assert_eq!(server.connect().ask(&format!("SET key {value}")), "+OK\r\n");
    let mut deaf = server.connect();
    // Far more than the buffers of both ends hold.
    let all = "GET key\r\n".repeat(1000);
    deaf.send(all.as_bytes());
    let begin = Instant::now();
    while server.info("stalled_connections") == 0 {
        assert!(begin.elapsed() < PATIENCE, "it is not cut");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_header_of_a_gigabyte_allocates_nothing() {
    let server = Server::start("header", &[]);
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    let before = server.most_memory();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1073741824\r\n");
        assert_eq!(client.rest(), "-ERR Protocol error: a command may have 1048576 bytes\r\n");
        // One that is allowed, and does not come.
        let mut client = server.connect();
        client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1000000\r\n");
        client.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.rest(), "");
    }
    let grown = server.most_memory() - before;
    assert!(grown < 2 * 1024 * 1024, "{grown} bytes");
}

#[test]
fn an_idle_client_does_not_hold_up_a_shutdown() {
    let server = Server::start("idle", &[]);
    let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
    }
    clients[0].send(b"*2\r\n$3\r\nGE");
    let folder = server.stop();
    assert!(clients.iter_mut().all(|client| client.line().is_empty()));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn keys_survive_a_stop_and_a_record_that_is_cut_off() {
    let server = Server::start("log", &["--fsync", "always"]);
    let mut client = server.connect();
    for command in ["SET a 1", "SET b 2 EX 1000", "SET c 3", "DEL c", "INCR a", "EXPIRE a 1000", "SET d 4 PX 1"] {
        assert!(!client.ask(command).starts_with('-'), "{command}");
    }
    let folder = server.stop();
    // As after a crash in the middle of a write.
    let log = fs::OpenOptions::new().append(true).open(folder.join("appendonly.log"));
    log.unwrap().write_all(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1").unwrap();

    for _ in 0..2 {
        let server = Server::start_in(folder.clone(), &[]);
        let mut client = server.connect();
        assert_eq!((client.ask("GET a"), client.line()), ("$1\r\n".into(), "2\r\n".into()));
        assert_eq!(client.ask("GET c"), "$-1\r\n");
        assert_eq!(client.ask("GET d"), "$-1\r\n");
        for key in ["a", "b"] {
            let seconds = client.ask(&format!("TTL {key}"));
            assert!((1..=1000).contains(&seconds[1..].trim().parse().unwrap()), "{seconds}");
        }
        assert_eq!(client.ask("SET after 5"), "+OK\r\n");
        server.stop();
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_damaged_log_ends_the_start_with_its_place() {
    let folder = Server::start("damage", &[]).stop();
    fs::write(folder.join("appendonly.log"), b"*1\r\n$8\r\nFLUSHALL\r\n*1\r\n$4\r\nNONE\r\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mini-redis"));
    let ended = command.args(["--address", "127.0.0.1:0", "--dir"]).arg(&folder).output().unwrap();
    let text = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    assert!(text.contains("mini_redis.store failed to start"), "{text}");
    assert!(text.contains("appendonly.log is damaged at byte 18: this is no record"), "{text}");
    fs::remove_dir_all(folder).unwrap();
}
