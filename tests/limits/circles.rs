//! N6: no call waits for its own caller. Every call, made in every situation of a caller, from every place in a tree.
//!
//! The callers have an hour to stop: one that waits for itself is found by that.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use futures_lite::future::{or, zip};
use supervisor_core::{
    ChildId, ChildSpec, ChildState, InitializationError, ProcessShutdown, RestartStrategy, RestartType,
    ShutdownStrategy, Supervisable, SupervisionTree, Supervisor, SupervisorError, SupervisorFuture, SupervisorHandle,
    one_shot, process, worker,
};

use crate::stage::{HOUR, Stage, idle, supervisor};

stage! { everywhere:
    n6_no_call_of_a_running_process_waits_for_it
    n6_no_call_of_a_stopping_process_waits_for_it
    n6_no_call_of_a_process_whose_group_stops_waits_for_it
    n6_no_call_of_a_process_below_waits_for_it
    n6_no_call_of_a_starting_process_waits_for_it
    n6_workers_of_two_supervisors_may_terminate_each_other
    n6_two_siblings_may_terminate_each_other
    n6_processes_of_two_trees_may_shut_down_each_others_tree
    n6_a_process_may_shut_down_a_tree_that_terminates_it
    n6_a_tree_that_a_process_runs_may_terminate_that_process
    n6_the_order_of_a_stop_is_a_link_of_the_chain
    n6_a_start_that_comes_to_wait_for_its_caller_is_refused
    n6_calls_about_one_group_are_no_circle
}

/// The things that a caller can reach.
#[derive(Clone, Default)]
struct Reach(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    handle: Option<SupervisorHandle>,
    /// The caller itself, its supervisor where that is not the root, and the siblings of the one that is a child of the root.
    own: Option<ChildId>,
    before: Option<ChildId>,
    after: Option<ChildId>,
    tree: Option<SupervisionTree>,
}

type Call = fn(Reach) -> Pin<Box<dyn Future<Output = Result<(), SupervisorError>> + Send>>;

impl Reach {
    fn handle(&self) -> SupervisorHandle {
        self.0.lock().unwrap().handle.clone().expect("a root")
    }

    fn id(&self, which: impl Fn(&Known) -> Option<ChildId>) -> ChildId {
        which(&self.0.lock().unwrap()).expect("added")
    }

    fn tree(&self) -> Option<SupervisionTree> {
        self.0.lock().unwrap().tree.take()
    }
}

/// By what it is called.
const CALLS: [(&str, Call); 16] = [
    ("terminate itself", |reach| {
        Box::pin(async move { reach.handle().terminate_child(reach.id(|known| known.own)).await })
    }),
    ("terminate one before", |reach| {
        Box::pin(async move { reach.handle().terminate_child(reach.id(|known| known.before)).await })
    }),
    ("terminate one behind", |reach| {
        Box::pin(async move { reach.handle().terminate_child(reach.id(|known| known.after)).await })
    }),
    ("restart itself", |reach| {
        Box::pin(async move { reach.handle().restart_child(reach.id(|known| known.own)).await })
    }),
    ("restart one before", |reach| {
        Box::pin(async move { reach.handle().restart_child(reach.id(|known| known.before)).await })
    }),
    ("restart one behind", |reach| {
        Box::pin(async move { reach.handle().restart_child(reach.id(|known| known.after)).await })
    }),
    ("delete one behind", |reach| {
        Box::pin(async move { reach.handle().delete_child(reach.id(|known| known.after)).await })
    }),
    ("kill one before", |reach| {
        Box::pin(async move { reach.handle().kill_child(reach.id(|known| known.before)).await })
    }),
    ("reload itself", |reach| Box::pin(async move { reach.handle().reload_child(reach.id(|known| known.own)).await })),
    ("reload one before", |reach| {
        Box::pin(async move { reach.handle().reload_child(reach.id(|known| known.before)).await })
    }),
    ("reload one behind", |reach| {
        Box::pin(async move { reach.handle().reload_child(reach.id(|known| known.after)).await })
    }),
    ("start another one", |reach| Box::pin(async move { reach.handle().start_child(idle("another")).await.map(drop) })),
    ("read the tree", |reach| {
        Box::pin(async move {
            reach.handle().snapshot().await;
            reach.handle().children().await.map(drop)
        })
    }),
    ("wait for the tree", |reach| {
        Box::pin(async move {
            let Some(mut tree) = reach.tree() else { return Ok(()) };
            tree.wait().await
        })
    }),
    ("wait until the tree is ready", |reach| {
        Box::pin(async move {
            let Some(tree) = reach.tree() else { return Ok(()) };
            tree.ready().await
        })
    }),
    ("shut the tree down", |reach| {
        Box::pin(async move {
            let Some(tree) = reach.tree() else { return Ok(()) };
            tree.shutdown().await
        })
    }),
];

