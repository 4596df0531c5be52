use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{ChildSpecInfo, ChildState, PlacementKind, RestartCause};
use crate::{
    incarnation::{ChildId, ProcessId, dotted},
    shutdown::ShutdownOrder,
    strategy::{AutoShutdown, Backoff, ChildKind, RestartMode, SupervisorSettings},
};

/// A supervisor at the moment of asking, with everything below it.
///
/// It comes from [`SupervisorHandle::snapshot`](crate::SupervisorHandle::snapshot). Displayed, it is a picture for terminals;
/// [`to_dot`](Self::to_dot) makes one for Graphviz. Times are durations back from when the supervisor in question was read, on
/// its executor's clock.
///
/// With the feature `serde` it can be written and read: `docs/guide/snapshot-format.md` has the format. A part of a snapshot is a snapshot,
/// too, and is written as one.
#[non_exhaustive]
pub struct Snapshot {
    /// When the reading began, as [`Spawner::system_time`](crate::Spawner::system_time) has it: of the executor on which the
    /// supervisor that was asked runs, or ran. The same in all of a snapshot.
    pub captured_at: SystemTime,
    /// Dotted name, from the root.
    pub path: String,
    /// The child that it is, as calls take it; `None` for a root, and for a supervisor that has never run.
    pub id: Option<ChildId>,
    /// The process, or the last one; `None` where there has been none.
    pub process: Option<ProcessId>,
    /// Whether it works or supervises.
    pub kind: ChildKind,
    /// What it is doing.
    pub state: ChildState,
    /// Whether its process was aborted and has not yielded within its grace. Its supervisor still waits for it.
    pub stuck: bool,
    /// Whether its process was aborted and has not yielded, and its supervisor has stopped without it.
    pub abandoned: bool,
    /// Whether it is ready, with everything below it: no process below it is starting, restarting or stopping. A child that is
    /// stopped does not count. A readiness probe asks for this.
    pub ready: bool,
    /// For how long it has been in its state; `None` where that is not known.
    pub since: Option<Duration>,
    /// How often its supervisor has restarted it. A restart of a supervisor counts once for it, and not for its children, which
    /// begin anew.
    pub restarts: u32,
    /// How its last process ended; `None` where none has.
    pub last_exit: Option<LastExit>,
    /// How it is started, restarted and stopped; `None` for the supervisor that was asked.
    pub spec: Option<ChildSpecInfo>,
    /// How it supervises; `None` for a worker, and for a supervisor that has never run.
    pub supervisor: Option<SupervisorInfo>,
    /// The children of a supervisor, in start order.
    pub children: Vec<Snapshot>,
}

/// How the last process of a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LastExit {
    /// How: it exited, or it failed to start. This has a bound on its size: a message of more than 1,000 characters is cut and
    /// says by how much; a supervisor that gave up is told with its last failure alone, and one that did not stop well with 16
    /// processes. The event has all of it.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub cause: RestartCause,
    /// How long ago; `None` where it ended normally when it was stopped.
    #[cfg_attr(feature = "serde", serde(rename = "ago_seconds", with = "crate::format::seconds_or_none"))]
    pub ago: Option<Duration>,
}

/// How a supervisor is set up, and whether it reads its messages.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SupervisorInfo {
    /// Whether it runs.
    pub source: SnapshotSource,
    /// For how long it has left messages unread; `None` if it has read all. A message is the end of a child, or a call. A
    /// supervisor reads them at once, so more than a moment means that it does not run: its executor is blocked, or not driven.
    /// The children are then as it last knew them.
    #[cfg_attr(feature = "serde", serde(rename = "unread_for_seconds", with = "crate::format::seconds_or_none"))]
    pub unread_for: Option<Duration>,
    /// Which children are restarted when one fails.
    pub mode: RestartMode,
    /// How many restarts it may make within `period`. `usize::MAX` is without limit.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::number"))]
    pub intensity: usize,
    /// The time within which restarts count together. `Duration::MAX` is without limit.
    #[cfg_attr(feature = "serde", serde(rename = "period_seconds", with = "crate::format::seconds"))]
    pub period: Duration,
    /// How long restarts of children wait that have no backoff of their own; `None` is that they do not wait.
    pub backoff: Option<Backoff>,
    /// Whether it stops by itself when significant children have ended.
    pub auto_shutdown: AutoShutdown,
    /// In which order it stops its children.
    pub shutdown_order: ShutdownOrder,
    /// How long all of a stop may take; `None` is without limit.
    #[cfg_attr(feature = "serde", serde(rename = "shutdown_budget_seconds", with = "crate::format::seconds_or_none"))]
    pub shutdown_budget: Option<Duration>,
    /// How long an aborted child may take to yield before it is stuck. `Duration::MAX` is without limit.
    #[cfg_attr(feature = "serde", serde(rename = "abort_grace_seconds", with = "crate::format::seconds"))]
    pub abort_grace: Duration,
    /// Whether its children come and go.
    pub dynamic: bool,
    /// How many children it may have; `None` is without limit.
    pub max_children: Option<usize>,
    /// Whether no two of its children may have the same name.
    pub unique_names: bool,
    /// Where its children run.
    pub placement: PlacementKind,
}

