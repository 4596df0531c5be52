//! Starts the service as a program of its own, and drives it as clients and an operator do: with HTTP requests, with signals,
//! and with a look into the database. It returns an error for what does not hold.

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use rusqlite::Connection;
use serde_json::json;
use supervision::BoxError;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc,
    time::{sleep, timeout},
};

const MAX_JOBS: usize = 2;
const JOBS_WHILE_LOCKED: i64 = 20;
/// A limit for what the machine may be slow at, and no wait.
const SOON: Duration = Duration::from_secs(20);

type Answer = (StatusCode, String);

pub(crate) async fn drive() -> Result<(), BoxError> {
    let folder = Folder::new()?;
    let (file, database) = (folder.0.join("service.toml"), folder.0.join("service.sqlite"));
    let upstream = Upstream::start().await?;
    let configure = |path: &str| {
        let Upstream { address, .. } = upstream;
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndatabase = {database:?}\nmax_jobs = {MAX_JOBS}\n\
             [poller]\nupstream = \"http://{address}/{path}\"\nevery_ms = 20\n"
        );
        fs::write(&file, text)
    };
    configure("first")?;
    let (mut service, client) = Service::start(&file).await?;

    println!("--- ready when the upstream has answered");
    client.expect("/live", 200, "alive").await?;
    client.expect("/ready", 503, "the upstream has not answered yet").await?;
    upstream.is_up.store(true, Relaxed);
    client.until("/ready", 200, "ready").await?;
    client.expect("/answer", 200, "the first answer").await?;

    println!("--- jobs with results, at most {MAX_JOBS} at a time");
    client.expect_job(84, 2, 200, "42").await?;
    client.expect_job(84, 0, 500, "the job panicked: attempt to divide by zero").await?;
    let mut callers = Vec::new();
    for running in 1..=MAX_JOBS {
        client.until("/jobs", 200, &(running - 1).to_string()).await?;
        let caller = client.clone();
        callers.push(tokio::spawn(async move { caller.job(1, 1, Duration::from_secs(3600)).await }));
    }
    client.until("/jobs", 200, &MAX_JOBS.to_string()).await?;
    client.expect_job(84, 2, 503, "`service.api.jobs` has its maximum of 2 children").await?;
    callers.iter().for_each(|caller| caller.abort());
    client.until("/jobs", 200, "0").await?;
    println!("the callers have gone, and their jobs with them");

    println!("--- the database is locked, and the writer fails");
    let operator = Connection::open(&database)?;
    until("the first row is written", || Ok(rows(&operator)? == 1)).await?;
    operator.execute_batch("begin exclusive")?;
    for number in 1..=JOBS_WHILE_LOCKED {
        let (status, text) = client.job(number, 1, Duration::ZERO).await?;
        ensure(status == 200 && text == number.to_string(), || format!("job {number}: {status}: {text}"))?;
    }
    println!("{JOBS_WHILE_LOCKED} jobs have their results");
    client.until("/ready", 503, "").await?;
    operator.execute_batch("rollback")?;
    client.until("/ready", 200, "ready").await?;
    let expected = 1 + JOBS_WHILE_LOCKED;
    until("each row is written", || Ok(rows(&operator)? == expected)).await?;

    println!("--- SIGHUP");
    fs::write(&file, "max_jobs = \"many\"")?;
    service.signal("HUP").await?;
    service.log("is not applied").await?;
    client.expect("/answer", 200, "the first answer").await?;
    configure("second")?;
    service.signal("HUP").await?;
    service.log("is applied").await?;
    client.until("/answer", 200, "the second answer").await?;

    println!("--- SIGTERM, while a job runs");
    let caller = client.clone();
    let job = tokio::spawn(async move { caller.job(6, 2, Duration::from_millis(500)).await });
    client.until("/jobs", 200, "1").await?;
    service.signal("TERM").await?;
    let (status, text) = job.await??;
    println!("its caller got {status}: {text}");
    ensure(status == 200 && text == "3", || "a job that runs is finished".to_owned())?;
    let ended = timeout(SOON, service.program.wait()).await??;
    println!("the service ended: {ended}");
    ensure(ended.success(), || "it ended well".to_owned())?;
    let rows = rows(&operator)?;
    println!("{rows} jobs had a result, and {rows} rows are in the database");
    ensure(rows == expected + 1, || "no row is lost, and none is there twice".to_owned())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), BoxError> {
    if holds { Ok(()) } else { Err(format!("this does not hold: {}", what()).into()) }
}