/// The time at which the caller makes its call.
#[derive(Clone, Copy, PartialEq)]
enum When {
    Running,
    Asked,
}

/// Makes the call, says that it was answered, and runs until it is asked to stop.
fn caller(when: When, call: Call, reach: &Reach, gate: &async_channel::Receiver<()>) -> (ChildSpec, Answers) {
    let (say, answers) = async_channel::unbounded();
    let (reach, gate) = (reach.clone(), gate.clone());
    let child = worker("caller", move |mut shutdown: ProcessShutdown| {
        let (say, reach, gate) = (say.clone(), reach.clone(), gate.clone());
        async move {
            match when {
                // A caller that was reloaded finds the gate closed.
                When::Running => or(async { _ = gate.recv().await }, shutdown.wait_for_shutdown()).await,
                When::Asked => shutdown.wait_for_shutdown().await,
            }
            let _ = say.try_send(call(reach).await);
            shutdown.await;
        }
    });
    (child.with_shutdown_strategy(ShutdownStrategy::Graceful(HOUR)), answers)
}

type Answers = async_channel::Receiver<Result<(), SupervisorError>>;

/// Adds `before`, the caller and `after` to a root.
fn around(root: &mut Supervisor, caller: ChildSpec, reach: &Reach) {
    let (before, own, after) =
        (root.add_worker(idle("before")), root.add_worker(caller), root.add_worker(idle("after")));
    let mut known = reach.0.lock().unwrap();
    (known.before, known.own, known.after) = (Some(before), Some(own), Some(after));
    known.handle = Some(root.handle());
}

async fn n6_no_call_of_a_running_process_waits_for_it(stage: Stage) {
    for (what, call) in stage.some_of(&CALLS) {
        let (reach, (open, gate)) = (Reach::default(), async_channel::unbounded());
        let (caller, answers) = caller(When::Running, call, &reach, &gate);
        let mut root = supervisor("root");
        around(&mut root, caller, &reach);
        let tree = root.start_on(stage.spawner.clone()).await.unwrap();
        reach.0.lock().unwrap().tree = Some(tree);
        open.try_send(()).unwrap();
        let _any = stage.in_time(what, answers.recv()).await;
        end(&stage, what, &reach).await;
    }
}

async fn n6_no_call_of_a_stopping_process_waits_for_it(stage: Stage) {
    for (what, call) in stage.some_of(&CALLS) {
        let (reach, (_open, gate)) = (Reach::default(), async_channel::unbounded());
        let (caller, answers) = caller(When::Asked, call, &reach, &gate);
        let mut root = supervisor("root");
        around(&mut root, caller, &reach);
        let tree = root.start_on(stage.spawner.clone()).await.unwrap();
        reach.0.lock().unwrap().tree = Some(tree);
        reach.handle().shutdown().unwrap();
        let _any = stage.in_time(what, answers.recv()).await;
        end(&stage, what, &reach).await;
    }
}

async fn n6_no_call_of_a_process_whose_group_stops_waits_for_it(stage: Stage) {
    for (what, call) in stage.some_of(&CALLS) {
        let (reach, (_open, gate)) = (Reach::default(), async_channel::unbounded());
        let (caller, answers) = caller(When::Asked, call, &reach, &gate);
        let strategy = RestartStrategy::one_for_all().with_intensity_and_period(1000, HOUR);
        let mut root = supervisor("root").with_restart_strategy(strategy);
        around(&mut root, caller, &reach);
        let tree = root.start_on(stage.spawner.clone()).await.unwrap();
        reach.0.lock().unwrap().tree = Some(tree);
        reach.handle().kill_child(reach.id(|known| known.after)).await.unwrap();
        let _any = stage.in_time(what, answers.recv()).await;
        end(&stage, what, &reach).await;
    }
}