/// Whether a supervisor runs, and so from when its children are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SnapshotSource {
    /// The supervisor runs.
    Running,
    /// The supervisor does not run. The children are as they were when it ended.
    Ended,
}

impl SupervisorInfo {
    pub(crate) fn new(
        source: SnapshotSource,
        unread_for: Option<Duration>,
        settings: &SupervisorSettings,
        placement: PlacementKind,
    ) -> Self {
        Self {
            source,
            unread_for,
            mode: settings.strategy.mode(),
            intensity: settings.strategy.intensity(),
            period: settings.strategy.period(),
            backoff: settings.backoff,
            auto_shutdown: settings.auto_shutdown,
            shutdown_order: settings.shutdown_order,
            shutdown_budget: settings.shutdown_budget,
            abort_grace: settings.abort_grace,
            dynamic: settings.dynamic,
            max_children: settings.max_children,
            unique_names: settings.unique_names,
            placement,
        }
    }
}

impl Snapshot {
    /// Whether a process with this state is ready, with children that are ready or in nobody's way, or not.
    pub(crate) fn is_ready(state: ChildState, children: bool) -> bool {
        state == ChildState::Running && children
    }

    /// Whether it is ready, or is not going to run.
    pub(crate) fn is_out_of_the_way(&self) -> bool {
        self.ready || self.state == ChildState::Stopped
    }

    /// A copy without the children, and with room for them.
    fn alone(&self) -> Self {
        let Self { path, last_exit, spec, supervisor, children, .. } = self;
        Self {
            path: path.clone(),
            last_exit: last_exit.clone(),
            spec: spec.clone(),
            supervisor: supervisor.clone(),
            children: Vec::with_capacity(children.len()),
            ..*self
        }
    }

    /// This process and all below it, in start order, each before those below it.
    pub fn iter(&self) -> impl Iterator<Item = &Self> {
        let mut to_come = vec![self];
        std::iter::from_fn(move || {
            let next = to_come.pop()?;
            to_come.extend(next.children.iter().rev());
            Some(next)
        })
    }

    /// Returns the first process of this dotted name, here or below.
    ///
    /// The name is the whole one, from the root (`root.api.listener`), or begins below this process: `api.listener` in a
    /// snapshot of `root`. It is cleaned as names of processes are, segment by segment, so `root.http-server` finds
    /// `root.http_server`. A dot separates segments; a child that was given the name `a.b` is called `a_b`, and is found as that.
    pub fn find(&self, path: &str) -> Option<&Self> {
        let path = dotted(path);
        let below = format!("{}.{path}", self.path);
        self.iter().find(|node| node.path == path).or_else(|| self.iter().find(|node| node.path == below))
    }
}

/// As a loop, so that no depth is too much for a stack.
impl Clone for Snapshot {
    fn clone(&self) -> Self {
        let mut levels = vec![(self.alone(), self.children.iter())];
        loop {
            let Some((_, children)) = levels.last_mut() else { unreachable!("the top one returns") };
            if let Some(child) = children.next() {
                levels.push((child.alone(), child.children.iter()));
                continue;
            }
            let Some((done, _)) = levels.pop() else { unreachable!("looked at above") };
            match levels.last_mut() {
                Some((above, _)) => above.children.push(done),
                None => return done,
            }
        }
    }
}

/// A list of this process and all below it, each without those below it: their dotted names tell where they stand.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Alone)).finish()
    }
}

struct Alone<'a>(&'a Snapshot);

