//! What the child does: it looks at its tree, and tells systemd what is new.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use futures_lite::future::{or, poll_once};
use supervisor_core::{
    BoxError, ProcessShutdown, SupervisorError, SupervisorHandle,
    process::{self, sleep},
};

use super::{
    notifier::Notifier,
    status::{Phase, Status, with_cause},
};

/// How often it looks. A start and a drain that last no longer are not told in detail.
const PAUSE: Duration = Duration::from_secs(1);
/// A look at a process that is not ready may take so much more time: a large tree is looked at less often, so that looking takes
/// one percent of a thread or so. By number, and not by the time that it took, so that a simulation stays the same.
const PAUSE_PER_PROCESS: Duration = Duration::from_micros(50);
/// How soon it asks again when the tree waits for this child itself.
const GLANCE: Duration = Duration::from_millis(10);
/// How much more time systemd is asked for, and how often.
const EXTENSION: Duration = Duration::from_secs(15);
const EXTEND_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn run(
    notifier: Arc<Notifier>,
    watchdog: Option<Duration>,
    shutdown: ProcessShutdown,
) -> Result<(), BoxError> {
    // A socket that cannot be reached is a failed start, because this is not ready yet. systemd would wait for `READY=1` until
    // its own limit, and then say no more than that.
    notifier.reach()?;
    process::ready();
    let this = process::current().ok_or(SupervisorError::OutsideProcess)?;
    let path = this.path();
    let root = path.split('.').next().unwrap_or(&path);
    let root = this.supervisor().supervisor(root).await?;
    let tell = or(report(&notifier, &root, &path), watch(&notifier, &root, watchdog));
    or(shutdown, tell).await;
    // A tree may stop so fast that this is asked to stop before it has seen that.
    if !notifier.is_stopping() && is_stopping(&root).await {
        let _ = notifier.stopping(&with_cause("stopping", root.stop_reason()));
    }
    notifier.log(&path);
    Ok(())
}

/// Tells the state of the tree, for ever.
async fn report(notifier: &Notifier, root: &SupervisorHandle, own: &str) {
    // For how long the tree has been starting, or stopping.
    let mut lasted = Duration::ZERO;
    let mut is_first_look_at_stop = true;
    let mut extend_at = PAUSE;
    let mut awaited = None;
    loop {
        let is_stopping = is_stopping(root).await;
        if is_stopping && is_first_look_at_stop {
            is_first_look_at_stop = false;
            (lasted, extend_at, awaited) = (Duration::ZERO, PAUSE, None);
        }
        let mut pause = PAUSE;
        let phase = match (is_stopping, notifier.is_up()) {
            (true, _) => Phase::Stopping(lasted),
            (false, true) => Phase::Running,
            (false, false) => Phase::Starting,
        };
        let told = if !is_stopping && root.is_ready().await {
            notifier.ready("ready")
        } else if phase != Phase::Running && lasted.is_zero() {
            // At once, before a large tree is looked at; and most starts and stops need no more.
            if is_stopping { notifier.stopping(&with_cause("stopping", root.stop_reason())) } else { Ok(()) }
        } else {
            let status = Status::of(&root.snapshot().await, own, phase);
            pause = pause.max(PAUSE_PER_PROCESS.saturating_mul(u32::try_from(status.processes).unwrap_or(u32::MAX)));
            let told = if is_stopping {
                notifier.stopping(&with_cause(&status.line, root.stop_reason()))
            } else {
                notifier.status(&status.line)
            };
            // A start or a stop without limit, in which nothing happens, is for systemd to end.
            let before = awaited.get_or_insert_with(|| status.awaited.clone());
            let goes_on = status.has_time_left || status.awaited != *before;
            if phase != Phase::Running && lasted >= extend_at && goes_on {
                extend_at = lasted + EXTEND_EVERY;
                *before = status.awaited;
                let _ = notifier.extend(EXTENSION.max(3 * pause));
            }
            told
        };
        notifier.log(own);
        let until_change = async {
            // A message that could not be sent is still new at the next look.
            if is_stopping || told.is_err() {
                pending().await
            } else if notifier.is_up() {
                let _ = root.stopping().await;
            } else {
                or(ready(root), async { drop(root.stopping().await) }).await;
            }
        };
        let change = or(
            async {
                until_change.await;
                true
            },
            async {
                sleep(pause).await;
                false
            },
        )
        .await;
        lasted += if change { Duration::ZERO } else { pause };
    }
}

/// Waits until the tree is ready.
async fn ready(root: &SupervisorHandle) {
    // This child itself is ready a moment after it has begun, and the tree waits for that.
    while root.ready().await.is_err() {
        sleep(GLANCE).await;
    }
}

async fn is_stopping(root: &SupervisorHandle) -> bool {
    poll_once(root.stopping()).await.is_some()
}

/// Tells systemd that the tree is alive, as long as the root turns its messages over.
async fn watch(notifier: &Notifier, root: &SupervisorHandle, within: Option<Duration>) {
    let Some(within) = within else { return pending().await };
    loop {
        let mut ping = pin!(root.ping());
        let answer = async { Some(ping.as_mut().await) };
        let late = async {
            sleep(within / 4).await;
            None
        };
        // So two signs are never further apart than three quarters of the time: a half, and an answer that is just in time.
        match or(answer, late).await {
            Some(Ok(())) => drop(notifier.alive()),
            Some(Err(_)) => {}
            // Too late for a sign. No other message is sent before this one is read, so they do not pile up.
            None => {
                let _ = ping.await;
                continue;
            }
        }
        sleep(within / 2).await;
    }
}