async fn n6_no_call_of_a_process_below_waits_for_it(stage: Stage) {
    for when in [When::Running, When::Asked] {
        for (what, call) in stage.some_of(&CALLS) {
            let (reach, (open, gate)) = (Reach::default(), async_channel::unbounded());
            let (caller, answers) = caller(when, call, &reach, &gate);
            let (mut inner, mut root) = (supervisor("inner"), supervisor("root"));
            inner.add_worker(caller);
            around(&mut root, inner.into(), &reach);
            let tree = root.start_on(stage.spawner.clone()).await.unwrap();
            reach.0.lock().unwrap().tree = Some(tree);
            match when {
                When::Running => open.try_send(()).unwrap(),
                When::Asked => reach.handle().shutdown().unwrap(),
            }
            let _any = stage.in_time(what, answers.recv()).await;
            end(&stage, what, &reach).await;
        }
    }
}

/// A worker that makes its call in its set-up.
struct Starting {
    call: Call,
    reach: Reach,
    say: async_channel::Sender<Result<(), SupervisorError>>,
    /// One that reloads itself in each set-up would never be ready.
    has_called: AtomicBool,
}

impl Supervisable for Starting {
    fn name(&self) -> &str {
        "caller"
    }

    async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        if !self.has_called.swap(true, SeqCst) {
            let answer = (self.call)(self.reach.clone()).await;
            let _ = self.say.try_send(answer);
        }
        Ok(Box::pin(async move {
            shutdown.await;
            Ok(())
        }))
    }
}

async fn n6_no_call_of_a_starting_process_waits_for_it(stage: Stage) {
    for (what, call) in stage.some_of(&CALLS) {
        let (reach, (say, answers)) = (Reach::default(), async_channel::unbounded());
        let mut root = supervisor("root");
        around(
            &mut root,
            Starting { call, reach: reach.clone(), say, has_called: AtomicBool::new(false) }.into(),
            &reach,
        );
        let start = root.start_on(stage.spawner.clone());
        // A call that terminates the caller ends its set-up, and with it the answer.
        let started = stage.in_time(what, start).await;
        assert!(started.is_ok() || what == "terminate itself", "{what}: {started:?}");
        drop(answers);
        reach.0.lock().unwrap().tree = started.ok();
        end(&stage, what, &reach).await;
    }
}