async fn until(what: &str, mut holds: impl FnMut() -> Result<bool, BoxError>) -> Result<(), BoxError> {
    let waits = async {
        while !holds()? {
            sleep(Duration::from_millis(10)).await;
        }
        Ok::<(), BoxError>(())
    };
    timeout(SOON, waits).await.map_err(|_| format!("this does not come true: {what}"))??;
    println!("{what}");
    Ok(())
}

/// Counts the rows of the database. If it is locked for a moment, this waits.
fn rows(database: &Connection) -> Result<i64, BoxError> {
    Ok(database.query_row("select count(*) from results", [], |row| row.get(0))?)
}

/// The service, as a program of its own. It does not outlive the driver.
struct Service {
    program: Child,
    /// The lines of its log.
    log: mpsc::UnboundedReceiver<String>,
}

impl Service {
    async fn start(file: &Path) -> Result<(Self, Client), BoxError> {
        let mut program = Command::new(env::current_exe()?)
            .arg(file)
            .envs([("NO_COLOR", "1"), ("RUST_BACKTRACE", "0")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut output = BufReader::new(program.stdout.take().ok_or("no output")?).lines();
        let mut errors = BufReader::new(program.stderr.take().ok_or("no log")?).lines();
        let (lines, log) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                eprintln!("    {line}");
                let _ = lines.send(line);
            }
        });
        let line = timeout(SOON, output.next_line()).await??.ok_or("the service has not started")?;
        let address: SocketAddr = line.strip_prefix("listening on ").ok_or("not what is expected")?.parse()?;
        Ok((Self { program, log }, Client { http: reqwest::Client::new(), address }))
    }

    /// Sends it a signal.
    async fn signal(&self, name: &str) -> Result<(), BoxError> {
        let id = self.program.id().ok_or("the service has ended")?;
        let sent = Command::new("kill").args(["-s", name, &id.to_string()]).status().await?;
        ensure(sent.success(), || format!("SIG{name} is sent"))
    }

    /// Waits for a line of its log.
    async fn log(&mut self, text: &str) -> Result<(), BoxError> {
        let search = async {
            while let Some(line) = self.log.recv().await {
                if line.contains(text) {
                    println!("the log says that the configuration {text}");
                    return Ok(());
                }
            }
            Err("the service has ended".into())
        };
        timeout(SOON, search).await.map_err(|_| format!("the log does not say: {text}"))?
    }
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    address: SocketAddr,
}

impl Client {
    async fn get(&self, path: &str) -> Result<Answer, BoxError> {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    async fn job(&self, dividend: i64, divisor: i64, takes: Duration) -> Result<Answer, BoxError> {
        let job = json!({ "dividend": dividend, "divisor": divisor, "takes_ms": takes.as_millis() });
        let answer = self.http.post(format!("http://{}/jobs", self.address)).json(&job).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// Checks one answer.
    async fn expect(&self, path: &str, status: u16, text: &str) -> Result<(), BoxError> {
        let answer = self.get(path).await?;
        println!("GET {path}: {}: {}", answer.0, answer.1);
        ensure(is(&answer, status, text), || format!("{path} answers {status}: {text}"))
    }

    /// Asks until this is the answer.
    async fn until(&self, path: &str, status: u16, text: &str) -> Result<(), BoxError> {
        let asks = async {
            loop {
                let answer = self.get(path).await?;
                if is(&answer, status, text) {
                    println!("GET {path}: {}", answer.0);
                    return Ok(());
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, asks).await.map_err(|_| format!("{path} does not answer {status}: {text}"))?
    }

    async fn expect_job(&self, dividend: i64, divisor: i64, status: u16, text: &str) -> Result<(), BoxError> {
        let answer = self.job(dividend, divisor, Duration::ZERO).await?;
        println!("POST /jobs: {dividend} / {divisor}: {}: {}", answer.0, answer.1);
        ensure(is(&answer, status, text), || format!("the job has the answer {status}: {text}"))
    }
}

fn is((status, text): &Answer, expected: u16, prefix: &str) -> bool {
    *status == expected && text.starts_with(prefix)
}

/// The service that the poller asks. At first it does not work.
struct Upstream {
    address: SocketAddr,
    is_up: Arc<AtomicBool>,
}

impl Upstream {
    async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let is_up = Arc::new(AtomicBool::new(false));
        let answer = |text: &'static str| {
            let is_up = is_up.clone();
            get(async move || if is_up.load(Relaxed) { Ok(text) } else { Err(StatusCode::BAD_GATEWAY) })
        };
        let routes =
            Router::new().route("/first", answer("the first answer")).route("/second", answer("the second answer"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { address, is_up })
    }
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("axum_service_{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
