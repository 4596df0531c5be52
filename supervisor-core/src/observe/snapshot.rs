use std::{fmt, time::Duration};

use super::{ChildSpecInfo, ChildState};
use crate::{
    incarnation::{ChildId, ProcessId, dotted},
    shutdown::ShutdownOrder,
    strategy::{AutoShutdown, ChildKind, RestartMode, SupervisorSettings},
};

/// A supervisor at the moment of asking, with everything below it.
///
/// It comes from [`SupervisorHandle::snapshot`](crate::SupervisorHandle::snapshot). Displayed, it is a picture for terminals;
/// [`to_dot`](Self::to_dot) makes one for Graphviz, and with the feature `serde` it can be serialized. Times are durations back
/// from when the supervisor in question was asked, on its executor's clock.
///
/// Serialized, a number or a time without limit is `null`.
#[non_exhaustive]
pub struct Snapshot {
    /// Dotted name.
    pub path: String,
    /// Names the child in calls; `None` for the supervisor that was asked.
    pub id: Option<ChildId>,
    /// The process, or the last one.
    pub process: Option<ProcessId>,
    /// Whether it works or supervises.
    pub kind: ChildKind,
    /// What it is doing.
    pub state: ChildState,
    /// Whether it is ready, with everything below it: nothing is on its way up, out or back. A child that has ended and is not
    /// going to be restarted is in nobody's way. What a probe of readiness asks for.
    pub ready: bool,
    /// For how long it is in its state, as far as that is known.
    pub since: Option<Duration>,
    /// How often it was started again by its supervisor, as that is now: a restart of a supervisor is one for it, and none for
    /// its children, which begin anew.
    pub restarts: u32,
    /// How its last process ended.
    pub last_exit: Option<LastExit>,
    /// How it is started, restarted and stopped; `None` for the supervisor that was asked.
    pub spec: Option<ChildSpecInfo>,
    /// What is to be said of a supervisor.
    pub supervisor: Option<SupervisorInfo>,
    /// The children of a supervisor, in start order.
    pub children: Vec<Snapshot>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LastExit {
    /// In words. Text of user code that is longer than 1,000 characters is cut, with a word for how much that was.
    pub how: String,
    /// How long ago; `None` where it just ended when it was stopped.
    pub ago: Option<Duration>,
}

/// How a supervisor is set up, and whether it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SupervisorInfo {
    /// Where its children are known from.
    pub source: SnapshotSource,
    /// For how long it has left messages unread, if any wait: the ends of children, and calls. A supervisor reads them at once,
    /// so more than a moment means that it does not get to run: its executor is blocked, or not driven. What is said of its
    /// children is then what it last knew.
    pub unread_for: Option<Duration>,
    /// Which children are restarted when one fails.
    pub mode: RestartMode,
    /// How many restarts it may make
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::text::serialize::number"))]
    pub intensity: usize,
    /// in this time.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::text::serialize::time"))]
    pub period: Duration,
    /// Whether it stops by itself when significant children have ended.
    pub auto_shutdown: AutoShutdown,
    /// In which order it stops its children.
    pub shutdown_order: ShutdownOrder,
    /// How long all of a stop may take; `None` is without limit.
    pub shutdown_budget: Option<Duration>,
    /// Whether its children come and go.
    pub dynamic: bool,
    /// How many children it may have; `None` is without limit.
    pub max_children: Option<usize>,
}

/// Where the children of a supervisor are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum SnapshotSource {
    /// It runs.
    Running,
    /// It does not run. The children are as they were when it ended; none, if it has never run.
    Ended,
}

impl SupervisorInfo {
    pub(crate) fn new(source: SnapshotSource, unread_for: Option<Duration>, settings: &SupervisorSettings) -> Self {
        Self {
            source,
            unread_for,
            mode: settings.strategy.mode(),
            intensity: settings.strategy.intensity(),
            period: settings.strategy.period(),
            auto_shutdown: settings.auto_shutdown,
            shutdown_order: settings.shutdown_order,
            shutdown_budget: settings.shutdown_budget,
            dynamic: settings.dynamic,
            max_children: settings.max_children,
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
        let Self { path, id, process, kind, state, ready, since, restarts, last_exit, spec, supervisor, children } =
            self;
        Self {
            path: path.clone(),
            id: *id,
            process: *process,
            kind: *kind,
            state: *state,
            ready: *ready,
            since: *since,
            restarts: *restarts,
            last_exit: last_exit.clone(),
            spec: spec.clone(),
            supervisor: supervisor.clone(),
            children: Vec::with_capacity(children.len()),
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

    /// The first process of this dotted name, here or below. The name is cleaned as those of processes are, segment by segment:
    /// `root.http-server` finds `root.http_server`.
    pub fn find(&self, path: &str) -> Option<&Self> {
        let path = dotted(path);
        self.iter().find(|node| node.path == path)
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
        let Snapshot { path, id, process, kind, state, ready, since, restarts, last_exit, spec, supervisor, .. } =
            self.0;
        f.debug_struct("Snapshot")
            .field("path", path)
            .field("id", id)
            .field("process", process)
            .field("kind", kind)
            .field("state", state)
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
    use serde::{
        Serialize, Serializer,
        ser::{SerializeSeq, SerializeStruct},
    };

    use super::Snapshot;

    impl Serialize for Snapshot {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = self.begin(serializer);
            if let Ok(begun) = &mut fields {
                if let Err(error) = begun.serialize_field("children", &Children(&self.children)) {
                    fields = Err(error);
                }
            }
            fields.and_then(SerializeStruct::end)
        }
    }

    impl Snapshot {
        /// All but the children.
        #[inline(never)]
        fn begin<S: Serializer>(&self, serializer: S) -> Result<S::SerializeStruct, S::Error> {
            let mut fields = serializer.serialize_struct("Snapshot", 12)?;
            let Self {
                path,
                id,
                process,
                kind,
                state,
                ready,
                since,
                restarts,
                last_exit,
                spec,
                supervisor,
                children: _,
            } = self;
            fields.serialize_field("path", path)?;
            fields.serialize_field("id", id)?;
            fields.serialize_field("process", process)?;
            fields.serialize_field("kind", kind)?;
            fields.serialize_field("state", state)?;
            fields.serialize_field("ready", ready)?;
            fields.serialize_field("since", since)?;
            fields.serialize_field("restarts", restarts)?;
            fields.serialize_field("last_exit", last_exit)?;
            fields.serialize_field("spec", spec)?;
            fields.serialize_field("supervisor", supervisor)?;
            Ok(fields)
        }
    }

    struct Children<'a>(&'a [Snapshot]);

    impl Serialize for Children<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut sequence = serializer.serialize_seq(Some(self.0.len()));
            for child in self.0 {
                let Ok(begun) = &mut sequence else { break };
                if let Err(error) = begun.serialize_element(child) {
                    sequence = Err(error);
                }
            }
            sequence.and_then(SerializeSeq::end)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const DEPTH: usize = 1500;

    /// So many supervisors, one below the other.
    fn chain(depth: usize) -> Snapshot {
        let node = || Snapshot {
            path: "root.supervisor".into(),
            id: None,
            process: None,
            kind: ChildKind::Supervisor,
            state: ChildState::Running,
            ready: true,
            since: Some(Duration::ZERO),
            restarts: 0,
            last_exit: Some(LastExit { how: "panicked: boom".into(), ago: None }),
            spec: None,
            supervisor: Some(SupervisorInfo::new(SnapshotSource::Running, None, &SupervisorSettings::default())),
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
            assert_eq!(value["children"][0]["children"][0]["state"], "Running");
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