/// Ends the tree, if it has not ended yet.
async fn end(stage: &Stage, what: &str, reach: &Reach) {
    let handle = reach.handle();
    let _ = handle.shutdown();
    let ended = async {
        if let Some(mut tree) = reach.tree() {
            let _outcome = tree.wait().await;
        }
        while handle.count().await.is_ok() {
            stage.sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    stage.in_time(&format!("{what}, and the end"), ended).await;
}

/// Terminates what it is told, and waits, when it is told to go on.
fn terminates(name: &'static str, target: &Target, gate: &async_channel::Receiver<()>) -> (ChildSpec, Answers) {
    let (say, answers) = async_channel::unbounded();
    let (target, gate) = (target.clone(), gate.clone());
    let child = worker(name, move |_: ProcessShutdown| {
        let (say, target, gate) = (say.clone(), target.clone(), gate.clone());
        async move {
            let _ = gate.recv().await;
            let known = target.lock().unwrap().clone();
            if let Some((handle, id)) = known {
                let _ = say.try_send(handle.terminate_child(id).await);
            }
        }
    });
    let child = child.with_restart_type(RestartType::Temporary);
    (child.with_shutdown_strategy(ShutdownStrategy::Graceful(HOUR)), answers)
}

type Target = Arc<Mutex<Option<(SupervisorHandle, ChildId)>>>;

async fn n6_workers_of_two_supervisors_may_terminate_each_other(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let (targets, mut root) = ([Target::default(), Target::default()], supervisor("root"));
    let (left, lefts) = terminates("left", &targets[0], &gate);
    let (right, rights) = terminates("right", &targets[1], &gate);
    let (mut one, mut other) = (supervisor("one"), supervisor("other"));
    *targets[1].lock().unwrap() = Some((one.handle(), one.add_worker(left)));
    *targets[0].lock().unwrap() = Some((other.handle(), other.add_worker(right)));
    root.add_worker(one);
    root.add_worker(other);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    (0..2).for_each(|_| open.try_send(()).unwrap());
    // The later one may find that the earlier one is gone.
    let _both = stage.in_time("both answers", zip(lefts.recv(), rights.recv())).await;
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

async fn n6_two_siblings_may_terminate_each_other(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let (targets, mut root) = ([Target::default(), Target::default()], supervisor("root"));
    let (left, lefts) = terminates("left", &targets[0], &gate);
    let (right, rights) = terminates("right", &targets[1], &gate);
    *targets[1].lock().unwrap() = Some((root.handle(), root.add_worker(left)));
    *targets[0].lock().unwrap() = Some((root.handle(), root.add_worker(right)));
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    (0..2).for_each(|_| open.try_send(()).unwrap());
    // The later one may find that the earlier one is gone.
    let _both = stage.in_time("both answers", zip(lefts.recv(), rights.recv())).await;
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

type Held = Arc<Mutex<Option<SupervisionTree>>>;

/// Shuts down the tree that it finds there, and waits, when it is told to go on.
///
/// It may be answered before it is asked to stop. Then it ends and is restarted, and the successor is the one that is
/// asked: that one finds the gate closed, and stops when it is asked.
fn shuts_down(tree: &Held, gate: &async_channel::Receiver<()>) -> (ChildSpec, Answers) {
    let (say, answers) = async_channel::unbounded();
    let (tree, gate) = (tree.clone(), gate.clone());
    let child = worker("w", move |shutdown: ProcessShutdown| {
        let (say, tree, gate) = (say.clone(), tree.clone(), gate.clone());
        async move {
            if gate.recv().await.is_err() {
                return shutdown.await;
            }
            let tree = tree.lock().unwrap().take();
            if let Some(tree) = tree {
                let _ = say.try_send(tree.shutdown().await);
            }
        }
    });
    (child.with_shutdown_strategy(ShutdownStrategy::Graceful(HOUR)), answers)
}

async fn n6_processes_of_two_trees_may_shut_down_each_others_tree(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let trees = [Held::default(), Held::default()];
    let mut answers = Vec::new();
    for (name, own) in [("one", 0), ("other", 1)] {
        let (child, answered) = shuts_down(&trees[1 - own], &gate);
        let mut root = supervisor(name);
        root.add_worker(child);
        let tree = root.start_on(stage.spawner.clone()).await.unwrap();
        *trees[own].lock().unwrap() = Some(tree);
        answers.push(answered);
    }
    (0..2).for_each(|_| open.try_send(()).unwrap());
    open.close();
    let both = stage.in_time("both answers", zip(answers[0].recv(), answers[1].recv())).await;
    assert!(both.0.unwrap().is_ok() && both.1.unwrap().is_ok());
}

async fn n6_a_process_may_shut_down_a_tree_that_terminates_it(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let (target, held, mut one, mut other) =
        (Target::default(), Held::default(), supervisor("one"), supervisor("other"));
    let (child, shut) = shuts_down(&held, &gate);
    *target.lock().unwrap() = Some((one.handle(), one.add_worker(child)));
    let (child, terminated) = terminates("t", &target, &gate);
    other.add_worker(child);
    let one = one.start_on(stage.spawner.clone()).await.unwrap();
    *held.lock().unwrap() = Some(other.start_on(stage.spawner.clone()).await.unwrap());
    (0..2).for_each(|_| open.try_send(()).unwrap());
    open.close();
    stage.in_time("both answers", zip(shut.recv(), terminated.recv())).await.1.unwrap().unwrap();
    stage.in_time("the shutdown", one.shutdown()).await.unwrap();
}

async fn n6_a_tree_that_a_process_runs_may_terminate_that_process(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let (target, mut root) = (Target::default(), supervisor("root"));
    let (child, terminated) = terminates("t", &target, &gate);
    let (inner, spawner) = (Mutex::new(Some(child)), stage.spawner.clone());
    let runs = worker("w", move |shutdown: ProcessShutdown| {
        let (child, spawner) = (inner.lock().unwrap().take(), spawner.clone());
        async move {
            let mut inner = supervisor("inner");
            if let Some(child) = child {
                inner.add_worker(child);
            }
            inner.run_on(spawner).with_shutdown(shutdown).await
        }
    });
    let id = root.add_worker(runs.with_shutdown_strategy(ShutdownStrategy::Graceful(HOUR)));
    *target.lock().unwrap() = Some((root.handle(), id));
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    open.try_send(()).unwrap();
    stage.in_time("the answer", terminated.recv()).await.unwrap().unwrap();
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

/// `late`, asked to stop, terminates `x` in another tree; `x` terminates `early`, whose turn comes after `late`. In either order.
async fn n6_the_order_of_a_stop_is_a_link_of_the_chain(stage: Stage) {
    for late_first in [true, false] {
        let [(open_x, x_gate), (open_late, late_gate)] = [async_channel::unbounded(), async_channel::unbounded()];
        let (targets, mut one, mut other) =
            ([Target::default(), Target::default()], supervisor("one"), supervisor("other"));
        let early = one.add_worker(idle("early"));
        let (late, lates) = terminates("late", &targets[0], &late_gate);
        one.add_worker(late);
        let (x, xs) = terminates("x", &targets[1], &x_gate);
        *targets[0].lock().unwrap() = Some((other.handle(), other.add_worker(x)));
        *targets[1].lock().unwrap() = Some((one.handle(), early));
        let handle = one.handle();
        let one = one.start_on(stage.spawner.clone()).await.unwrap();
        let other = other.start_on(stage.spawner.clone()).await.unwrap();
        handle.shutdown().unwrap();
        stage.sleep(crate::stage::LIMIT / 4).await;
        let (first, second) = if late_first { (&open_late, &open_x) } else { (&open_x, &open_late) };
        first.try_send(()).unwrap();
        stage.sleep(crate::stage::LIMIT / 4).await;
        second.try_send(()).unwrap();
        let _both = stage.in_time("both answers", zip(lates.recv(), xs.recv())).await;
        let mut one = one;
        stage.in_time("the end of one", one.wait()).await.unwrap();
        stage.in_time("the end of the other", other.shutdown()).await.unwrap();
    }
}

/// A worker waits for the start of a child whose group it has to stop for: the group begins after the call.
async fn n6_a_start_that_comes_to_wait_for_its_caller_is_refused(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let (say, answers) = async_channel::unbounded();
    let strategy = RestartStrategy::one_for_all().with_intensity_and_period(1000, HOUR);
    let mut root = supervisor("root").with_restart_strategy(strategy);
    let handle = root.handle();
    let brittle = root.add_worker(idle("brittle"));
    root.add_worker(
        worker("caller", move |_: ProcessShutdown| {
            let (handle, say, gate) = (handle.clone(), say.clone(), gate.clone());
            async move {
                if gate.recv().await.is_err() {
                    return;
                }
                // It is never ready.
                let _ = say.try_send(handle.start_child(idle("slow").with_explicit_ready()).await.map(drop));
            }
        })
        .with_shutdown_strategy(ShutdownStrategy::Graceful(HOUR)),
    );
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    open.try_send(()).unwrap();
    stage
        .in_time("the call", async {
            while tree.handle().count().await.unwrap().specs < 3 {
                stage.sleep(std::time::Duration::from_millis(1)).await;
            }
        })
        .await;
    tree.handle().kill_child(brittle).await.unwrap();
    let answer = stage.in_time("the answer", answers.recv()).await.unwrap();
    assert!(matches!(answer, Err(SupervisorError::WouldDeadlock { .. })), "{answer:?}");
    drop(open);
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

/// Two processes of another tree call at the same time, about two members of one group. Neither waits for the other.
async fn n6_calls_about_one_group_are_no_circle(stage: Stage) {
    for strategy in [RestartStrategy::rest_for_one(), RestartStrategy::one_for_all()] {
        for second_reloads in [true, false] {
            let mut group = supervisor("group").with_restart_strategy(strategy.with_intensity_and_period(0, HOUR));
            let children = ["a", "b", "c"].map(|name| {
                let child = worker(name, |shutdown: ProcessShutdown| async move {
                    shutdown.await;
                    process::sleep(crate::stage::LIMIT / 8).await;
                });
                group.add_worker(child)
            });
            let handle = group.handle();
            let tree = group.start_on(stage.spawner.clone()).await.unwrap();
            let mut callers = supervisor("callers");
            let (say, answers) = async_channel::unbounded();
            let first = handle.clone();
            callers.add_worker(one_shot("first", async move { first.reload_child(children[0]).await }));
            let second = handle.clone();
            callers.add_worker(one_shot("second", async move {
                process::sleep(crate::stage::LIMIT / 32).await;
                let before = second.child(children[1]).await.unwrap().process;
                if second_reloads {
                    second.reload_child(children[1]).await.unwrap();
                } else {
                    second.terminate_child(children[1]).await.unwrap();
                }
                let _ = say.try_send((before, second.child(children[1]).await.unwrap()));
            }));
            let callers = callers.start_on(stage.spawner.clone()).await.unwrap();
            let (before, after) = stage.in_time("the answer", answers.recv()).await.unwrap();
            match second_reloads {
                true => assert!(after.state == ChildState::Running && after.process != before, "not restarted yet"),
                false => assert_eq!(after.state, ChildState::Stopped, "not gone yet"),
            }
            stage.in_time("the end of the callers", callers.shutdown()).await.unwrap();
            stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
        }
    }
}
