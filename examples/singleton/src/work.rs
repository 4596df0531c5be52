use std::{future::pending, path::PathBuf, thread, time::Duration};

use lease::{Held, Token};
use supervision::{BoxError, ProcessShutdown, Supervisor, process, worker};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::Instant,
};

use crate::{GRACE, journal::Journal, options::Options};

/// How long a step takes.
const STEP: Duration = Duration::from_millis(4);

/// What one replica at a time does.
#[derive(Clone)]
pub(crate) struct Work {
    journal: Journal,
    fence: Option<PathBuf>,
    stuck_after: Option<Duration>,
}

impl Work {
    pub(crate) fn new(options: &Options, journal: Journal) -> Self {
        Self { journal, fence: options.fence.clone(), stuck_after: options.stuck_after }
    }

    /// Makes the subtree, each time that this replica gets the lease.
    pub(crate) fn subtree(&self, held: Held) -> Supervisor {
        let work = self.clone();
        // In a shutdown the lease is renewed until this has ended, so a job that does not yield delays the next replica.
        let mut jobs = Supervisor::new("jobs").expect("a name with letters").with_abort_grace(GRACE);
        jobs.add_worker(worker("steps", move |shutdown| run(work.clone(), held.clone(), shutdown)));
        jobs
    }
}

async fn run(work: Work, held: Held, shutdown: ProcessShutdown) -> Result<(), BoxError> {
    let stuck_from = work.stuck_after.map(|time| Instant::now() + time);
    let steps = async {
        // On a machine that wakes up, this may be started again before its supervisor hears that the lease is over.
        if !held.is_valid() {
            pending::<()>().await;
        }
        let _open = Open::new(work.journal.clone(), held.token());
        let mut fence = match &work.fence {
            Some(path) => Some(Fence::reach(path).await?),
            None => None,
        };
        while held.is_valid() {
            if stuck_from.is_some_and(|from| from <= Instant::now()) {
                never_yield(&work.journal, held.token());
            }
            // Stands for what the work computes. The lease may end meanwhile, if the machine sleeps: the fence is for that.
            process::sleep(STEP).await;
            work.journal.write(held.token(), "step");
            if let Some(fence) = &mut fence {
                if !fence.accepts(held.token()).await? {
                    work.journal.write(held.token(), "stale");
                    break;
                }
            }
        }
        // It is about to be stopped. If it returned, it would be started again.
        pending::<Result<(), BoxError>>().await
    };
    shutdown.run_until(steps).await.unwrap_or(Ok(()))
}

/// Works on and never yields, as a library does that blocks. Nothing but the end of the process stops it.
fn never_yield(journal: &Journal, token: Token) -> ! {
    loop {
        journal.write(token, "stuck");
        thread::sleep(STEP);
    }
}

/// The time in which the work is there: writes `begin`, and `end` when its future is dropped.
struct Open {
    journal: Journal,
    token: Token,
}

impl Open {
    fn new(journal: Journal, token: Token) -> Self {
        journal.write(token, "begin");
        Self { journal, token }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.journal.write(self.token, "end");
    }
}

/// What the work writes to. It refuses a token that is smaller than one that it has seen.
struct Fence {
    answers: BufReader<OwnedReadHalf>,
    steps: OwnedWriteHalf,
}

impl Fence {
    async fn reach(path: &PathBuf) -> Result<Self, BoxError> {
        let (answers, steps) = UnixStream::connect(path).await?.into_split();
        Ok(Self { answers: BufReader::new(answers), steps })
    }

    async fn accepts(&mut self, token: Token) -> Result<bool, BoxError> {
        self.steps.write_all(format!("{token}\n").as_bytes()).await?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).await?;
        match answer.trim_end() {
            "ok" => Ok(true),
            "stale" => Ok(false),
            other => Err(format!("the fence has answered {other:?}").into()),
        }
    }
}
