use std::{path::PathBuf, time::Duration};

use lexopt::{Arg, Parser, ValueExt};
use supervision::BoxError;

pub(crate) const HELP: &str = "\
usage: singleton [options]

  --store memory                   three replicas in this process, which ends after a few seconds (the default)
  --store etcd --endpoint URL      one replica, on etcd (http://127.0.0.1:2379)
  --store postgres --config TEXT   one replica, on PostgreSQL (host=127.0.0.1 user=postgres)
  --log FILE                       what the work did, one line for each step (singleton.log)
  --duration SECONDS               how long the store grants the lease (4)
  --stop SECONDS                   how long the work may take to stop (0.5)
  --fence SOCKET                   a Unix socket that takes each step with its token, and answers `ok` or `stale`
  --stuck-after SECONDS            the work blocks its thread from then on, and goes on";

/// Where the lease is.
pub(crate) enum Place {
    Memory,
    Etcd(String),
    Postgres(String),
}

pub(crate) struct Options {
    pub(crate) place: Place,
    pub(crate) log: PathBuf,
    pub(crate) duration: Duration,
    pub(crate) stop: Duration,
    pub(crate) fence: Option<PathBuf>,
    pub(crate) stuck_after: Option<Duration>,
}

impl Options {
    /// Reads the command line. Returns none if it asks for help.
    pub(crate) fn from_args() -> Result<Option<Self>, BoxError> {
        let mut options = Self {
            place: Place::Memory,
            log: "singleton.log".into(),
            duration: Duration::from_secs(4),
            stop: Duration::from_millis(500),
            fence: None,
            stuck_after: None,
        };
        let mut store = "memory".to_owned();
        let mut endpoint = "http://127.0.0.1:2379".to_owned();
        let mut config = "host=127.0.0.1 user=postgres".to_owned();
        let mut args = Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Arg::Long("store") => store = args.value()?.string()?,
                Arg::Long("endpoint") => endpoint = args.value()?.string()?,
                Arg::Long("config") => config = args.value()?.string()?,
                Arg::Long("log") => options.log = args.value()?.into(),
                Arg::Long("duration") => options.duration = seconds(&mut args)?,
                Arg::Long("stop") => options.stop = seconds(&mut args)?,
                Arg::Long("fence") => options.fence = Some(args.value()?.into()),
                Arg::Long("stuck-after") => options.stuck_after = Some(seconds(&mut args)?),
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                arg => return Err(arg.unexpected().into()),
            }
        }
        options.place = match store.as_str() {
            "memory" => Place::Memory,
            "etcd" => Place::Etcd(endpoint),
            "postgres" => Place::Postgres(config),
            other => return Err(format!("no such store: {other}").into()),
        };
        Ok(Some(options))
    }
}

fn seconds(args: &mut Parser) -> Result<Duration, BoxError> {
    Ok(Duration::try_from_secs_f64(args.value()?.parse()?)?)
}
