//! Workers whose futures are not `Send`, on the threads of their executors.

use std::{
    future::pending,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use executor_smol::Smol;
use executor_tokio::{RuntimeConfiguration, Tokio};
use futures_lite::future::{block_on, poll_once, yield_now};
use supervision::{
    BoxError, ChildSpec, Placement, Process, ProcessShutdown, RestartType, ShutdownStrategy, Spawner, Supervisor,
    SupervisorError, Timer, local_worker, process, worker,
};
use tokio::{runtime::Builder, task::spawn_local};

use crate::{Threads, on_both, supervisor};

/// A local worker that records its thread, and whether it is inside of a Tokio runtime.
fn visible(name: &'static str, threads: &Threads, ready_in_tokio: &Arc<Mutex<Vec<bool>>>) -> ChildSpec {
    let (threads, in_tokio) = (threads.clone(), ready_in_tokio.clone());
    let spec = local_worker(name, move |shutdown| {
        threads.here();
        let in_tokio = in_tokio.clone();
        async move {
            let local = Rc::new(());
            process::sleep(Duration::from_millis(1)).await;
            in_tokio.lock().unwrap().push(tokio::runtime::Handle::try_current().is_ok());
            process::ready();
            shutdown.await;
            drop(local);
        }
    });
    spec.with_explicit_ready()
}

#[test]
fn p13_the_placement_of_a_local_worker_chooses_its_thread() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tokio = Tokio::try_from(runtime.handle().clone()).unwrap();
    let cases: [(Placement, bool); 5] = [
        (Smol::global().into(), false),
        (tokio.clone().into(), true),
        (RuntimeConfiguration::single_threaded().into(), true),
        (RuntimeConfiguration::multi_threaded(2).into(), true),
        (Placement::fresh(|_| Ok::<_, BoxError>(Smol::global())), false),
    ];
    on_both(async |spawner| {
        let is_tokio = tokio::runtime::Handle::try_current().is_ok();
        let (threads, in_tokio) = (Threads::default(), Arc::default());
        let mut root = supervisor("root");
        root.add_worker(visible("inherits", &threads, &in_tokio));
        let mut expected = vec![("root.inherits", is_tokio)];
        for (placement, is_tokio) in &cases {
            root.add_worker(visible("own", &threads, &in_tokio).with_placement(placement.clone()));
            expected.push(("root.own", *is_tokio));
        }
        for (placement, is_tokio) in &cases {
            let mut inner = supervisor("inner").with_child_placement(placement.clone());
            inner.add_worker(visible("below", &threads, &in_tokio));
            root.add_worker(inner);
            expected.push(("root.inner.below", *is_tokio));
        }
        root.start_on(spawner).await.unwrap().shutdown().await.unwrap();
        let seen: Vec<_> = threads.take().into_iter().zip(std::mem::take(&mut *in_tokio.lock().unwrap())).collect();
        let expected: Vec<_> = expected.into_iter().map(|(name, is_tokio)| (name.to_owned(), is_tokio)).collect();
        assert_eq!(seen, expected);
    });
}

#[test]
fn p13_a_local_worker_that_blocks_holds_up_no_other() {
    on_both(async |spawner| {
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (ask, asked) = async_channel::unbounded::<async_channel::Sender<()>>();
        let mut root = supervisor("root").with_abort_grace(Duration::from_millis(20));
        root.add_worker(worker("echo", move |shutdown| {
            let asked = asked.clone();
            async move {
                while let Some(Ok(answer)) = shutdown.run_until(asked.recv()).await {
                    answer.send(()).await.unwrap();
                }
            }
        }));
        let (tell, blocking) = async_channel::bounded(1);
        let blocks = local_worker("blocks", move |_| {
            let (gate, tell) = (gate.clone(), tell.clone());
            async move {
                let local = Rc::new(gate);
                process::ready();
                yield_now().await;
                tell.try_send(()).unwrap();
                let _ = local.lock().unwrap().recv();
            }
        });
        root.add_worker(
            blocks
                .with_explicit_ready()
                .with_restart_type(RestartType::Temporary)
                .with_shutdown_strategy(ShutdownStrategy::Brutal),
        );
        let tree = root.start_on(spawner).await.unwrap();
        blocking.recv().await.unwrap();
        for _ in 0..10 {
            let (answer, answered) = async_channel::bounded(1);
            ask.send(answer).await.unwrap();
            answered.recv().await.unwrap();
        }
        let Err(SupervisorError::UncleanShutdown(unclean)) = tree.shutdown().await else { panic!("it never yields") };
        let told: Vec<_> = unclean.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains("root.blocks") && line.contains("abandoned")), "{told:?}");
        drop(release);
    });
}

/// Returns how many threads have this name, which has at most 15 bytes. A new thread has the name of the one that has started it, until
/// it has its own. And the list is read piece by piece: if another thread ends meanwhile, one may be missing.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

