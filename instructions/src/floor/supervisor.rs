use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use slab::Slab;

use super::{
    BoxError,
    inbox::{Command, Exit, Inbox},
    node::{Node, Stop},
    task::{Process, process},
    window::Window,
};
use crate::executor::Spawn;

/// Which children are restarted when one ends.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the field's words")]
pub enum Strategy {
    OneForOne,
    OneForAll,
}

/// The order in which children stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the field's words")]
pub enum Order {
    Reverse,
    Concurrent,
}

/// The settings of a supervisor.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Which children are restarted when one ends.
    pub strategy: Strategy,
    /// The order in which they stop.
    pub order: Order,
    /// The number of restarts that are allowed within the period.
    pub intensity: usize,
    /// The period in which restarts count.
    pub period: Duration,
}

/// A supervisor, before it runs and while it does.
pub struct Supervisor<S> {
    executor: S,
    settings: Settings,
    children: Slab<Child>,
    running: usize,
    window: Window,
    inbox: Arc<Inbox>,
    exits: Vec<Exit>,
}

struct Child {
    node: Arc<Node>,
    is_running: bool,
}

/// A supervisor that runs.
#[derive(Debug)]
pub struct Running {
    /// The handle on it.
    pub handle: Handle,
    /// Tells how it has ended.
    pub end: oneshot::Receiver<Result<(), GaveUp>>,
}

/// A handle on a supervisor.
#[derive(Clone)]
pub struct Handle(Arc<Inbox>);

/// A failure more often than the settings allow: the last one.
#[derive(Debug)]
pub struct GaveUp(pub BoxError);

/// The answer of a supervisor that stops, or has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NotRunning;

impl<S: Spawn> Supervisor<S> {
    /// Makes a supervisor without children.
    #[must_use]
    pub fn new(executor: S, settings: Settings) -> Self {
        Self {
            executor,
            settings,
            children: Slab::new(),
            running: 0,
            window: Window::new(settings.intensity, settings.period),
            inbox: Arc::default(),
            exits: Vec::new(),
        }
    }

