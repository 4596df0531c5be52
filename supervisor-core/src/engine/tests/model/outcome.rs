//! How a supervisor has ended, for its trace and for the supervisor above it.

use std::sync::Arc;

use super::{node_spec::NodeSpec, trace::*, *};
use crate::{
    error::{GaveUp, UncleanProcess, UncleanStop},
    incarnation::{StopReason, Termination},
};

pub(super) fn conclude(who: usize, engine: &mut Engine<NodeSpec>) -> (What, Exit) {
    let outcome = engine.poll_outcome();
    let mut named = Vec::new();
    for (child, unclean) in outcome.unclean {
        match unclean {
            UncleanKind::Aborted => named.push((child.node.number, Bad::Aborted)),
            UncleanKind::Failed(_) => named.push((child.node.number, Bad::Failed)),
            UncleanKind::Below(unclean) => named.extend(unclean.iter().map(bad)),
            UncleanKind::Killed => panic!("no call kills {}", child.node.number),
            UncleanKind::Abandoned => panic!("{} yields when aborted", child.node.number),
        }
    }
    named.sort_unstable();
    let name = |spec: NodeSpec| spec.node.number.to_string();
    let (why, reason) = match outcome.cause {
        _ if outcome.killed => (Why::Killed, StopReason::Killed),
        Cause::Requested => (Why::Requested, StopReason::Requested),
        Cause::GaveUp => {
            let history = GaveUp::new(who.to_string(), 0, SECOND, Vec::new());
            (Why::GaveUp, StopReason::GaveUp(history))
        }
        Cause::AutoShutdown { child, exit } => {
            let why = Why::AutoShutdown(child.node.number);
            (why, StopReason::AutoShutdown { path: who.to_string(), child: name(child), exit })
        }
        Cause::FailedToStart { child, failure: cause } => {
            let why = Why::FailedToStart(child.node.number);
            (why, StopReason::FailedToStart { path: name(child), cause })
        }
    };
    let ended = What::Ended(why, named.clone());
    let unclean = named.into_iter().map(|(number, bad)| {
        let stop = match bad {
            Bad::Aborted => UncleanStop::Aborted,
            Bad::Failed => UncleanStop::Failed(Exit::Failed(Failure::new("boom"))),
        };
        UncleanProcess::new(number.to_string(), stop)
    });
    (ended, Exit::Shutdown(Arc::new(Termination { reason, unclean: unclean.collect() })))
}

fn bad(unclean: &UncleanProcess) -> (usize, Bad) {
    let number = unclean.path.parse().expect("a number");
    (number, if matches!(unclean.stop, UncleanStop::Aborted) { Bad::Aborted } else { Bad::Failed })
}
