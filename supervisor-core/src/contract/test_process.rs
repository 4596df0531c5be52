use std::{
    any::Any,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use async_channel::{Receiver, Sender};
use pin_project_lite::pin_project;

use crate::{
    incarnation::{
        ChildId, Control, ControlCell, Exit, Flags, Parent, Process, ProcessBody, ProcessContext, ProcessId,
        ProcessKey, Report, ReportKind, Step, hand_over,
    },
    quiescence::Quiescence,
};

/// A process to test an executor with. Its only supervisor is the test.
#[derive(Debug)]
pub struct TestProcess {
    process: Mutex<Option<Process>>,
    outcome: Outcome,
}

/// The exit of a test process. Cheap to clone; it stays valid when the test process is gone.
#[derive(Clone, Debug)]
pub struct Outcome {
    exits: Receiver<Exit>,
    above: Arc<Above>,
}

#[derive(Debug)]
struct Above {
    cell: ControlCell,
    exits: Sender<Exit>,
}

impl TestProcess {
    /// Makes a process that runs this future.
    pub fn new<F>(future: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, exits) = async_channel::unbounded();
        let above = Arc::new(Above { cell: ControlCell::new(), exits: sender });
        let id = ProcessId::next();
        above.cell.begin(id, Flags::NONE);
        let process_key = ProcessKey::only(ChildId::FIRST);
        let context = ProcessContext {
            id,
            process_key,
            control: above.clone(),
            parent: above.clone(),
            quiescence: Quiescence::uncounted(),
        };
        let process = Process::new(context, Run { future });
        Self { process: Mutex::new(Some(process)), outcome: Outcome { exits, above } }
    }

    /// Makes a process that runs this future, in the state in which an executor has refused it, to be
    /// [discarded](crate::Spawner::discard). Returns it with its outcome.
    pub fn refused<F>(future: F) -> (Process, Outcome)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (process, outcome) = Self::new(future).into_parts();
        (hand_over(|| drop(process)).expect("one is refused").remove(0), outcome)
    }

    /// Splits it into the process, to be spawned, and its outcome, to be waited for.
    pub fn into_parts(self) -> (Process, Outcome) {
        let process = self.process.into_inner().unwrap_or_else(PoisonError::into_inner);
        (process.expect("taken once"), self.outcome)
    }
}

impl Outcome {
    /// Waits for the exit.
    pub async fn exit(&self) -> Exit {
        self.exits.recv().await.expect("the sender is held by this outcome itself")
    }

    /// Returns the exit, if it was reported and not taken before.
    pub fn try_exit(&self) -> Option<Exit> {
        self.exits.try_recv().ok()
    }

    /// Aborts the process.
    pub fn abort(&self) {
        self.above.cell.request(Flags::ABORT);
    }
}

impl Control for Above {
    fn cell(&self) -> &ControlCell {
        &self.cell
    }

    fn name(&self) -> &str {
        "test_process"
    }

    fn release(&self) {}
}

impl Parent for Above {
    fn report(&self, report: Report) {
        if let ReportKind::Exited(exit) = report.kind {
            let _ = self.exits.try_send(exit);
        }
    }

    fn path_of(&self, segment: &str) -> String {
        segment.to_owned()
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

pin_project! {
    struct Run<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = ()> + Send + 'static> ProcessBody for Run<F> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        self.project().future.poll(cx).map(|()| Step::Ended(Exit::Normal))
    }
}
