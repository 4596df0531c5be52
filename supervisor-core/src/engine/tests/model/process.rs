use std::rc::Rc;

use super::{case::*, node_spec::NodeSpec, *};

/// The latest incarnation of a node.
pub(super) struct Process {
    pub(super) node: Rc<Node>,
    pub(super) parent: usize,
    pub(super) process_key: ProcessKey,
    pub(super) is_asked: bool,
    pub(super) is_aborted: bool,
    pub(super) is_last: bool,
    /// When it ends by itself, and how.
    pub(super) ends: Option<(Instant, How)>,
    /// If it is a supervisor.
    pub(super) engine: Option<Engine<NodeSpec>>,
    pub(super) has_finished: bool,
}

impl Process {
    pub(super) fn new(node: Rc<Node>, parent: usize, process_key: ProcessKey) -> Self {
        Self {
            node,
            parent,
            process_key,
            is_asked: false,
            is_aborted: false,
            is_last: false,
            ends: None,
            engine: None,
            has_finished: false,
        }
    }
}

impl How {
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Normal => Exit::Normal,
            Self::Failed => error(),
            Self::Panicked => Exit::Panicked(Failure::new("ouch")),
            Self::Lost => Exit::Lost,
            Self::Aborted => Exit::Aborted,
        }
    }
}
