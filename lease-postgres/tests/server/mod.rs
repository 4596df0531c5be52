//! A server of PostgreSQL for one test, on loopback.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio_postgres::Config;

/// PostgreSQL does not run as root.
const USER: &str = "postgres";

pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    process: Mutex<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = folder();
        let copied = Command::new("cp").arg("-a").arg(cluster()).arg(folder.path().join("data")).status().unwrap();
        assert!(copied.success());
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let process = Mutex::new(run(&folder, port));
        Self { folder, port, process }
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(USER).dbname("template1");
        config
    }

    /// Stops the server where it is, with all of its processes. It answers nothing, and its connections stay.
    pub(crate) fn freeze(&self) {
        // The one that makes processes comes first.
        self.signal_all(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Stops the processes that serve the connections of now. New connections are served.
    pub(crate) fn freeze_connections(&self) -> Frozen {
        let server = Pid::from_child(&self.process.lock().unwrap());
        // PostgreSQL writes what a process is for into its arguments.
        let serves = |process: &Pid| {
            let arguments = fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero())).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains("127.0.0.1")
        };
        let frozen: Vec<_> = children(server).into_iter().filter(serves).collect();
        assert!(!frozen.is_empty(), "no connection is open");
        for process in &frozen {
            kill_process(*process, Signal::STOP).unwrap();
        }
        Frozen(frozen)
    }

    /// Ends the server without a checkpoint, and starts it again with its data.
    pub(crate) fn restart(&self) {
        let mut process = self.process.lock().unwrap();
        end(&mut process);
        *process = run(&self.folder, self.port);
    }

    fn signal_all(&self, signal: Signal) {
        let server = Pid::from_child(&self.process.lock().unwrap());
        kill_process(server, signal).unwrap();
        for child in children(server) {
            // A child may have ended meanwhile.
            let _ = kill_process(child, signal);
        }
    }
}

/// Processes that were stopped. They go on at the latest when the server does.
pub(crate) struct Frozen(Vec<Pid>);

impl Frozen {
    pub(crate) fn thaw(self) {
        for process in self.0 {
            kill_process(process, Signal::CONT).unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.thaw();
        end(self.process.get_mut().unwrap());
    }
}

/// Asks for an immediate end, as `pg_ctl -m immediate` does.
fn end(process: &mut Child) {
    let _ = kill_process(Pid::from_child(process), Signal::QUIT);
    process.wait().unwrap();
}

/// Makes a folder that belongs to the user of the server.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if geteuid().is_root() {
        assert!(Command::new("chown").arg(USER).arg(folder.path()).status().unwrap().success());
    }
    folder
}

/// Returns the folder of a cluster that is made once, and copied for each server: that is faster.
fn cluster() -> &'static Path {
    static CLUSTER: OnceLock<PathBuf> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster");
        if !cluster.exists() {
            let folder = folder();
            let made = command("initdb")
                .arg("--pgdata")
                .arg(folder.path().join("data"))
                .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--wal-segsize=1"])
                .args(["--username", USER])
                .stdout(Stdio::null())
                .status();
            assert!(made.unwrap().success(), "initdb has failed");
            keep_one_database(folder.path());
            // Only a complete one gets the name.
            let copy = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let copied = Command::new("cp").arg("-a").arg(folder.path().join("data")).arg(copy.path()).status();
            assert!(copied.unwrap().success());
            let named = fs::rename(copy.path().join("data"), &cluster);
            assert!(named.is_ok() || cluster.exists(), "{named:?}");
        }
        cluster
    })
}

/// Drops all databases but `template1`: without them a cluster has a third of the files.
fn keep_one_database(folder: &Path) {
    let mut single = command("postgres")
        .args(["--single", "-D"])
        .arg(folder.join("data"))
        .args(["-c", "fsync=off", "template1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let drop_others =
        b"UPDATE pg_database SET datistemplate = false;\nDROP DATABASE postgres;\nDROP DATABASE template0;\n";
    single.stdin.take().unwrap().write_all(drop_others).unwrap();
    assert!(single.wait().unwrap().success());
}

fn run(folder: &TempDir, port: u16) -> Child {
    let mut process = command("postgres")
        .arg("-D")
        .arg(folder.path().join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""])
        // The page cache outlives the process.
        .args(["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "log_min_messages=panic", "-c", "autovacuum=off"])
        // A server that outlives its test holds no pipe open, for whose end another program may wait.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run PostgreSQL, which `scripts/lease` installs: {error}"));
    // For the script, which ends what a test that was killed has left.
    fs::write(folder.path().join("pid"), process.id().to_string()).unwrap();
    // The server writes this when it accepts connections.
    let state = folder.path().join("data/postmaster.pid");
    let begin = Instant::now();
    while !fs::read_to_string(&state).is_ok_and(|state| {
        let mut lines = state.lines();
        lines.next() == Some(&process.id().to_string()) && lines.last().is_some_and(|last| last.trim() == "ready")
    }) {
        assert!(process.try_wait().unwrap().is_none(), "PostgreSQL ends at once");
        assert!(begin.elapsed() < Duration::from_secs(30), "PostgreSQL does not get ready");
        thread::sleep(Duration::from_millis(20));
    }
    process
}

/// Returns a program of PostgreSQL, as a user that may run it.
fn command(name: &str) -> Command {
    let program = folder_of_programs().map_or_else(|| name.into(), |folder| folder.join(name));
    if geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program);
        // It may not be allowed to be where this is.
        command.current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

/// Debian has one folder for each version, and none of them is in the path.
fn folder_of_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.filter_map(Result::ok).map(|version| version.path().join("bin")).max()
}

/// Returns the processes that a process has started.
fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| {
            let status = fs::read_to_string(process.path().join("stat")).ok()?;
            // The name, in parentheses, may contain anything.
            let (_, rest) = status.rsplit_once(") ")?;
            let is_child = rest.split(' ').nth(1)? == parent;
            is_child.then(|| Pid::from_raw(process.file_name().to_str()?.parse().ok()?))?
        })
        .collect()
}
