use std::{future::pending, panic, sync::Arc, time::Duration};

use futures_lite::future::{or, poll_once};
use supervisor_core::{BoxError, ChildSpec, ProcessShutdown, ShutdownStrategy, one_shot, process};

use super::{
    diary::{Diary, Presence},
    scope::ScopePlan,
    script::{Act, Life},
    site::Site,
};

const MOMENT: Duration = Duration::from_millis(1);

/// What workers say when they panic.
pub(crate) const SCRIPTED: &str = "a scripted panic";

/// Opens a scope, if there is to be one, and lives.
pub(crate) async fn live(
    (life, scope): (Life, Option<ScopePlan>),
    presence: Presence,
    shutdown: ProcessShutdown,
    diary: Diary,
    site: Arc<Site>,
) -> Result<(), BoxError> {
    let _presence = presence;
    let opened = scope.map(|plan| plan.open(&diary, &site)).transpose()?;
    let result = act(life, shutdown, diary, site).await;
    if let Some(scope) = opened.filter(|_| scope.is_some_and(|plan| plan.is_drained)) {
        // What did not stop well is named in the outcome.
        let _ = scope.stop().await;
    }
    result
}

async fn act(life: Life, shutdown: ProcessShutdown, diary: Diary, site: Arc<Site>) -> Result<(), BoxError> {
    match life {
        Life::UntilAsked => shutdown.await,
        Life::Ends(after) => process::sleep(after).await,
        Life::Fails(after) => {
            process::sleep(after).await;
            return Err("something went wrong".into());
        }
        Life::Panics(after) => {
            process::sleep(after).await;
            panic::panic_any(SCRIPTED);
        }
        Life::Deaf => pending().await,
        Life::StopsSlowly(time) => {
            shutdown.await;
            process::sleep(time).await;
        }
        Life::FailsToStop => {
            shutdown.await;
            return Err("could not flush".into());
        }
        Life::Restless => {
            let restless = async {
                loop {
                    process::sleep(MOMENT).await;
                }
            };
            or(shutdown, restless).await;
        }
        Life::AddsSiblings => {
            for _ in 0..3 {
                // Full, or about to stop: then not.
                let _ = process::spawn(extra());
                process::sleep(5 * MOMENT).await;
            }
            shutdown.await;
        }
        Life::TerminatesItself => {
            process::sleep(2 * MOMENT).await;
            let me = process::current().expect("a process");
            diary.calls_on(&me.path());
            for child in me.supervisor().children().await? {
                if child.process == Some(me.id()) {
                    me.supervisor().terminate_child(child.id).await?;
                }
            }
            shutdown.await;
        }
        Life::Blocks { after, act, time, ends } => {
            if !after.is_zero() {
                process::sleep(after).await;
            }
            perform(act, &diary).await;
            diary.block(&site, time).await;
            if !ends {
                shutdown.await;
            }
        }
        Life::StopsBlocking(time) => {
            shutdown.await;
            diary.block(&site, time).await;
        }
    }
    Ok(())
}

/// Performs everything in one poll.
async fn perform(act: Act, diary: &Diary) {
    match act {
        Act::Nothing => {}
        Act::Spawns => drop(process::spawn(extra())),
        Act::Calls => {
            let me = process::current().expect("a process");
            let supervisor = me.supervisor();
            let siblings = supervisor.children().await.unwrap_or_default();
            if let Some(sibling) = siblings.iter().rfind(|child| child.process != Some(me.id())) {
                diary.calls_on(&format!("{}.{}", supervisor.path(), sibling.name));
                let _ = poll_once(supervisor.terminate_child(sibling.id)).await;
            }
        }
    }
}

/// Makes a sibling that does little.
fn extra() -> ChildSpec {
    one_shot("extra", async { process::sleep(2 * MOMENT).await }).with_shutdown_strategy(ShutdownStrategy::Brutal)
}
