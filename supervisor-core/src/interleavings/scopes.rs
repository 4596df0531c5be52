//! The link between a process and its scope: one ends, or is asked, while the other ends.

use std::{
    future::{poll_fn, ready},
    sync::OnceLock,
    time::Instant,
};

use loom::thread;

use super::*;
use crate::{
    error::{StopReason, Termination},
    incarnation::{Name, PendingEnd},
    node::{self, ChildSpec, Dependents, Scope, Tenure},
    observe::Observers,
    spawner::{Executor, Spawner, Timer},
    supervisor::Supervisor,
};

/// An executor that runs nothing: the model does.
#[derive(Debug)]
struct Idle;

impl Spawner for Idle {
    fn spawn(&self, _: Process) {}

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        unreachable!("nothing waits for a time")
    }
}

/// What the owner sees above it.
struct Above {
    child: Arc<Child>,
    link: OnceLock<Arc<Dependents>>,
}

impl Parent for Above {
    fn report(&self, report: Report) {
        self.child.report(report);
    }

    fn take_over(&self, end: PendingEnd) {
        self.link.get().expect("it is linked").owner_ended(end);
    }

    fn path_of(&self, segment: &str) -> String {
        segment.to_owned()
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// A process with a scope.
struct Owned {
    child: Arc<Child>,
    above: Arc<Above>,
    id: ProcessId,
    scope: Arc<dyn node::Child>,
    scope_id: ProcessId,
}

impl Owned {
    fn open(flags: Flags) -> Self {
        let child = Child::new();
        let id = ProcessId::next();
        child.cell.begin(id, flags);
        let shared = Tenure::new(&Name::new("root")).shared().clone();
        let outside =
            Scope::outside(Executor::new(Arc::new(Idle)), Observers::default(), Quiescence::uncounted(), shared);
        let scope = ChildSpec::from(Supervisor::dynamic("child").expect("a valid name")).into_child();
        let context = scope.clone().begin(ProcessKey::only(ChildId::FIRST), &outside, Flags::NO_SUCCESSOR);
        let link = Dependents::link(id, child.clone(), outside, Flags::SHUTDOWN, scope.clone());
        let above = Arc::new(Above { child: child.clone(), link: OnceLock::new() });
        let _ = above.link.set(link.clone());
        child.cell.mark_scoped(id);
        link.pass_on();
        Self { child, above, id, scope, scope_id: context.id }
    }

    /// Returns the process of the owner.
    fn process(&self, future: impl Future<Output = ()> + Send + 'static) -> Process {
        let context = ProcessContext {
            id: self.id,
            process_key: ProcessKey::only(ChildId::FIRST),
            control: self.child.clone(),
            parent: self.above.clone(),
            quiescence: Quiescence::uncounted(),
        };
        Process::new(context, Run(Box::pin(future)))
    }

    /// Runs the scope, until it has one of these requests; then it ends.
    fn run_scope(&self, requests: Flags) -> impl FnOnce() + Send + 'static {
        let (scope, id, child) = (self.scope.clone(), self.scope_id, self.child.clone());
        let link = self.above.link.get().expect("it is linked").clone();
        move || {
            block_on(poll_fn(|cx| {
                scope.cell().register_process(id, cx.waker());
                let flags = scope.cell().flags(id).expect("it runs");
                let is_asked = [Flags::SHUTDOWN, Flags::ABORT]
                    .into_iter()
                    .any(|flag| requests.contains(flag) && flags.contains(flag));
                if is_asked { Poll::Ready(()) } else { Poll::Pending }
            }));
            end_scope(&*scope, id, &child, &link, StopReason::Requested);
        }
    }
}

fn end_scope(scope: &dyn node::Child, id: ProcessId, child: &Child, link: &Dependents, reason: StopReason) {
    child.say("scope ended");
    scope.cell().end(id, false);
    let exit = Exit::Shutdown(Arc::new(Termination { reason, unclean: Vec::new() }));
    link.exited(ProcessKey::only(ChildId::FIRST), id, child, exit);
}

#[test]
fn s1_an_owner_that_ends_as_its_scope_ends_is_told_once() {
    let stories = outcomes(|| {
        let owned = Owned::open(Flags::NONE);
        let process = owned.process(ready(()));
        let executor = thread::spawn(move || block_on(process));
        let link = owned.above.link.get().expect("it is linked");
        end_scope(&*owned.scope, owned.scope_id, &owned.child, link, StopReason::Requested);
        executor.join().unwrap();
        assert!(owned.child.cell.process().is_none());
        owned.child.story()
    });
    assert_eq!(stories, ["scope ended, exit: ended normally"]);
}

#[test]
fn s2_an_abort_as_the_owner_ends_reaches_the_scope() {
    let stories = outcomes(|| {
        let owned = Owned::open(Flags::NONE);
        let process = owned.process(ready(()));
        let scope = thread::spawn(owned.run_scope(Flags::ABORT));
        let executor = thread::spawn(move || block_on(process));
        owned.child.cell.request(Flags::ABORT);
        executor.join().unwrap();
        scope.join().unwrap();
        owned.child.story()
    });
    assert_eq!(stories, ["scope ended, exit: ended normally", "scope ended, exit: was aborted"]);
}

#[test]
fn s5_a_scope_that_fails_as_the_owner_ends_leaves_one_end() {
    let stories = outcomes(|| {
        let owned = Owned::open(Flags::NONE);
        let process = owned.process(ready(()));
        let executor = thread::spawn(move || block_on(process));
        let link = owned.above.link.get().expect("it is linked");
        let reason = StopReason::AutoShutdown { path: "child".into(), child: "child.needed".into(), exit: Exit::Lost };
        end_scope(&*owned.scope, owned.scope_id, &owned.child, link, reason);
        executor.join().unwrap();
        owned.child.story()
    });
    // The cause is the same, whichever of the two is first.
    let failed = "failed: `child` shut down because its significant child `child.needed` was dropped by its executor";
    assert_eq!(stories, [format!("scope ended, exit: {failed}")]);
}

#[test]
fn s6_children_first_end_before_the_owner_is_asked() {
    let stories = outcomes(|| {
        let owned = Owned::open(Flags::CHILDREN_FIRST);
        let (shutdown, child) = (ProcessShutdown::of(owned.child.clone(), owned.id), owned.child.clone());
        let process = owned.process(async move {
            shutdown.await;
            child.say("asked");
        });
        let scope = thread::spawn(owned.run_scope(Flags::SHUTDOWN));
        let executor = thread::spawn(move || block_on(process));
        owned.child.cell.request(Flags::SHUTDOWN);
        executor.join().unwrap();
        scope.join().unwrap();
        owned.child.story()
    });
    assert_eq!(stories, ["scope ended, asked, exit: ended normally"]);
}
