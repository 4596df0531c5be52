use std::{
    panic,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use supervisor_core::{
    ChildSpec, InitializationError, ProcessShutdown, Supervisable, SupervisorFuture, process, worker as closure,
};

use super::{
    blueprint::Ground,
    diary::{Diary, Presence},
    draw::{draw, one_in},
    life::{SCRIPTED, live},
    script::{Role, Script, Start},
    site::Site,
};

const MOMENT: Duration = Duration::from_millis(1);

/// How workers become ready, and how often.
const KINDS: [(Kind, u32); 3] = [(Kind::Unprepared, 1), (Kind::SaysReady, 1), (Kind::SetUp, 6)];

#[derive(Clone, Copy)]
enum Kind {
    Unprepared,
    SaysReady,
    SetUp,
}

/// A worker that does something else in each of its lives: what, its seed says.
struct Worker {
    name: String,
    play: Play,
}

/// The state that a worker keeps over all its lives.
struct Play {
    script: Mutex<Script>,
    site: Arc<Site>,
    diary: Diary,
    /// Gone when the specification is.
    _owned: Presence,
}

/// Makes a worker. `site` is where it runs.
pub(crate) fn worker(ground: &Ground<'_>, name: String, path: &str, site: Arc<Site>) -> ChildSpec {
    let seed = path.bytes().fold(ground.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    scripted(seed, 0, ground.diary, (name, path), site)
}

/// Makes a worker that is in so many scopes, with its name and its dotted name.
pub(crate) fn scripted(
    seed: u64,
    depth: u32,
    diary: &Diary,
    (name, path): (String, &str),
    site: Arc<Site>,
) -> ChildSpec {
    let mut rng = Rng::with_seed(seed);
    let (kind, children_first) = (draw(&mut rng, &KINDS), one_in(&mut rng, 3));
    let diary = diary.clone();
    let play = Play { script: Mutex::new(Script::new(rng, depth)), site, _owned: diary.owned(path), diary };
    let spec = match kind {
        Kind::Unprepared => unprepared(name, play),
        Kind::SaysReady => says_ready(name, play),
        Kind::SetUp => ChildSpec::from(Worker { name, play }),
    };
    if children_first { spec.with_children_first() } else { spec }
}

impl Play {
    fn role(&self) -> Role {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).role(&self.site)
    }
}

/// Makes a closure, which is ready before it runs.
fn unprepared(name: String, play: Play) -> ChildSpec {
    closure(name, move |shutdown| {
        let (role, site, diary) = (play.role(), play.site.clone(), play.diary.clone());
        let Role { life, scope, panics_in_drop, .. } = role;
        async move {
            let presence = diary.begin(panics_in_drop);
            live((life, scope), presence, shutdown, diary, site).await
        }
    })
}

/// Makes a closure that says when it is ready, perhaps as the last thing that it does before it blocks.
fn says_ready(name: String, play: Play) -> ChildSpec {
    let child = closure(name, move |shutdown| {
        let (role, site, diary) = (play.role(), play.site.clone(), play.diary.clone());
        let Role { start, life, scope, panics_in_drop } = role;
        async move {
            let presence = diary.begin(panics_in_drop);
            if let Start::Slowly = start {
                process::sleep(3 * MOMENT).await;
            }
            process::ready();
            if let Start::Blocks(time) = start {
                diary.block(&site, time).await;
            }
            live((life, scope), presence, shutdown, diary, site).await
        }
    });
    child.with_explicit_ready()
}

impl Supervisable for Worker {
    fn name(&self) -> &str {
        &self.name
    }

    async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        let Role { start, life, scope, panics_in_drop } = self.play.role();
        let (site, diary) = (self.play.site.clone(), self.play.diary.clone());
        let presence = diary.begin(panics_in_drop);
        match start {
            Start::Well => {}
            Start::Slowly => process::sleep(3 * MOMENT).await,
            Start::Fails => return Err("no luck".into()),
            Start::Ignores => return Err(InitializationError::ignore()),
            Start::Panics => panic::panic_any(SCRIPTED),
            Start::Blocks(time) => diary.block(&site, time).await,
        }
        Ok(Box::pin(live((life, scope), presence, shutdown, diary, site)))
    }
}
