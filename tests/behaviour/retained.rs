//! Values that one incarnation holds and the next one gets back.

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use supervisor_core::{
    ChildSpec, ProcessId, RestartStrategy, RestartType, Retained, RetainedGuard, RetainedInUse, ShutdownStrategy,
    one_shot, process, worker, worker_with_setup,
};
use tokio::sync::mpsc;

use crate::{
    actors::{Bomb, Diary, Strings, events, exits_of, idle, root, supervisor},
    harness::World,
};

mount! { everywhere:
    p10_no_panic_loses_a_message_of_a_tokio_channel
    p10_no_panic_loses_a_message_of_an_async_channel
    p10_an_abort_gives_it_back
    p10_a_group_restart_gives_it_back
    p10_a_restart_of_its_supervisor_gives_it_back
    p10_a_set_up_hands_it_to_what_follows
    p10_a_panic_is_told_to_the_next_holder
    p10_a_panic_beside_a_hand_made_future_is_told_too
    p10_an_error_or_an_abort_is_no_panic
    p10_after_a_panic_the_factory_makes_a_fresh_one
    p10_a_factory_that_panics_is_called_again
    p10_an_old_value_that_panics_in_drop_is_replaced
    p10_a_second_worker_is_told_who_holds_it
    p10_a_guard_that_outlives_its_process_is_found
    p10_a_process_that_takes_it_twice_is_told_so
}

const PANICS: u32 = 20;
const MESSAGES: u32 = PANICS * 10;

/// Until so many lines are written.
async fn lines(diary: &Diary, number: u32) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < number as usize {
        futures_lite::future::yield_now().await;
        lines.extend(diary.take());
    }
    lines
}

/// Writes a message down, and panics at every tenth.
fn digest(message: u32, diary: &Diary) {
    diary.write(message.to_string());
    assert_ne!(message % 10, 9, "message {message} cannot be digested");
}

async fn loses_no_message(world: World, spec: ChildSpec, diary: Diary) {
    let mut root = root();
    root.add_worker(spec);
    let tree = world.start(root).await.unwrap();
    let expected: Vec<_> = (0..MESSAGES).map(|message| message.to_string()).collect();
    assert_eq!(lines(&diary, MESSAGES).await, expected, "each message once, in order");
    world.probe.quiet().await;
    let exits = exits_of(&events(&world.probe), "root.eater");
    assert_eq!(exits.len(), PANICS as usize, "{exits:?}");
    tree.shutdown().await.unwrap();
}

async fn p10_no_panic_loses_a_message_of_a_tokio_channel(world: World) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (0..MESSAGES).for_each(|message| sender.send(message).expect("an open channel"));
    let (receiver, diary) = (Retained::new(receiver), Diary::default());
    let written = diary.clone();
    let spec = worker("eater", move |shutdown| {
        let (receiver, diary) = (receiver.clone(), written.clone());
        async move {
            let mut receiver = receiver.take();
            while let Some(message) = shutdown.run_until(receiver.recv()).await {
                digest(message.expect("an open channel"), &diary);
            }
        }
    });
    loses_no_message(world, spec, diary).await;
    drop(sender);
}

async fn p10_no_panic_loses_a_message_of_an_async_channel(world: World) {
    let (sender, receiver) = async_channel::unbounded();
    (0..MESSAGES).for_each(|message| sender.try_send(message).expect("an open channel"));
    let (receiver, diary) = (Retained::new(receiver), Diary::default());
    let written = diary.clone();
    let spec = worker("eater", move |shutdown| {
        let (receiver, diary) = (receiver.clone(), written.clone());
        async move {
            let receiver = receiver.take();
            while let Some(message) = shutdown.run_until(receiver.recv()).await {
                digest(message.expect("an open channel"), &diary);
            }
        }
    });
    loses_no_message(world, spec, diary).await;
    drop(sender);
}

/// Counts its incarnations in a value that they hand on, and writes down what each one finds.
fn counting(name: &'static str, retained: &Retained<u32>, strings: &Strings, diary: &Diary) -> ChildSpec {
    let (retained, strings, diary) = (retained.clone(), strings.clone(), diary.clone());
    worker(name, move |shutdown| {
        let (retained, strings, diary) = (retained.clone(), strings.clone(), diary.clone());
        async move {
            let mut count = retained.take();
            *count += 1;
            let poison = if count.was_poisoned() { ", poisoned" } else { "" };
            diary.write(format!("{}{poison}", *count));
            strings.hang(shutdown).await
        }
    })
}

