//! The command line.

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, time::Duration};

use lexopt::{Arg, Parser, ValueExt};
use supervision::Probes;

/// How to use the servers.
pub const USAGE: &str = "\
--address IP:PORT        where to listen; port 0 is any free one [127.0.0.1:6379]
--dir FOLDER             where the log is [.]
--fsync everysec|always  when the log is synchronized with the disk [everysec]
--max-connections N      more clients than this are refused [10000]
--max-command BYTES      longer commands are refused [1048576]
--stall-ms MS            a client may take so long to send a command, or to read replies [10000]
--report-ms MS           a line of numbers is logged this often [10000]
--probes IP:PORT         where the probes of an orchestrator are answered; port 0 is any free one [nowhere]
--verbose                log at the level info; otherwise warnings and errors
--chaos                  kill workers, and connections whose clients are named `victim`, many times a second";

/// When the log is synchronized with the disk. Either way the system has a change before the client hears of it, so a kill of
/// this program loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Each second: a crash of the machine loses up to two seconds.
    EverySecond,
    /// Before a change is acknowledged: a crash of the machine loses nothing that was acknowledged.
    Always,
}

impl Fsync {
    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::EverySecond => "everysec",
            Self::Always => "always",
        }
    }
}

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen.
    pub address: String,
    /// Where the log is.
    pub directory: PathBuf,
    /// When the log is synchronized.
    pub fsync: Fsync,
    /// How many clients are served at the same time.
    pub max_connections: usize,
    /// How long a command may be.
    pub max_command: usize,
    /// How long a client may take to send a command that it has begun, or to read its replies.
    pub stall: Duration,
    /// How often numbers are logged.
    pub report: Duration,
    /// What answers the probes of an orchestrator.
    pub probes: Option<Probes>,
    /// Whether to log at the level info.
    pub verbose: bool,
    /// Whether to kill workers and connections.
    pub chaos: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:6379".into(),
            directory: ".".into(),
            fsync: Fsync::EverySecond,
            max_connections: 10_000,
            max_command: 1024 * 1024,
            stall: Duration::from_secs(10),
            report: Duration::from_secs(10),
            probes: None,
            verbose: false,
            chaos: false,
        }
    }
}

impl Options {
    /// Reads the command line of this program.
    ///
    /// # Errors
    ///
    /// An argument that there is not, or a value that is none.
    pub fn read() -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("address") => options.address = parser.value()?.string()?,
                Arg::Long("dir") => options.directory = parser.value()?.into(),
                Arg::Long("fsync") => {
                    options.fsync = match parser.value()?.string()?.as_str() {
                        "everysec" => Fsync::EverySecond,
                        "always" => Fsync::Always,
                        other => return Err(format!("no such policy: {other}").into()),
                    };
                }
                Arg::Long("max-connections") => options.max_connections = parser.value()?.parse()?,
                Arg::Long("max-command") => options.max_command = parser.value()?.parse()?,
                Arg::Long("stall-ms") => options.stall = Duration::from_millis(parser.value()?.parse()?),
                Arg::Long("report-ms") => options.report = Duration::from_millis(parser.value()?.parse()?),
                Arg::Long("probes") => {
                    options.probes = Some(Probes::on(parser.value()?.parse::<SocketAddr>()?));
                }
                Arg::Long("verbose") => options.verbose = true,
                Arg::Long("chaos") => options.chaos = true,
                Arg::Long("help") => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }

    /// Sends the log of the program to stderr.
    pub fn start_logging(&self) {
        let level = if self.verbose { tracing::Level::INFO } else { tracing::Level::WARN };
        let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