    /// Adds a permanent child: it is restarted whenever it ends without a request.
    pub fn add<F, Fut>(&mut self, factory: F)
    where
        F: Fn(Stop) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let node = Node::permanent(self.inbox.clone(), factory);
        self.children.insert(Child { node, is_running: false });
    }

    /// Starts the children, in order, and the supervisor.
    #[must_use]
    pub fn start(mut self) -> Running {
        self.start_children();
        let handle = Handle(self.inbox.clone());
        let (send, end) = oneshot::channel();
        self.executor.clone().spawn(async move {
            let _ = send.send(self.run().await);
        });
        Running { handle, end }
    }

    async fn run(mut self) -> Result<(), GaveUp> {
        let mut commands = Vec::new();
        let mut outcome = Ok(());
        loop {
            let mut exits = mem::take(&mut self.exits);
            let has_to_stop = poll_fn(|cx| self.inbox.poll(cx, &mut exits, &mut commands)).await;
            for (key, end) in exits.drain(..) {
                outcome = outcome.and(self.ended(key, end, has_to_stop));
            }
            self.exits = exits;
            if has_to_stop || outcome.is_err() {
                break;
            }
            if self.settings.strategy == Strategy::OneForAll && self.running < self.children.len() {
                self.stop_children().await;
                // Nothing starts after the request to stop.
                if !self.inbox.has_to_stop() {
                    self.start_children();
                }
            }
            for Command { node, process, answer } in commands.drain(..) {
                let key = self.children.insert(Child { node, is_running: false });
                self.begin(key, Some(process));
                if let Some(answer) = answer {
                    let _ = answer.send(key);
                }
            }
        }
        self.inbox.close();
        drop(commands);
        self.stop_children().await;
        outcome
    }

    /// Restarts a child that has ended, or forgets it if it is temporary.
    fn ended(&mut self, key: usize, end: Result<(), BoxError>, has_to_stop: bool) -> Result<(), GaveUp> {
        self.gone(key);
        let strategy = self.settings.strategy;
        // What ends while its group is waiting to restart costs nothing more.
        let has_joined = strategy == Strategy::OneForAll && self.running + 1 < self.children.len();
        if has_to_stop || has_joined || !self.children.contains(key) {
            return Ok(());
        }
        if !self.window.allows(Instant::now()) {
            return Err(GaveUp(end.err().unwrap_or_else(|| "ended".into())));
        }
        if strategy == Strategy::OneForOne {
            self.begin(key, None);
        }
        Ok(())
    }

    fn gone(&mut self, key: usize) {
        let child = &mut self.children[key];
        child.is_running = false;
        self.running -= 1;
        if child.node.is_temporary() {
            self.children.remove(key);
        }
    }

    fn start_children(&mut self) {
        for key in 0..self.children.capacity() {
            if self.children.contains(key) {
                self.begin(key, None);
            }
        }
    }

    /// Starts an incarnation: this one, or one that the child's factory makes. A panic there is an exit.
    fn begin(&mut self, key: usize, process: Option<Process>) {
        let child = &mut self.children[key];
        child.is_running = true;
        self.running += 1;
        child.node.begin(key);
        match process.map_or_else(|| catch_unwind(AssertUnwindSafe(|| child.node.make())), |process| Ok(Some(process)))
        {
            Ok(Some(process)) => self.executor.spawn(process),
            Ok(None) => {}
            Err(_) => child.node.exited(Err("panicked in its factory".into())),
        }
    }

    /// Stops all children: each is gone before the one before it is asked, or all are asked at once.
    async fn stop_children(&mut self) {
        match self.settings.order {
            Order::Reverse => {
                for key in (0..self.children.capacity()).rev() {
                    let Some(child) = self.children.get(key).filter(|child| child.is_running) else { continue };
                    child.node.ask_to_stop();
                    while self.children.get(key).is_some_and(|child| child.is_running) {
                        self.take_exits().await;
                    }
                }
            }
            Order::Concurrent => {
                for (_, child) in self.children.iter().filter(|(_, child)| child.is_running) {
                    child.node.ask_to_stop();
                }
                while self.running > 0 {
                    self.take_exits().await;
                }
            }
        }
    }

    async fn take_exits(&mut self) {
        let mut exits = mem::take(&mut self.exits);
        poll_fn(|cx| self.inbox.poll_exits(cx, &mut exits)).await;
        for (key, _) in exits.drain(..) {
            self.gone(key);
        }
        self.exits = exits;
    }
}

impl Handle {
    /// Adds a temporary child. It is not restarted.
    ///
    /// # Errors
    ///
    /// If the supervisor does not run.
    pub fn spawn<F, Fut>(&self, child: F) -> Result<(), NotRunning>
    where
        F: FnOnce(Stop) -> Fut,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.command(child, None)
    }

    /// Adds a temporary child, and returns its key when it has started.
    ///
    /// # Errors
    ///
    /// If the supervisor does not run.
    pub async fn start_child<F, Fut>(&self, child: F) -> Result<usize, NotRunning>
    where
        F: FnOnce(Stop) -> Fut,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.command(child, Some(answer))?;
        answered.await.map_err(|_| NotRunning)
    }

    /// Asks the supervisor to stop.
    pub fn stop(&self) {
        self.0.stop();
    }

    fn command<F, Fut>(&self, child: F, answer: Option<oneshot::Sender<usize>>) -> Result<(), NotRunning>
    where
        F: FnOnce(Stop) -> Fut,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let node = Node::temporary(self.0.clone());
        let process = process(child(Stop(node.clone())), node.clone());
        self.0.command(Command { node, process, answer })
    }
}

impl Error for GaveUp {}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gave up; last failure: {}", self.0)
    }
}

impl<S> fmt::Debug for Supervisor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("settings", &self.settings).field("running", &self.running).finish()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
