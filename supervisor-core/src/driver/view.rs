use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_lite::future::or;

use super::{Command, Driver, Hub};
use crate::{
    child::Child,
    engine::{End, Engine},
    observe::{ChildSpecInfo, ChildState, LastExit, Snapshot, Source, SupervisorInfo},
    process::{ChildId, Exit, ProcessId},
    strategy::ChildKind,
};

/// How long a supervisor has to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A supervisor, as it saw itself.
pub(crate) struct View {
    taken: Instant,
    process: ProcessId,
    restarts: u32,
    state: ChildState,
    settings: SupervisorInfo,
    rows: Vec<Row>,
}

/// One of its children.
struct Row {
    id: ChildId,
    child: Arc<dyn Child>,
    state: ChildState,
    since: Option<Instant>,
    restarts: u32,
    end: Option<LastExit>,
}

/// What is left of a supervisor when it has ended.
pub(super) struct Remains {
    engine: Engine<Arc<dyn Child>>,
    at: Instant,
    process: ProcessId,
    restarts: u32,
}

impl View {
    fn of(engine: &Engine<Arc<dyn Child>>, source: Source, taken: Instant, process: ProcessId, restarts: u32) -> Self {
        let state = match source {
            Source::Ended => ChildState::Stopped,
            _ if engine.is_stopping() => ChildState::Stopping,
            _ if engine.is_up() => ChildState::Running,
            _ => ChildState::Starting,
        };
        let back = |then: Instant| taken.saturating_duration_since(then);
        let rows = engine.slots().map(|(id, slot)| Row {
            id,
            child: slot.spec.clone(),
            state: slot.public_state(),
            since: slot.since(),
            restarts: slot.restarts(),
            end: match slot.end() {
                Some(End { how, at }) => Some(LastExit { how: how.to_string(), ago: Some(back(*at)) }),
                None => slot.has_ended_well().then(|| LastExit { how: Exit::Normal.to_string(), ago: None }),
            },
        });
        let (settings, rows) = (SupervisorInfo::new(source, engine.settings()), rows.collect());
        Self { taken, process, restarts, state, settings, rows }
    }
}

impl Driver {
    pub(super) fn view(&self, now: Instant) -> View {
        View::of(&self.engine, Source::Answer, now, self.own.id, self.own.ticket.incarnation.saturating_sub(1))
    }

    /// The last thing that a supervisor does.
    pub(super) fn leave_remains(&mut self) {
        let engine = std::mem::replace(&mut self.engine, Engine::empty());
        let (at, restarts) = (self.scope.spawner.now(), self.own.ticket.incarnation.saturating_sub(1));
        self.hub.bury(Remains { engine, at, process: self.own.id, restarts });
    }
}

impl Remains {
    pub(super) fn view(&self) -> View {
        View::of(&self.engine, Source::Ended, self.at, self.process, self.restarts)
    }
}

impl Hub {
    /// Asks the supervisor, and then those below it, each in turn.
    pub(crate) fn snapshot(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Snapshot> + Send>> {
        Box::pin(async move { self.take_snapshot().await })
    }

    async fn take_snapshot(&self) -> Snapshot {
        let (source, view) = self.look().await;
        let path = self.path();
        let Some(View { taken, process, restarts, state, settings, rows }) = view else {
            // Whether it does not answer, or has never run.
            let known = self.known().filter(|_| source == Source::Unreachable);
            let state = if known.is_some() { ChildState::Running } else { ChildState::Stopped };
            let (process, supervisor) = known.map_or((None, None), |(process, info)| (process, Some(info)));
            return Snapshot { supervisor, ..bare(path, process, ChildKind::Supervisor, state) };
        };
        let mut children = Vec::with_capacity(rows.len());
        for row in rows {
            children.push(row.snapshot(&path, taken).await);
        }
        let ready = Snapshot::is_ready(state, &children);
        let own = bare(path, Some(process), ChildKind::Supervisor, state);
        Snapshot { ready, restarts, supervisor: Some(settings), children, ..own }
    }

    /// What the supervisor has to say of itself, if it says anything in time.
    async fn look(&self) -> (Source, Option<View>) {
        let (reply, answer) = oneshot::channel();
        let spawner = match (self.spawner(), self.send(Command::Look(reply))) {
            (Some(spawner), Ok(())) => spawner,
            _ => return (Source::Ended, self.last_view()),
        };
        let mut timer = spawner.timer();
        timer.as_mut().reset(spawner.now().checked_add(PATIENCE));
        let patience = async {
            poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
            None
        };
        match or(async { Some(answer.await) }, patience).await {
            Some(Ok(view)) => (Source::Answer, Some(*view)),
            Some(Err(_)) => (Source::Ended, self.last_view()),
            None => (Source::Unreachable, None),
        }
    }
}

impl Row {
    async fn snapshot(self, parent: &str, taken: Instant) -> Snapshot {
        let Self { id, child, state, since, restarts, end } = self;
        let (spec, back) = (child.settings(), |then: Instant| taken.saturating_duration_since(then));
        let below = match child.hub().and_then(|hub| hub.downcast::<Hub>().ok()) {
            Some(hub) => Some(hub.snapshot().await),
            None => None,
        };
        let (supervisor, children) = below.map_or((None, Vec::new()), |below| (below.supervisor, below.children));
        let is_answered = supervisor.as_ref().is_none_or(|info| info.source == Source::Answer);
        let path = format!("{parent}.{}", child.segment());
        Snapshot {
            id: Some(id),
            ready: is_answered && Snapshot::is_ready(state, &children),
            since: since.map(back),
            restarts,
            last_exit: end,
            spec: Some(ChildSpecInfo::new(child.segment(), spec)),
            supervisor,
            children,
            ..bare(path, child.cell().latest(), spec.kind, state)
        }
    }
}

fn bare(path: String, process: Option<ProcessId>, kind: ChildKind, state: ChildState) -> Snapshot {
    Snapshot {
        path,
        id: None,
        process,
        kind,
        state,
        ready: false,
        since: None,
        restarts: 0,
        last_exit: None,
        spec: None,
        supervisor: None,
        children: Vec::new(),
    }
}
