use std::{future::Future, pin::Pin, time::Duration};

use fastrand::Rng;
use futures_lite::future::{or, poll_once};
use supervisor_core::{ChildId, Events, SupervisionTree, SupervisorError, SupervisorHandle};

use super::{
    blueprint::{Built, Ground, SpecSettings},
    calls::Calls,
    draw::{draw, one_in, pick},
    invariants::is_supervisor,
    stage::Stage,
    worker::worker,
};

const MOMENT: Duration = Duration::from_millis(1);

/// What callers do, and how often.
const DEEDS: [(Deed, u32); 13] = [
    (Deed::Spawn, 1),
    (Deed::StartChild, 3),
    (Deed::Terminate, 2),
    (Deed::Restart, 1),
    (Deed::Delete, 1),
    (Deed::Kill, 2),
    (Deed::Reload, 2),
    (Deed::ChildSpec, 1),
    (Deed::Subscribe, 1),
    (Deed::Unsubscribe, 1),
    (Deed::EndExecutor, 1),
    (Deed::Snapshot, 1),
    (Deed::Count, 1),
];

#[derive(Clone, Copy, Debug)]
enum Deed {
    Spawn,
    StartChild,
    Terminate,
    Restart,
    Delete,
    Kill,
    Reload,
    ChildSpec,
    Subscribe,
    Unsubscribe,
    EndExecutor,
    Snapshot,
    Count,
}

impl Deed {
    /// Returns whether it adds a child.
    fn is_adding(self) -> bool {
        matches!(self, Self::Spawn | Self::StartChild)
    }

    /// Returns whether it changes what the child does.
    fn is_command(self) -> bool {
        matches!(self, Self::Terminate | Self::Restart | Self::Delete | Self::Kill | Self::Reload)
    }
}

/// A commander: it makes any call on any child, subscribes and unsubscribes, reads, and ends executors.
pub(crate) struct Commander<'a> {
    ground: &'a Ground<'a>,
    stage: &'a Stage<'a>,
    supervisors: &'a [Built],
    rng: Rng,
    /// With their dotted names.
    known: Vec<(ChildId, String)>,
    added: u32,
    subscriptions: Vec<Events>,
    /// Those that were not answered yet.
    calls: Calls,
}

impl<'a> Commander<'a> {
    pub(crate) fn new(ground: &'a Ground<'a>, stage: &'a Stage<'a>, supervisors: &'a [Built]) -> Self {
        let (rng, calls) = (Rng::with_seed(!ground.seed), Calls::default());
        Self { ground, stage, supervisors, rng, known: Vec::new(), added: 0, subscriptions: Vec::new(), calls }
    }

    /// Returns the calls that are still to be answered.
    pub(crate) fn into_calls(self) -> Calls {
        self.calls
    }

    /// Commands until the time is over, or the tree has ended. Returns how it ended.
    pub(crate) async fn command(
        &mut self,
        time: Duration,
        tree: &mut SupervisionTree,
    ) -> Option<Result<(), SupervisorError>> {
        let end = self.stage.elapsed() + time;
        while self.stage.elapsed() < end {
            let pause = self.stage.sleep(self.rng.u32(..5) * MOMENT);
            let next = or(self.calls.answer(), async {
                pause.await;
                None
            });
            if let Some(outcome) = or(async { Some(tree.wait().await) }, next).await {
                return Some(outcome);
            }
            self.call().await;
        }
        None
    }

    async fn call(&mut self) {
        let Built { handle, site } = pick(&mut self.rng, self.supervisors);
        let deed = draw(&mut self.rng, &DEEDS);
        let scope = if deed.is_adding() { None } else { self.find_scope(handle).await };
        let handle = scope.as_ref().unwrap_or(handle);
        if let Ok(children) = self.stage.at_once("children", handle.children()).await {
            let path = handle.path();
            self.known.extend(children.iter().map(|child| (child.id, format!("{path}.{}", child.name))));
            self.known.sort_unstable();
            self.known.dedup();
        }
        let child = (!self.known.is_empty()).then(|| pick(&mut self.rng, &self.known).clone());
        if let Some((_, path)) = child.as_ref().filter(|_| deed.is_command()) {
            self.ground.diary.calls_on(path);
        }
        let child = child.map(|(id, _)| id);
        let handle = handle.clone();
        let mut call: Pin<Box<dyn Future<Output = ()>>> = match (deed, child) {
            (Deed::Spawn | Deed::StartChild, _) | (_, None) => {
                self.added += 1;
                let name = format!("x{}", self.added);
                let sites = self.ground.sites;
                let settings = SpecSettings::random(&mut self.rng, false).placed(&mut self.rng, sites.count());
                let worker = worker(self.ground, name.clone(), &name, settings.site(sites, site));
                let spec = settings.apply(worker, sites);
                if let Deed::Spawn = deed {
                    let _ = handle.spawn(spec);
                    return self.ground.diary.called();
                }
                Box::pin(async move { drop(handle.start_child(spec).await) })
            }
            (Deed::Terminate, Some(child)) => Box::pin(async move { drop(handle.terminate_child(child).await) }),
            (Deed::Restart, Some(child)) => Box::pin(async move { drop(handle.restart_child(child).await) }),
            (Deed::Delete, Some(child)) => Box::pin(async move { drop(handle.delete_child(child).await) }),
            (Deed::Kill, Some(child)) => Box::pin(async move { drop(handle.kill_child(child).await) }),
            (Deed::Reload, Some(child)) => Box::pin(async move { drop(handle.reload_child(child).await) }),
            (Deed::ChildSpec, Some(child)) => Box::pin(async move { drop(handle.child_spec(child).await) }),
            (Deed::Subscribe, _) => return self.subscriptions.push(handle.events()),
            (Deed::Unsubscribe, _) => return drop(self.subscriptions.pop()),
            (Deed::EndExecutor, _) => return self.ground.sites.end_one(&mut self.rng),
            (Deed::Snapshot, _) => return drop(self.stage.at_once("a snapshot", handle.snapshot()).await),
            (Deed::Count, _) => return drop(self.stage.at_once("a count", handle.count()).await),
        };
        if one_in(&mut self.rng, 6) {
            // A call without a waiting caller is carried out all the same.
            let _ = poll_once(&mut call).await;
        } else if poll_once(&mut call).await.is_none() {
            self.calls.add(format!("{deed:?} on {}", self.supervisors[0].handle.path()), call);
        }
        self.ground.diary.called();
    }

    /// Returns now and then the scope of a worker, if it has one.
    async fn find_scope(&mut self, handle: &SupervisorHandle) -> Option<SupervisorHandle> {
        let workers: Vec<_> = self.known.iter().map(|(_, path)| path).filter(|path| !is_supervisor(path)).collect();
        if workers.is_empty() || !one_in(&mut self.rng, 2) {
            return None;
        }
        let worker = *pick(&mut self.rng, &workers);
        self.stage.at_once("a look-up", handle.supervisor(worker)).await.ok()
    }
}
