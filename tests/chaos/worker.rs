use std::{
    future::pending,
    panic,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use supervisor_core::{
    BoxError, ChildSpec, InitializationError, ProcessShutdown, Supervisable, SupervisorFuture, ambient, one_shot,
};

use super::diary::{Diary, Presence};

const MOMENT: Duration = Duration::from_millis(1);

/// What workers say when they panic.
pub(crate) const SCRIPTED: &str = "a scripted panic";

/// A worker that does something else in each of its lives: what, its seed says.
struct Worker {
    name: String,
    script: Mutex<Script>,
    diary: Diary,
    /// Gone when the specification is.
    _owned: Presence,
}

/// What its lives are drawn from.
struct Script {
    rng: Rng,
    /// Whether the next start may fail. Few first ones may, because that is the end of many a tree.
    may_fail: bool,
}

pub(crate) fn worker(seed: u64, name: String, path: &str, diary: &Diary) -> ChildSpec {
    let seed = path.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut rng = Rng::with_seed(seed);
    let script = Mutex::new(Script { may_fail: rng.u8(..20) == 0, rng });
    ChildSpec::from(Worker { name, script, diary: diary.clone(), _owned: diary.owned() })
}

/// How a start goes.
#[derive(Clone, Copy, Debug)]
enum Start {
    Well,
    Slowly,
    Fails,
    Ignores,
    Panics,
}

/// How a life goes, once it is ready.
#[derive(Clone, Copy, Debug)]
enum Life {
    UntilAsked,
    Ends(Duration),
    Fails(Duration),
    Panics(Duration),
    /// Does not listen.
    Deaf,
    StopsSlowly(Duration),
    FailsToStop,
    /// Wakes up, and wakes up, and wakes up.
    Restless,
    AddsSiblings,
    TerminatesItself,
}

impl Script {
    fn start(&mut self) -> Start {
        let start = match self.rng.u8(..40) {
            0 => Start::Fails,
            1 => Start::Ignores,
            2 => Start::Panics,
            3..=8 => Start::Slowly,
            _ => Start::Well,
        };
        let may_fail = std::mem::replace(&mut self.may_fail, true);
        if may_fail || matches!(start, Start::Slowly) { start } else { Start::Well }
    }

    fn life(&mut self) -> Life {
        let time = self.rng.u32(..30) * MOMENT;
        match self.rng.u8(..20) {
            0 => Life::Ends(time),
            1..=3 => Life::Fails(time),
            4 => Life::Panics(time),
            5 => Life::Deaf,
            6 => Life::StopsSlowly(time),
            7 => Life::FailsToStop,
            8 => Life::Restless,
            9 => Life::AddsSiblings,
            10 => Life::TerminatesItself,
            _ => Life::UntilAsked,
        }
    }
}

impl Supervisable for Worker {
    fn name(&self) -> &str {
        &self.name
    }

    async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        let (start, life, panics_in_drop) = {
            let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            (script.start(), script.life(), script.rng.u8(..20) == 0)
        };
        let presence = self.diary.begin(panics_in_drop);
        match start {
            Start::Well => {}
            Start::Slowly => ambient::sleep(3 * MOMENT).await,
            Start::Fails => return Err("no luck".into()),
            Start::Ignores => return Err(InitializationError::ignore()),
            Start::Panics => panic::panic_any(SCRIPTED),
        }
        Ok(Box::pin(live(life, presence, shutdown, self.diary.clone())))
    }
}

async fn live(life: Life, presence: Presence, shutdown: ProcessShutdown, diary: Diary) -> Result<(), BoxError> {
    let _presence = presence;
    match life {
        Life::UntilAsked => shutdown.await,
        Life::Ends(after) => ambient::sleep(after).await,
        Life::Fails(after) => {
            ambient::sleep(after).await;
            return Err("something went wrong".into());
        }
        Life::Panics(after) => {
            ambient::sleep(after).await;
            panic::panic_any(SCRIPTED);
        }
        Life::Deaf => pending().await,
        Life::StopsSlowly(time) => {
            shutdown.await;
            ambient::sleep(time).await;
        }
        Life::FailsToStop => {
            shutdown.await;
            return Err("could not flush".into());
        }
        Life::Restless => {
            let restless = async {
                loop {
                    ambient::sleep(MOMENT).await;
                }
            };
            futures_lite::future::or(shutdown, restless).await;
        }
        Life::AddsSiblings => {
            for _ in 0..3 {
                // Full, or about to stop: then not.
                let _ = ambient::spawn(one_shot("extra", ambient::sleep(2 * MOMENT)));
                ambient::sleep(5 * MOMENT).await;
            }
            shutdown.await;
        }
        Life::TerminatesItself => {
            ambient::sleep(2 * MOMENT).await;
            let me = ambient::current().expect("a process");
            diary.calls_on(&me.name());
            for child in me.supervisor().children().await? {
                if child.process == Some(me.id()) {
                    me.supervisor().terminate_child(child.id).await?;
                }
            }
            shutdown.await;
        }
    }
    Ok(())
}
