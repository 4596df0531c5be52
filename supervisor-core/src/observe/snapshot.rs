use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{Accounting, ChildSpecInfo, ChildState, PlacementKind, RestartCause};
use crate::{
    incarnation::{ChildId, ProcessId, dotted},
    shutdown::ShutdownOrder,
    strategy::{AutoShutdown, Backoff, ChildKind, RestartMode, SupervisorSettings},
};

/// The state of a supervisor at the moment of the call, with everything below it.
///
/// [`SupervisorHandle::snapshot`](crate::SupervisorHandle::snapshot) returns it. Displayed, it is a picture for terminals;
/// [`to_dot`](Self::to_dot) makes one for Graphviz. Times are durations before the moment at which the supervisor of the
/// process was read, on that supervisor's clock.
///
/// With the feature `serde` it can be serialized and deserialized: `docs/guide/snapshot-format.md` has the format. Each part of
/// a snapshot is a snapshot, too, and is serialized as one.
#[non_exhaustive]
pub struct Snapshot {
    /// When the reading began, from [`Spawner::system_time`](crate::Spawner::system_time) of the executor on which the top
    /// supervisor runs, or ran. All parts of a snapshot have the same time.
    pub captured_at: SystemTime,
    /// Dotted name of the process, from the root.
    pub path: String,
    /// The id of the child, as calls take it. `None` for a root, and for a supervisor that has never run.
    pub id: Option<ChildId>,
    /// The process, or the last one. `None` if there has been none.
    pub process: Option<ProcessId>,
    /// Whether it is a worker or a supervisor.
    pub kind: ChildKind,
    /// Its state.
    pub state: ChildState,
    /// Whether its process was aborted but has not yielded within the abort grace. Its supervisor is still waiting for it.
    pub stuck: bool,
    /// Why its process was aborted while its supervisor still waits for it. `None` if it was not, or only because it did not stop
    /// in time, or if its supervisor, its group or a caller has begun to stop it since.
    pub abort_reason: Option<AbortReason>,
    /// Whether its process was aborted but has not yielded, and its supervisor no longer waits for it.
    pub abandoned: bool,
    /// Whether it is ready with everything below it. Then no process below it is starting, restarting or stopping. A child that
    /// is stopped does not count, and neither does one whose specification [says
    /// so](crate::ChildSpec::with_readiness). Use this for a readiness probe.
    pub ready: bool,
    /// How long it has been in its state. `None` if that is not known.
    pub since: Option<Duration>,
    /// How often its supervisor has restarted it. A restart of a supervisor counts once for that supervisor. Its children are
    /// new, and count from zero.
    pub restarts: u32,
    /// Its failures since it was last well. `None` if it is well: it has not failed, or it has run for long enough since.
    pub failing: Option<Failing>,
    /// How its last process ended. `None` if none has ended.
    pub last_exit: Option<LastExit>,
    /// Its settings as a child. `None` for the top supervisor of the snapshot.
    pub spec: Option<ChildSpecInfo>,
    /// Its settings as a supervisor. `None` for a worker, and for a supervisor that has never run.
    pub supervisor: Option<SupervisorInfo>,
    /// What its polls have taken, without those below it. `None` if it is not
    /// [counted](crate::ChildSpec::with_accounting).
    pub accounting: Option<Accounting>,
    /// The children of a supervisor, in start order.
    pub children: Vec<Snapshot>,
}

/// The failures of a child that follow each other closely, as its backoff counts them. They are over when the child has run for
/// the [`reset_after`](Backoff::with_reset_after) of its backoff; without a backoff, for the period of its supervisor.
///
/// A supervisor that was restarted has new children, and these count anew: its own series says since when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Failing {
    /// How long ago the first of them was.
    #[cfg_attr(feature = "serde", serde(rename = "since_seconds", with = "crate::format::seconds"))]
    pub since: Duration,
    /// The number of restarts after them. While the child waits to restart, this is the number of the attempt that comes.
    pub attempt: u32,
    /// How long it still waits to restart. `None` if it does not wait, or not for a time.
    #[cfg_attr(feature = "serde", serde(rename = "next_in_seconds", with = "crate::format::seconds_or_none"))]
    pub next_in: Option<Duration>,
}

/// The reason for which a supervisor aborts a process that was not to stop. Displayed, it is a clause: `it was killed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AbortReason {
    /// It gave no heartbeat in time.
    MissedHeartbeat,
    /// It was not ready within its limit.
    NotReadyInTime,
    /// A caller killed it.
    Killed,
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissedHeartbeat => "it missed its heartbeat",
            Self::NotReadyInTime => "it was not ready in time",
            Self::Killed => "it was killed",
        })
    }
}

