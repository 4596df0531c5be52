//! The crates `ractor` and `ractor-supervisor`: actors that are told apart by name, in a registry that the process has once.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_lite::FutureExt as _;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_supervisor::{
    ChildSpec, DynamicSupervisor, DynamicSupervisorMsg, DynamicSupervisorOptions, Restart, SpawnFn, Supervisor,
    SupervisorArguments, SupervisorMsg, SupervisorOptions, SupervisorStrategy, TaskOptions,
};

use super::{Failing, Family, Order, Pool, Strategy, Subject};
use crate::{executor::TokioMulti, measure::Tally, workload::Workload};

/// It forgets restarts that are older, and looks at all others at each.
const WINDOW: Duration = Duration::from_millis(1);

/// A supervisor of static children.
#[derive(Debug)]
pub struct Ractor(ActorRef<SupervisorMsg>);

impl Subject for Ractor {
    type Executor = TokioMulti;
    type Pool = RactorPool;

    const NAME: &'static str = "ractor-supervisor";

    fn cannot(workload: Workload) -> Option<&'static str> {
        match workload {
            Workload::Stop { order: Order::Reverse, .. } => Some("it stops all at once"),
            _ => None,
        }
    }

    async fn start(_: TokioMulti, family: Family) -> Self {
        let failing = family.failing.map(spec::<Fails>);
        let parked = (0..family.parked).map(|_| spec::<Parks>(family.arrivals.clone()));
        let strategy = match family.strategy {
            Strategy::OneForOne => SupervisorStrategy::OneForOne,
            Strategy::OneForAll => SupervisorStrategy::OneForAll,
            Strategy::RestForOne => SupervisorStrategy::RestForOne,
        };
        let arguments = SupervisorArguments {
            child_specs: failing.into_iter().chain(parked).collect(),
            options: SupervisorOptions { strategy, max_restarts: usize::MAX, max_window: WINDOW, reset_after: None },
        };
        let (supervisor, _) = Supervisor::spawn(unique("root"), arguments).await.expect("a start without failure");
        Self(supervisor)
    }

    async fn stop(self) {
        self.0.get_cell().stop_children_and_wait(None, None).await;
        self.0.stop_and_wait(None, None).await.expect("a clean stop");
    }

    async fn pool(_: TokioMulti) -> RactorPool {
        let options = DynamicSupervisorOptions {
            max_children: None,
            max_restarts: usize::MAX,
            max_window: WINDOW,
            reset_after: None,
        };
        let (supervisor, _) = DynamicSupervisor::spawn(unique("pool"), options).await.expect("a start without failure");
        RactorPool(supervisor)
    }
}

fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Relaxed))
}

/// Returns a transient specification: a child that is asked to stop ends normally, and is not restarted.
fn spec<A>(arguments: A::Arguments) -> ChildSpec
where
    A: Actor + Default,
    A::Arguments: Clone + Sync,
{
    let start = move |supervisor, id| {
        let arguments = arguments.clone();
        async move {
            let (child, _) = Supervisor::spawn_linked(id, A::default(), arguments, supervisor).await?;
            Ok(child.get_cell())
        }
        .boxed()
    };
    ChildSpec {
        id: unique("child"),
        restart: Restart::Transient,
        spawn_fn: SpawnFn::new(start),
        backoff_fn: None,
        reset_after: None,
    }
}

#[derive(Default)]
struct Parks;

impl Actor for Parks {
    type Msg = ();
    type State = Tally;
    type Arguments = Tally;

    async fn pre_start(&self, _: ActorRef<()>, arrivals: Tally) -> Result<Tally, ActorProcessingErr> {
        Ok(arrivals)
    }

    async fn post_start(&self, _: ActorRef<()>, arrivals: &mut Tally) -> Result<(), ActorProcessingErr> {
        arrivals.count();
        Ok(())
    }
}

/// A message: it has to fail.
#[derive(Default)]
struct Fails;

impl Actor for Fails {
    type Msg = ();
    type State = Failing;
    type Arguments = Failing;

    async fn pre_start(&self, _: ActorRef<()>, failing: Failing) -> Result<Failing, ActorProcessingErr> {
        Ok(failing)
    }

    async fn post_start(&self, myself: ActorRef<()>, failing: &mut Failing) -> Result<(), ActorProcessingErr> {
        failing.begin();
        if failing.has_failure() {
            return Err(failing.end().into());
        }
        // An actor that waited for it here would receive nothing else.
        let failing = failing.clone();
        tokio::spawn(async move {
            failing.failure().await;
            let _ = myself.cast(());
        });
        Ok(())
    }

    async fn handle(&self, _: ActorRef<()>, (): (), failing: &mut Failing) -> Result<(), ActorProcessingErr> {
        Err(failing.end().into())
    }
}

/// A supervisor of tasks.
#[derive(Clone, Debug)]
pub struct RactorPool(ActorRef<DynamicSupervisorMsg>);

impl Pool for RactorPool {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let child = Arc::new(Mutex::new(Some(child)));
        let task = move || {
            let child = child.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                if let Some(child) = child {
                    child.await;
                }
                Ok(())
            }
        };
        let options = TaskOptions::new().name(unique("task"));
        ractor_supervisor::TaskSupervisor::spawn_task(self.0.clone(), task, options).await.expect("started");
    }

    async fn close(self) {
        self.0.stop_and_wait(None, None).await.expect("a clean stop");
    }
}