async fn p10_an_abort_gives_it_back(world: World) {
    let (retained, strings, diary) = (Retained::new(0), Strings::new(), Diary::default());
    let mut root = root();
    let id = root.add_worker(counting("a", &retained, &strings, &diary));
    let tree = world.start(root).await.unwrap();
    for round in 1..=5 {
        assert_eq!(lines(&diary, 1).await, [round.to_string()]);
        assert_eq!(retained.try_take().unwrap_err().holder_path(), Some("root.a"));
        tree.handle().kill_child(id).await.unwrap();
    }
    assert_eq!(lines(&diary, 1).await, ["6"]);
    tree.handle().terminate_child(id).await.unwrap();
    assert_eq!(*retained.take(), 6, "a child that is stopped holds nothing");
    tree.handle().restart_child(id).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["7"]);
    tree.shutdown().await.unwrap();
    assert_eq!(*retained.take(), 7);
}

async fn p10_a_group_restart_gives_it_back(world: World) {
    let (retained, diary) = (Retained::new(0), Diary::default());
    let (strings, never) = (Strings::new(), Strings::new());
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    root.add_worker(counting("a", &retained, &never, &diary));
    root.add_worker(strings.worker("b"));
    let tree = world.start(root).await.unwrap();
    for round in 1..=5 {
        assert_eq!(lines(&diary, 1).await, [round.to_string()]);
        strings.pull(Err("boom"));
    }
    assert_eq!(lines(&diary, 1).await, ["6"]);
    tree.shutdown().await.unwrap();
}

async fn p10_a_restart_of_its_supervisor_gives_it_back(world: World) {
    let (retained, strings, diary) = (Retained::new(0), Strings::new(), Diary::default());
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(counting("a", &retained, &strings, &diary));
    let handle = inner.handle();
    let mut root = root();
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["1"]);
    handle.shutdown().unwrap();
    assert_eq!(lines(&diary, 1).await, ["2"]);
    world.probe.quiet().await;
    tree.handle().kill_child(id).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["3"]);
    tree.shutdown().await.unwrap();
}

async fn p10_a_set_up_hands_it_to_what_follows(world: World) {
    let (retained, strings, diary) = (Retained::new(0), Strings::new(), Diary::default());
    let (held, pulled, written) = (retained.clone(), strings.clone(), diary.clone());
    let mut root = root();
    root.add_worker(worker_with_setup("a", move |shutdown| {
        let (mut count, strings, diary) = (held.take(), pulled.clone(), written.clone());
        async move {
            *count += 1;
            Ok(async move {
                diary.write(count.to_string());
                strings.hang(shutdown).await
            })
        }
    }));
    let tree = world.start(root).await.unwrap();
    for round in 1..=3 {
        assert_eq!(lines(&diary, 1).await, [round.to_string()]);
        strings.pull(Err("boom"));
    }
    assert_eq!(lines(&diary, 1).await, ["4"]);
    tree.shutdown().await.unwrap();
}

/// A worker that takes the value, and panics in its first process.
fn panicking_once<T, Fut>(
    name: &'static str,
    retained: &Retained<T>,
    body: impl Fn(RetainedGuard<T>, bool) -> Fut + Send + 'static,
) -> ChildSpec
where
    T: Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (retained, first) = (retained.clone(), AtomicBool::new(true));
    worker(name, move |shutdown| {
        let body = body(retained.take(), first.swap(false, SeqCst));
        async move {
            body.await;
            shutdown.await;
        }
    })
}