impl fmt::Debug for Alone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { captured_at, path, id, process, kind, state, .. } = self.0;
        let Snapshot { stuck, abandoned, ready, since, restarts, last_exit, spec, supervisor, .. } = self.0;
        f.debug_struct("Snapshot")
            .field("captured_at", captured_at)
            .field("path", path)
            .field("id", id)
            .field("process", process)
            .field("kind", kind)
            .field("state", state)
            .field("stuck", stuck)
            .field("abandoned", abandoned)
            .field("ready", ready)
            .field("since", since)
            .field("restarts", restarts)
            .field("last_exit", last_exit)
            .field("spec", spec)
            .field("supervisor", supervisor)
            .finish_non_exhaustive()
    }
}

/// Serializers want it to call itself for each level. So as little as can be stands on the stack meanwhile: what a derived one
/// keeps there, for all fields, is too much for a deep tree.
#[cfg(feature = "serde")]
mod serialize {
    use std::time::{Duration, SystemTime};

    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::Error,
        ser::{SerializeSeq, SerializeStruct},
    };

    use super::{ChildId, ChildKind, ChildSpecInfo, ChildState, LastExit, ProcessId, Snapshot, SupervisorInfo};

    /// The version of the format.
    const SCHEMA: u32 = 1;

    /// The whole document: what a process has, and before it what the document has.
    impl Serialize for Snapshot {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serialize(self, true, serializer)
        }
    }

    fn serialize<S: Serializer>(node: &Snapshot, is_top: bool, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = begin(node, is_top, serializer);
        if let Ok(begun) = &mut fields {
            if let Err(error) = begun.serialize_field("children", &Children(&node.children)) {
                fields = Err(error);
            }
        }
        fields.and_then(SerializeStruct::end)
    }

    /// All but the children.
    #[inline(never)]
    fn begin<S: Serializer>(node: &Snapshot, is_top: bool, serializer: S) -> Result<S::SerializeStruct, S::Error> {
        #[derive(Serialize)]
        struct Seconds(#[serde(with = "crate::format::seconds_or_none")] Option<Duration>);

        let mut fields = serializer.serialize_struct("Snapshot", if is_top { 16 } else { 14 })?;
        let Snapshot { captured_at, path, id, process, kind, state, stuck, abandoned, ready, .. } = node;
        let Snapshot { since, restarts, last_exit, spec, supervisor, .. } = node;
        if is_top {
            fields.serialize_field("schema", &SCHEMA)?;
            fields.serialize_field("captured_at", &At(*captured_at))?;
        }
        fields.serialize_field("path", path)?;
        fields.serialize_field("child_id", id)?;
        fields.serialize_field("process_id", process)?;
        fields.serialize_field("kind", kind)?;
        fields.serialize_field("state", state)?;
        fields.serialize_field("stuck", stuck)?;
        fields.serialize_field("abandoned", abandoned)?;
        fields.serialize_field("ready", ready)?;
        fields.serialize_field("since_seconds", &Seconds(*since))?;
        fields.serialize_field("restarts", restarts)?;
        fields.serialize_field("last_exit", last_exit)?;
        fields.serialize_field("spec", spec)?;
        fields.serialize_field("supervisor", supervisor)?;
        Ok(fields)
    }

    struct Node<'a>(&'a Snapshot);

    impl Serialize for Node<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serialize(self.0, false, serializer)
        }
    }

    struct Children<'a>(&'a [Snapshot]);

    impl Serialize for Children<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut sequence = serializer.serialize_seq(Some(self.0.len()));
            for child in self.0 {
                let Ok(begun) = &mut sequence else { break };
                if let Err(error) = begun.serialize_element(&Node(child)) {
                    sequence = Err(error);
                }
            }
            sequence.and_then(SerializeSeq::end)
        }
    }

    /// A process as it is read. The one at the top has what the document has, too.
    #[derive(Deserialize)]
    #[serde(rename = "Snapshot")]
    struct Read {
        schema: Option<u32>,
        #[serde(default)]
        captured_at: Option<At>,
        path: String,
        child_id: Option<ChildId>,
        process_id: Option<ProcessId>,
        kind: ChildKind,
        state: ChildState,
        stuck: bool,
        abandoned: bool,
        ready: bool,
        #[serde(with = "crate::format::seconds_or_none")]
        since_seconds: Option<Duration>,
        restarts: u32,
        last_exit: Option<LastExit>,
        spec: Option<ChildSpecInfo>,
        supervisor: Option<SupervisorInfo>,
        children: Vec<Read>,
    }

    #[derive(Clone, Copy, Serialize, Deserialize)]
    struct At(#[serde(with = "crate::format::unix_milliseconds")] SystemTime);

    impl Read {
        fn into_snapshot(self, At(captured_at): At) -> Snapshot {
            let children = self.children.into_iter();
            Snapshot {
                captured_at,
                path: self.path,
                id: self.child_id,
                process: self.process_id,
                kind: self.kind,
                state: self.state,
                stuck: self.stuck,
                abandoned: self.abandoned,
                ready: self.ready,
                since: self.since_seconds,
                restarts: self.restarts,
                last_exit: self.last_exit,
                spec: self.spec,
                supervisor: self.supervisor,
                children: children.map(|child| child.into_snapshot(At(captured_at))).collect(),
            }
        }
    }

    /// What reads it calls itself for each level, as what writes it does. `serde_json` refuses what is more than 128 levels of
    /// JSON deep by default, which are some sixty supervisors one below the other.
    impl<'de> Deserialize<'de> for Snapshot {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let read = Read::deserialize(deserializer)?;
            match (read.schema, read.captured_at) {
                (Some(SCHEMA), Some(at)) => Ok(read.into_snapshot(at)),
                (Some(SCHEMA), None) => Err(D::Error::missing_field("captured_at")),
                (Some(schema), _) => Err(D::Error::custom(format_args!("a snapshot of schema {schema}, not {SCHEMA}"))),
                (None, _) => Err(D::Error::missing_field("schema")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{error::Failure, incarnation::Exit};

    const DEPTH: usize = 1500;

    /// So many supervisors, one below the other.
    fn chain(depth: usize) -> Snapshot {
        let node = || Snapshot {
            captured_at: SystemTime::UNIX_EPOCH,
            path: "root.supervisor".into(),
            id: None,
            process: None,
            kind: ChildKind::Supervisor,
            state: ChildState::Running,
            stuck: false,
            abandoned: false,
            ready: true,
            since: Some(Duration::ZERO),
            restarts: 0,
            last_exit: Some(LastExit { cause: RestartCause::Exit(Exit::Panicked(Failure::new("boom"))), ago: None }),
            spec: None,
            supervisor: Some(SupervisorInfo::new(
                SnapshotSource::Running,
                None,
                &SupervisorSettings::default(),
                PlacementKind::Inherit,
            )),
            children: Vec::new(),
        };
        (1..depth).fold(node(), |below, _| Snapshot { children: vec![below], ..node() })
    }

    /// On a stack of the size that the threads of tests have.
    fn on_a_small_stack(test: impl FnOnce() + Send) {
        thread::scope(|scope| {
            let thread = thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, test);
            thread.expect("a thread").join().expect("no panic");
        });
    }

    #[test]
    fn a_deep_tree_needs_no_deep_stack() {
        on_a_small_stack(|| {
            let deep = chain(DEPTH);
            assert_eq!(deep.to_string().matches('●').count(), DEPTH);
            assert_eq!(deep.to_dot().matches(" -> ").count(), DEPTH - 1);
            assert_eq!(format!("{deep:?}").matches("Snapshot {").count(), DEPTH);
            assert!(format!("{deep:#?}").lines().count() > DEPTH);
            assert!(deep.find("root.other").is_none());
            let copy = deep.clone();
            assert_eq!(copy.iter().count(), DEPTH);
            drop(copy);
        });
    }

    #[test]
    #[cfg(feature = "serde")]
    fn a_deep_tree_is_serialized_on_a_small_stack() {
        on_a_small_stack(|| {
            let deep = chain(DEPTH);
            for text in [serde_json::to_string(&deep), serde_json::to_string_pretty(&deep)] {
                assert_eq!(text.expect("it serializes").matches("\"path\"").count(), DEPTH);
            }
            let value = serde_json::to_value(&deep).expect("it serializes");
            assert_eq!(value["children"][0]["children"][0]["state"], "running");
            // How deep a value may be that is dropped is not ours to say.
            std::mem::forget(value);
        });
    }

    #[test]
    fn a_copy_is_the_same_in_the_same_order() {
        let leaf = |path: &str| Snapshot { path: path.into(), ..chain(1) };
        let b = Snapshot { children: vec![leaf("c")], ..leaf("b") };
        let root = Snapshot { children: vec![leaf("a"), b, leaf("d")], ..chain(1) };
        let paths = |snapshot: &Snapshot| snapshot.iter().map(|node| node.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&root.clone()), ["root.supervisor", "a", "b", "c", "d"]);
        assert_eq!(root.clone().to_string(), root.to_string());
    }
}