/// The end of the last process of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LastExit {
    /// How it ended, or failed to start. This has a bound on its size: a message of more than 1,000 characters is cut, and says
    /// by how much; a supervisor that gave up has its last failure only; and at most 16 processes that did not stop well are
    /// kept. The event has all of it.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub cause: RestartCause,
    /// How long ago. `None` if it ended normally when it was stopped.
    #[cfg_attr(feature = "serde", serde(rename = "ago_seconds", with = "crate::format::seconds_or_none"))]
    pub ago: Option<Duration>,
}

/// The settings of a supervisor, and whether it reads its messages.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SupervisorInfo {
    /// Whether the supervisor is running.
    pub source: SnapshotSource,
    /// How long it has left messages unread. `None` if it has read all. A message is the end of a child, or a call. A
    /// supervisor that is polled reads its messages at once. So more than a moment means that its executor is blocked, or is
    /// not driven. The children are then shown as the supervisor last knew them.
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
    /// How many restarts it has made within the last `period`. Zero if its intensity is without limit, because then none is
    /// counted.
    #[cfg_attr(feature = "serde", serde(default))]
    pub restarts_used: usize,
    /// How long restarts wait of children without a backoff of their own. `None` means that they do not wait.
    pub backoff: Option<Backoff>,
    /// Whether it shuts down by itself when significant children have ended.
    pub auto_shutdown: AutoShutdown,
    /// In which order it stops its children.
    pub shutdown_order: ShutdownOrder,
    /// How long a whole stop may take. `None` is without limit.
    #[cfg_attr(feature = "serde", serde(rename = "shutdown_budget_seconds", with = "crate::format::seconds_or_none"))]
    pub shutdown_budget: Option<Duration>,
    /// How long an aborted child may take to yield before it is stuck. `Duration::MAX` is without limit.
    #[cfg_attr(feature = "serde", serde(rename = "abort_grace_seconds", with = "crate::format::seconds"))]
    pub abort_grace: Duration,
    /// Whether it is a dynamic supervisor.
    pub dynamic: bool,
    /// How many children it may have. `None` is without limit.
    pub max_children: Option<usize>,
    /// Whether it refuses a child with the name of another one.
    pub unique_names: bool,
    /// Where its children run.
    pub placement: PlacementKind,
}

/// The state in which a supervisor was read: running, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SnapshotSource {
    /// The supervisor is running.
    Running,
    /// The supervisor is not running. The children are shown as they were when it ended.
    Ended,
}

impl SupervisorInfo {
    pub(crate) fn new(
        source: SnapshotSource,
        unread_for: Option<Duration>,
        restarts_used: usize,
        settings: &SupervisorSettings,
        placement: PlacementKind,
    ) -> Self {
        Self {
            source,
            unread_for,
            mode: settings.strategy.mode(),
            intensity: settings.strategy.intensity(),
            period: settings.strategy.period(),
            restarts_used,
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
    /// Whether a process in this state is ready. `children`: no child keeps it from that.
    pub(crate) fn is_ready(state: ChildState, children: bool) -> bool {
        state == ChildState::Running && children
    }

    /// Whether it is ready or stopped, or does not count, so that it does not keep its supervisor from being ready.
    pub(crate) fn is_out_of_the_way(&self) -> bool {
        let counts = self.spec.as_ref().is_none_or(|spec| spec.readiness);
        self.ready || self.state == ChildState::Stopped || !counts
    }

    /// A copy without the children, with room for them.
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

    /// Returns an iterator over this process and all below it, in start order. Each comes before those below it.
    pub fn iter(&self) -> impl Iterator<Item = &Self> {
        let mut to_come = vec![self];
        std::iter::from_fn(move || {
            let next = to_come.pop()?;
            to_come.extend(next.children.iter().rev());
            Some(next)
        })
    }

    /// Returns what the polls of this process and of all below it have taken, as far as they are
    /// [counted](crate::ChildSpec::with_accounting). `None` if none is. The slowest poll is the slowest of all.
    pub fn accounting_with_below(&self) -> Option<Accounting> {
        self.iter().filter_map(|node| node.accounting).reduce(Accounting::plus)
    }

    /// Returns the first process of this dotted name, here or below.
    ///
    /// The name is the whole one, from the root (`root.api.listener`), or begins below this process (`api.listener` in a
    /// snapshot of `root`). It is cleaned as names of processes are, segment by segment, so `root.http-server` finds
    /// `root.http_server`. A dot separates segments: a child that was given the name `a.b` is called `a_b`, and `a_b` finds it.
    pub fn find(&self, path: &str) -> Option<&Self> {
        let path = dotted(path);
        let below = format!("{}.{path}", self.path);
        self.iter().find(|node| node.path == path).or_else(|| self.iter().find(|node| node.path == below))
    }
}

/// Copies in a loop, because recursion over a deep tree would overflow the stack.
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

/// Lists this process and all below it, each without its children. Their dotted names show the tree.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Alone)).finish()
    }
}