async fn p10_a_panic_is_told_to_the_next_holder(world: World) {
    let (retained, diary) = (Retained::new(vec!["whole"]), Diary::default());
    let written = diary.clone();
    let mut root = root();
    root.add_worker(panicking_once("a", &retained, move |mut value, is_first| {
        let diary = written.clone();
        async move {
            diary.write(format!("{:?} {}", *value, value.was_poisoned()));
            if is_first {
                value[0] = "half";
                panic!("half-way");
            }
        }
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(lines(&diary, 2).await, ["[\"whole\"] false", "[\"half\"] true"]);
    tree.shutdown().await.unwrap();
    assert!(!retained.take().was_poisoned(), "the last holder did not panic");
}

/// Polls a second future when the first one is done, and keeps both: unwinding goes past them.
struct Beside<A, B>(Pin<Box<A>>, Option<B>);

impl<A: Future<Output = ()>, B: Unpin> Future for Beside<A, B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

async fn p10_a_panic_beside_a_hand_made_future_is_told_too(world: World) {
    let (retained, diary, go) = (Retained::new(0_u32), Diary::default(), async_channel::bounded::<()>(1));
    let (held, written, first, gate) = (retained.clone(), diary.clone(), AtomicBool::new(true), go.1);
    let mut root = root();
    root.add_worker(worker("a", move |shutdown| {
        let (guard, gate) = (held.take(), gate.clone());
        written.write(guard.was_poisoned().to_string());
        let is_first = first.swap(false, SeqCst);
        let work = async move {
            if is_first {
                gate.recv().await.expect("an open channel");
                panic!("beside the guard");
            }
            shutdown.await;
        };
        // The guard is not on the stack of the panic, and the future of the process is this struct.
        Beside(Box::pin(work), Some(Box::new(guard)))
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["false"]);
    go.0.try_send(()).unwrap();
    assert_eq!(lines(&diary, 1).await, ["true"]);
    tree.shutdown().await.unwrap();
    assert!(!retained.take().was_poisoned());
}

async fn p10_an_error_or_an_abort_is_no_panic(world: World) {
    let (retained, strings, diary) = (Retained::new(0), Strings::new(), Diary::default());
    let mut root = root();
    let id = root.add_worker(counting("a", &retained, &strings, &diary));
    let tree = world.start(root).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["1"]);
    strings.pull(Err("boom"));
    assert_eq!(lines(&diary, 1).await, ["2"]);
    tree.handle().kill_child(id).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["3"]);
    strings.pull(Ok(()));
    assert_eq!(lines(&diary, 1).await, ["4"]);
    tree.shutdown().await.unwrap();
}

async fn p10_after_a_panic_the_factory_makes_a_fresh_one(world: World) {
    let (made, diary, strings) = (Arc::new(AtomicUsize::new(0)), Diary::default(), Strings::new());
    let counted = made.clone();
    let retained = Retained::from_fn(move || counted.fetch_add(1, SeqCst) as u32 * 100);
    let mut root = root();
    root.add_worker(counting("a", &retained, &strings, &diary));
    let tree = world.start(root).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["1"]);
    strings.pull(Err("boom"));
    assert_eq!(lines(&diary, 1).await, ["2"], "an error is no panic, so it is the same value");
    tree.shutdown().await.unwrap();

    let held = retained.clone();
    catch_unwind(AssertUnwindSafe(|| {
        let _guard = held.take();
        panic!("half-way");
    }))
    .unwrap_err();
    let guard = retained.take();
    assert_eq!((*guard, guard.was_poisoned()), (100, true));
    drop(guard);
    let guard = retained.take();
    assert_eq!((*guard, guard.was_poisoned(), made.load(SeqCst)), (100, false, 2));
}

async fn p10_a_factory_that_panics_is_called_again(world: World) {
    let (calls, diary) = (AtomicUsize::new(0), Diary::default());
    let written = diary.clone();
    let retained = Retained::from_fn(move || {
        assert!(calls.fetch_add(1, SeqCst) >= 2, "not yet");
        process::current().expect("made in the process that takes it").path()
    });
    let mut root = root();
    root.add_worker(worker("a", move |shutdown| {
        written.write(retained.take().clone());
        shutdown
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["root.a"]);
    world.probe.quiet().await;
    assert_eq!(exits_of(&events(&world.probe), "root.a"), ["panicked: not yet"; 2]);
    tree.shutdown().await.unwrap();
}

async fn p10_an_old_value_that_panics_in_drop_is_replaced(world: World) {
    let (armed, diary) = (Arc::new(AtomicBool::new(true)), Diary::default());
    let (fuse, written) = (armed.clone(), diary.clone());
    let retained = Retained::from_fn(move || Bomb(fuse.clone()));
    let mut root = root();
    root.add_worker(panicking_once("a", &retained, move |guard, is_first| {
        let diary = written.clone();
        async move {
            let _guard = guard;
            assert!(!is_first, "half-way");
            diary.write("fresh");
        }
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(lines(&diary, 1).await, ["fresh"]);
    world.probe.quiet().await;
    let exits = exits_of(&events(&world.probe), "root.a");
    assert_eq!(exits, ["panicked: half-way", "panicked: in a destructor"]);
    armed.store(false, SeqCst);
    tree.shutdown().await.unwrap();
    drop(retained);
}

/// What a worker is told that wants the value, too.
async fn told(world: &World, retained: &Retained<u32>, tree: &supervisor_core::SupervisionTree) -> RetainedInUse {
    let (retained, place) = (retained.clone(), Arc::new(Mutex::new(None)));
    let told = place.clone();
    let other = one_shot("other", async move { *told.lock().unwrap() = Some(retained.try_take().unwrap_err()) });
    tree.handle().spawn(other).unwrap();
    world.probe.quiet().await;
    let told = place.lock().unwrap().take();
    told.expect("it has run")
}

async fn p10_a_second_worker_is_told_who_holds_it(world: World) {
    let (retained, strings, diary) = (Retained::new(0_u32), Strings::new(), Diary::default());
    let mut root = root();
    let id = root.add_worker(counting("a", &retained, &strings, &diary));
    let tree = world.start(root).await.unwrap();
    lines(&diary, 1).await;
    let holder = tree.handle().child(id).await.unwrap().process.unwrap();
    let in_use = told(&world, &retained, &tree).await;
    assert_eq!(in_use.holder(), Some(holder));
    assert_eq!(
        in_use.to_string(),
        format!(
            "`root.a` (process {holder}) holds the retained `u32` and is still running; \
             give each worker a value of its own"
        )
    );
    tree.shutdown().await.unwrap();
}

async fn p10_a_guard_that_outlives_its_process_is_found(world: World) {
    let (retained, kept) = (Retained::new(0_u32), Arc::new(Mutex::new(Vec::new())));
    let (held, keep) = (retained.clone(), kept.clone());
    let mut root = root();
    let spec = worker("a", move |_| {
        let (held, keep) = (held.clone(), keep.clone());
        async move {
            let me = process::current().expect("in a process").id();
            // A stand-in for a task or a thread that takes the guard along.
            keep.lock().unwrap().push((me, held.take()));
        }
    });
    root.add_worker(spec.with_restart_type(RestartType::Temporary));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    while tree.handle().count().await.unwrap().specs > 0 {
        futures_lite::future::yield_now().await;
    }
    let in_use = told(&world, &retained, &tree).await;
    let (holder, guard): (ProcessId, _) = kept.lock().unwrap().pop().expect("it has run");
    assert_eq!(
        in_use.to_string(),
        format!(
            "`root.a` (process {holder}) holds the retained `u32`, though it has ended: a task or a thread that it \
             started has kept the guard; keep the guard in the future of the process"
        )
    );
    drop(guard);
    let guard = retained.take();
    assert_eq!(
        told(&world, &retained, &tree).await.to_string(),
        "code outside of a process holds the retained `u32`; drop that guard first, and keep guards in the future of a \
         process"
    );
    drop(guard);
    tree.shutdown().await.unwrap();
}

async fn p10_a_process_that_takes_it_twice_is_told_so(world: World) {
    let retained = Retained::new(0_u32);
    let mut root = root();
    root.add_worker(idle("quiet"));
    let spec = worker("a", move |_| {
        let retained = retained.clone();
        async move {
            let _first = retained.take();
            let _second = retained.take();
            pending::<()>().await;
        }
    });
    root.add_worker(spec.with_restart_type(RestartType::Temporary).with_shutdown_strategy(ShutdownStrategy::Brutal));
    let tree = world.start(root).await.unwrap();
    let exits = loop {
        world.probe.quiet().await;
        let exits = exits_of(&events(&world.probe), "root.a");
        if !exits.is_empty() {
            break exits;
        }
        futures_lite::future::yield_now().await;
    };
    let end = "holds the retained `u32`, and takes it again; drop the first guard before that";
    assert!(exits[0].starts_with("panicked: `root.a` (process ") && exits[0].ends_with(end), "{exits:?}");
    tree.shutdown().await.unwrap();
}