/// Waits until so many threads have this name, and so many tasks are there.
#[cfg(target_os = "linux")]
fn wait_for(name: &str, threads: usize, present: &AtomicUsize, tasks: usize) {
    let (begin, count) = (Instant::now(), || (threads_named(name), present.load(SeqCst)));
    while count() != (threads, tasks) {
        assert!(begin.elapsed() < Duration::from_secs(30), "threads that are named `{name}`, and tasks: {:?}", count());
        thread::yield_now();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn p13_local_workers_that_ended_leave_no_thread() {
    let most = Arc::new(AtomicUsize::new(0));
    on_both(async |spawner| {
        // What a process hands out keeps no thread.
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (keeping, counted) = (kept.clone(), most.clone());
        let mut root = supervisor("root");
        let a = root.add_worker(
            local_worker("come_and_go", move |shutdown: ProcessShutdown| {
                counted.fetch_max(threads_named("root.come_and_g"), Relaxed);
                keeping.lock().unwrap().push((process::current(), process::sleep(Duration::MAX), shutdown.clone()));
                let local = Rc::new(());
                async move {
                    process::ready();
                    shutdown.await;
                    drop(local);
                }
            })
            .with_explicit_ready(),
        );
        let tree = root.start_on(spawner).await.unwrap();
        for _ in 0..200 {
            tree.handle().terminate_child(a).await.unwrap();
            tree.handle().restart_child(a).await.unwrap();
        }
        tree.shutdown().await.unwrap();
        assert_eq!(kept.lock().unwrap().len(), 201);
        wait_for("root.come_and_g", 0, &AtomicUsize::new(0), 0);
    });
    assert!(most.load(Relaxed) > 0, "a thread has the name that is looked for");
}

/// A task that is not `Send`. It counts itself, and takes its time to be dropped.
struct Task {
    present: Arc<AtomicUsize>,
    thread: thread::ThreadId,
    _not_send: Rc<()>,
}

impl Task {
    fn new(present: &Arc<AtomicUsize>) -> Self {
        present.fetch_add(1, SeqCst);
        Self { present: present.clone(), thread: thread::current().id(), _not_send: Rc::new(()) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.thread);
        // Takes a moment of real time, as the threads are real: an exit that does not wait for this is seen before its end.
        thread::sleep(Duration::from_millis(2));
        self.present.fetch_sub(1, SeqCst);
    }
}

fn on_tokio(test: impl AsyncFn(Tokio)) {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test(Tokio::try_from(runtime.handle().clone()).unwrap()));
    }
}