struct Alone<'a>(&'a Snapshot);

impl fmt::Debug for Alone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { captured_at, path, id, process, kind, state, .. } = self.0;
        let Snapshot { stuck, abort_reason, abandoned, ready, since, restarts, failing, .. } = self.0;
        let Snapshot { last_exit, spec, supervisor, accounting, .. } = self.0;
        f.debug_struct("Snapshot")
            .field("captured_at", captured_at)
            .field("path", path)
            .field("id", id)
            .field("process", process)
            .field("kind", kind)
            .field("state", state)
            .field("stuck", stuck)
            .field("abort_reason", abort_reason)
            .field("abandoned", abandoned)
            .field("ready", ready)
            .field("since", since)
            .field("restarts", restarts)
            .field("failing", failing)
            .field("last_exit", last_exit)
            .field("spec", spec)
            .field("supervisor", supervisor)
            .field("accounting", accounting)
            .finish_non_exhaustive()
    }
}

/// A serializer makes this recursive, once for each level. A derived implementation keeps all fields on the stack meanwhile,
/// which is too much for a deep tree. This one keeps as little as possible.
#[cfg(feature = "serde")]
mod serialize {
    use std::time::{Duration, SystemTime};

    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::Error,
        ser::{SerializeSeq, SerializeStruct},
    };

    use super::{
        AbortReason, Accounting, ChildId, ChildKind, ChildSpecInfo, ChildState, Failing, LastExit, ProcessId, Snapshot,
        SupervisorInfo,
    };

    /// The version of the format.
    const SCHEMA: u32 = 1;

    /// Writes the whole document: the fields of the document, and then those of the process.
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

    /// Writes all fields but the children.
    #[inline(never)]
    fn begin<S: Serializer>(node: &Snapshot, is_top: bool, serializer: S) -> Result<S::SerializeStruct, S::Error> {
        #[derive(Serialize)]
        struct Seconds(#[serde(with = "crate::format::seconds_or_none")] Option<Duration>);

        let of_all = if node.accounting.is_some() { 17 } else { 16 };
        let mut fields = serializer.serialize_struct("Snapshot", if is_top { of_all + 2 } else { of_all })?;
        let Snapshot { captured_at, path, id, process, kind, state, stuck, abort_reason, abandoned, ready, .. } = node;
        let Snapshot { since, restarts, failing, last_exit, spec, supervisor, accounting, .. } = node;
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
        fields.serialize_field("abort_reason", abort_reason)?;
        fields.serialize_field("abandoned", abandoned)?;
        fields.serialize_field("ready", ready)?;
        fields.serialize_field("since_seconds", &Seconds(*since))?;
        fields.serialize_field("restarts", restarts)?;
        fields.serialize_field("failing", failing)?;
        fields.serialize_field("last_exit", last_exit)?;
        fields.serialize_field("spec", spec)?;
        fields.serialize_field("supervisor", supervisor)?;
        match accounting {
            Some(accounting) => fields.serialize_field("accounting", accounting)?,
            None => fields.skip_field("accounting")?,
        }
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

    /// A process as it is read. The top one has the fields of the document, too.
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
        #[serde(default)]
        abort_reason: Option<AbortReason>,
        abandoned: bool,
        ready: bool,
        #[serde(with = "crate::format::seconds_or_none")]
        since_seconds: Option<Duration>,
        restarts: u32,
        #[serde(default)]
        failing: Option<Failing>,
        last_exit: Option<LastExit>,
        spec: Option<ChildSpecInfo>,
        supervisor: Option<SupervisorInfo>,
        accounting: Option<Accounting>,
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
                abort_reason: self.abort_reason,
                abandoned: self.abandoned,
                ready: self.ready,
                since: self.since_seconds,
                restarts: self.restarts,
                failing: self.failing,
                last_exit: self.last_exit,
                spec: self.spec,
                supervisor: self.supervisor,
                accounting: self.accounting,
                children: children.map(|child| child.into_snapshot(At(captured_at))).collect(),
            }
        }
    }

    /// Reads a document, by recursion, as a serializer writes it. By default `serde_json` refuses more than 128 levels of JSON,
    /// which are some sixty supervisors one below the other.
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
            abort_reason: None,
            abandoned: false,
            ready: true,
            since: Some(Duration::ZERO),
            restarts: 0,
            failing: None,
            last_exit: Some(LastExit { cause: RestartCause::Exit(Exit::Panicked(Failure::new("boom"))), ago: None }),
            spec: None,
            supervisor: Some(SupervisorInfo::new(
                SnapshotSource::Running,
                None,
                0,
                &SupervisorSettings::default(),
                PlacementKind::Inherit,
            )),
            accounting: None,
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
        // Each level takes stack here. How much depends on the serializer, and on the features of its crate.
        const DEPTH: usize = 1000;

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
