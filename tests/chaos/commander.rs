use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use fastrand::Rng;
use futures_lite::future::{or, poll_once};
use supervisor_core::{ChildId, Events, Spawner, SupervisionTree, SupervisorError, SupervisorHandle};

use super::{blueprint::SpecSettings, diary::Diary, pick, sleep, worker::worker};

const MOMENT: Duration = Duration::from_millis(1);

/// Calls anything on anybody, and subscribes and unsubscribes.
pub(crate) struct Commander {
    seed: u64,
    rng: Rng,
    handles: Vec<SupervisorHandle>,
    diary: Diary,
    /// With their dotted names.
    known: Vec<(ChildId, String)>,
    added: u32,
    subscriptions: Vec<Events>,
}

impl Commander {
    pub(crate) fn new(seed: u64, handles: Vec<SupervisorHandle>, diary: Diary) -> Self {
        let (known, subscriptions) = (Vec::new(), Vec::new());
        Self { seed, rng: Rng::with_seed(!seed), handles, diary, known, added: 0, subscriptions }
    }

    /// Until the time is over, or the tree: how that ended.
    pub(crate) async fn command(
        mut self,
        spawner: Arc<dyn Spawner>,
        time: Duration,
        tree: &mut SupervisionTree,
        mut after_each: impl FnMut(),
    ) -> Option<Result<(), SupervisorError>> {
        let end = spawner.now() + time;
        while spawner.now() < end {
            let pause = self.rng.u32(..5) * MOMENT;
            let next = async {
                sleep(&*spawner, pause).await;
                None
            };
            if let Some(outcome) = or(async { Some(tree.wait().await) }, next).await {
                return Some(outcome);
            }
            self.call().await;
            after_each();
        }
        None
    }

    async fn call(&mut self) {
        let handle = pick(&mut self.rng, &self.handles).clone();
        if let Ok(children) = handle.children().await {
            let path = handle.path();
            self.known.extend(children.iter().map(|child| (child.id, format!("{path}.{}", child.name))));
            self.known.sort_unstable();
            self.known.dedup();
        }
        let choice = self.rng.u8(..14);
        let child = (!self.known.is_empty()).then(|| pick(&mut self.rng, &self.known).clone());
        if let (4..=9, Some((_, path))) = (choice, &child) {
            self.diary.calls_on(path);
        }
        let child = child.map(|(id, _)| id);
        let mut call: Pin<Box<dyn Future<Output = ()>>> = match (choice, child) {
            (0..=3, _) | (_, None) => {
                self.added += 1;
                let name = format!("x{}", self.added);
                let worker = worker(self.seed, name.clone(), &name, &self.diary);
                let spec = SpecSettings::random(&mut self.rng, false).apply(worker);
                if choice == 0 {
                    let _ = handle.spawn(spec);
                    return self.diary.called();
                }
                Box::pin(async move { drop(handle.start_child(spec).await) })
            }
            (4..=5, Some(child)) => Box::pin(async move { drop(handle.terminate_child(child).await) }),
            (6, Some(child)) => Box::pin(async move { drop(handle.restart_child(child).await) }),
            (7, Some(child)) => Box::pin(async move { drop(handle.delete_child(child).await) }),
            (8..=9, Some(child)) => Box::pin(async move { drop(handle.kill_child(child).await) }),
            (10, Some(child)) => Box::pin(async move { drop(handle.child_spec(child).await) }),
            (11, _) => return self.subscriptions.push(handle.events()),
            (12, _) => return drop(self.subscriptions.pop()),
            _ => Box::pin(async move { drop(handle.count().await) }),
        };
        if self.rng.u8(..6) == 0 {
            // A call that nobody waits for is carried out all the same.
            let _ = poll_once(&mut call).await;
        } else {
            call.await;
        }
        self.diary.called();
    }
}