#[test]
fn p2_p13_local_tasks_are_gone_before_the_exit_is_seen() {
    on_tokio(async |tokio| {
        let present = Arc::new(AtomicUsize::new(0));
        let at_start = Arc::new(Mutex::new(Vec::new()));
        let (counted, noted) = (present.clone(), at_start.clone());
        let mut start = 0;
        let spec = local_worker("a", move |shutdown| {
            noted.lock().unwrap().push(counted.load(SeqCst));
            let counted = counted.clone();
            start += 1;
            let start = start;
            async move {
                for _ in 0..3 {
                    let task = Task::new(&counted);
                    spawn_local(async move {
                        let _task = task;
                        pending::<()>().await;
                    });
                }
                // A task that ends.
                assert_eq!(spawn_local(async move { Rc::new(start) }).await.map(|rc| *rc).unwrap(), start);
                process::ready();
                match start % 3 {
                    0 => panic!("ouch"),
                    1 => shutdown.await,
                    _ => {}
                }
            }
        });
        let mut root = supervisor("root");
        let a = root.add_worker(spec.with_explicit_ready());
        let tree = root.start_on(tokio).await.unwrap();
        for start in 1..=30 {
            while at_start.lock().unwrap().len() < start {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if start % 3 == 1 {
                // It may not have seen the end of the one before yet.
                while tree.handle().kill_child(a).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        while at_start.lock().unwrap().len() < 31 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
        assert_eq!(present.load(SeqCst), 0, "gone before the tree has ended");
        assert_eq!(*at_start.lock().unwrap(), [0; 31], "gone before the next incarnation");
    });
}

#[test]
fn a_runtime_with_a_single_thread_has_local_tasks() {
    on_both(async |spawner| {
        let (tell, told) = async_channel::bounded(1);
        let spec = worker("a", move |shutdown| {
            let tell = tell.clone();
            async move {
                let local = spawn_local(async {
                    let local = Rc::new("local");
                    tokio::task::yield_now().await;
                    *local
                });
                tell.send(local.await.unwrap()).await.unwrap();
                shutdown.await;
            }
        });
        let mut root = supervisor("root");
        root.add_worker(spec.with_placement(RuntimeConfiguration::single_threaded()));
        let tree = root.start_on(spawner).await.unwrap();
        assert_eq!(told.recv().await.unwrap(), "local");
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn p13_a_destructor_may_use_the_runtime_of_its_local_worker() {
    struct Last(async_channel::Sender<&'static str>);

    impl Drop for Last {
        fn drop(&mut self) {
            let told = self.0.clone();
            // Both are dropped at once, or soon, and neither panics.
            drop(spawn_local(async move { told.send("too late").await }));
            drop(tokio::spawn(pending::<()>()));
            drop(tokio::time::sleep(Duration::ZERO));
            self.0.try_send("dropped").unwrap();
        }
    }

    on_tokio(async |tokio| {
        let (tell, told) = async_channel::unbounded();
        let mut root = supervisor("root");
        let spec = local_worker("a", move |shutdown| {
            let tell = tell.clone();
            async move {
                let (last, beside) = ((Last(tell.clone()), Rc::new(())), (Last(tell), Rc::new(())));
                spawn_local(async move {
                    let _last = beside;
                    pending::<()>().await;
                });
                let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let (client, _server) =
                    tokio::join!(tokio::net::TcpStream::connect(server.local_addr().unwrap()), server.accept());
                client.unwrap();
                process::ready();
                shutdown.await;
                drop(last);
            }
        });
        root.add_worker(spec.with_explicit_ready());
        root.start_on(tokio).await.unwrap().shutdown().await.unwrap();
        let mut words = Vec::new();
        while let Ok(word) = told.recv().await {
            words.push(word);
        }
        assert_eq!(words.iter().filter(|word| **word == "dropped").count(), 2, "{words:?}");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a6_a_lost_tree_stops_its_local_workers_on_their_threads() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tokio = Tokio::try_from(runtime.handle().clone()).unwrap();
    let present = Arc::new(AtomicUsize::new(0));
    let counted = present.clone();
    let spec = local_worker("orphan", move |_| {
        let task = Task::new(&counted);
        async move {
            let _task = task;
            process::ready();
            pending::<()>().await;
        }
    });
    let mut root = supervisor("root");
    root.add_worker(spec.with_explicit_ready());
    let tree = runtime.block_on(root.start_on(tokio)).unwrap();
    wait_for("root.orphan", 1, &present, 1);
    drop(runtime);
    drop(tree);
    wait_for("root.orphan", 0, &present, 0);
}

/// An executor that polls each process on a first thread, and then on a second one.
#[derive(Clone, Debug)]
struct Restless {
    is_local: bool,
}

impl Spawner for Restless {
    fn spawn(&self, process: Process) {
        let mut process = Box::pin(process);
        thread::spawn(move || {
            let first = block_on(poll_once(&mut process));
            if first.is_none() {
                thread::spawn(move || block_on(process));
            }
        });
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Smol::global().timer()
    }

    fn local_executor(&self, _: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        match self.is_local {
            true => Ok(Arc::new(self.clone())),
            false => Err("no threads today".into()),
        }
    }
}

/// An executor without a method for local workers.
#[derive(Clone, Debug)]
struct Plain;

impl Spawner for Plain {
    fn spawn(&self, process: Process) {
        Smol::global().spawn(process);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Smol::global().timer()
    }
}

/// Starts this child on that executor, and returns the error.
fn refusal(child: ChildSpec, spawner: impl Spawner) -> String {
    let mut root = supervisor("root");
    root.add_worker(child);
    format!("{:#}", block_on(root.start_on(spawner)).unwrap_err())
}

#[test]
fn p13_an_executor_without_local_workers_is_a_failed_start() {
    let never = || local_worker("a", |_| async { panic!("nothing is started") });
    assert_eq!(
        refusal(never(), Plain),
        "`root.a` failed to start: this executor has no local workers; give the worker a `with_placement` on Tokio or smol"
    );
    assert_eq!(refusal(never(), Arc::new(Restless { is_local: false })), "`root.a` failed to start: no threads today");

    // The remedy that the error names.
    let ran = Arc::new(AtomicBool::new(false));
    let running = ran.clone();
    let spec = local_worker("a", move |shutdown| {
        running.store(true, SeqCst);
        process::ready();
        shutdown
    });
    let mut root = supervisor("root");
    root.add_worker(spec.with_explicit_ready().with_placement(Smol::global()));
    block_on(async { root.start_on(Plain).await.unwrap().shutdown().await.unwrap() });
    assert!(ran.load(SeqCst));
}

#[test]
fn p13_a_backend_that_moves_a_local_worker_only_fails_it() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = dropped.clone();
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(
        local_worker("a", move |_| {
            struct Counts(Arc<AtomicUsize>);
            impl Drop for Counts {
                fn drop(&mut self) {
                    self.0.fetch_add(1, SeqCst);
                }
            }
            let counts = (Counts(counted.clone()), Rc::new(()));
            async move {
                let _counts = counts;
                pending::<()>().await;
            }
        })
        .with_restart_type(RestartType::Temporary),
    );
    let mut events = root.handle().events();
    let exited = block_on(async {
        let tree = root.start_on(Restless { is_local: true }).await.unwrap();
        let exited = loop {
            let event = events.next().await.expect("it ends").to_string();
            if event.contains("root.a panicked") {
                break event;
            }
        };
        tree.shutdown().await.unwrap();
        exited
    });
    assert!(exited.contains("the executor polled a local worker on a second thread"), "{exited}");
    assert_eq!(dropped.load(SeqCst), 0, "no other thread touches what is not `Send`: it is leaked");
}
