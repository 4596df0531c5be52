//! A snapshot of bounded size. A supervisor with many children keeps those that are in trouble, and has a summary of all.

use std::{cmp::Reverse, collections::BTreeMap};

use supervisor_core::{Accounting, ChildId, ChildState, Snapshot};

/// How many children of a supervisor are listed: the first number with which the tree is small enough.
const LISTED: [usize; 4] = [100, 20, 5, 1];

/// How many processes an overview has, unless the tree is very deep.
const PROCESSES: usize = 4_000;

/// The numbers of a supervisor's own children, of which the snapshot lists only a part.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Summary {
    path: String,
    child_id: Option<ChildId>,
    children: usize,
    starting: usize,
    running: usize,
    restarting: usize,
    stopping: usize,
    stopped: usize,
    stuck: usize,
    restarts: u64,
    /// What the polls of all children have taken, with everything below them. `None` if none is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    accounting: Option<Accounting>,
}

/// Summaries by the supervisor. One without an id is the root.
type Summaries = BTreeMap<Option<ChildId>, Summary>;

/// Leaves out children until the tree has a bounded size, and returns the summaries of their supervisors.
pub(super) fn reduce(tree: &mut Snapshot) -> Vec<Summary> {
    let mut summaries = Summaries::new();
    for listed in LISTED {
        prune(tree, listed, &mut summaries);
        if tree.iter().count() <= PROCESSES {
            break;
        }
    }
    // Those of supervisors that are left out themselves go with them.
    tree.iter().filter_map(|node| summaries.remove(&node.id)).collect()
}

/// Leaves out all but so many children of each supervisor: the worst ones stay. Returns how much trouble this process has, or the
/// worst one below it, and what the polls of all of them have taken.
fn prune(node: &mut Snapshot, listed: usize, summaries: &mut Summaries) -> (u8, Option<Accounting>) {
    // This is recursive, so all that takes much of the stack is done elsewhere.
    let (mut ranks, mut sum) = (Vec::with_capacity(node.children.len()), None);
    for child in &mut node.children {
        let (rank, of_child) = prune(child, listed, summaries);
        ranks.push(rank);
        add(&mut sum, of_child);
    }
    leave_out(node, listed, &ranks, &mut sum, summaries);
    add(&mut sum, node.accounting);
    (ranks.into_iter().max().unwrap_or_default().max(node.trouble()), sum)
}

fn add(sum: &mut Option<Accounting>, more: Option<Accounting>) {
    *sum = sum.take().into_iter().chain(more).reduce(Accounting::plus);
}

/// Leaves out all but so many children of this supervisor. `sum` is what the polls below it have taken.
fn leave_out(
    node: &mut Snapshot,
    listed: usize,
    ranks: &[u8],
    sum: &mut Option<Accounting>,
    summaries: &mut Summaries,
) {
    // One that was pruned before does not have all of its children any more.
    if let Some(known) = summaries.get(&node.id) {
        *sum = known.accounting;
    }
    if ranks.len() <= listed {
        return;
    }
    summaries.entry(node.id).or_insert_with(|| Summary { accounting: *sum, ..summary(node) });
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    // Stable: of those with the same trouble the first ones.
    order.sort_by_key(|index| Reverse(ranks[*index]));
    let mut is_kept = vec![false; ranks.len()];
    for index in order.into_iter().take(listed) {
        is_kept[index] = true;
    }
    let mut kept = is_kept.into_iter();
    node.children.retain(|_| kept.next().unwrap_or_default());
}

fn summary(node: &Snapshot) -> Summary {
    let mut summary =
        Summary { path: node.path.clone(), child_id: node.id, children: node.children.len(), ..Summary::default() };
    for child in &node.children {
        *match child.state {
            ChildState::Starting => &mut summary.starting,
            ChildState::Running => &mut summary.running,
            ChildState::Restarting => &mut summary.restarting,
            ChildState::Stopping => &mut summary.stopping,
            ChildState::Stopped => &mut summary.stopped,
        } += 1;
        summary.stuck += usize::from(child.stuck || child.abandoned);
        summary.restarts += u64::from(child.restarts);
    }
    summary
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_lite::future::block_on;
    use serde_json::json;
    use supervisor_core::Supervisor;

    use super::*;

    /// A tree of supervisors with so many children each, which are stopped.
    fn tree(shape: &[usize]) -> Snapshot {
        let bare = || block_on(Supervisor::new("root").expect("a name").handle().snapshot());
        shape.iter().rev().fold(bare(), |below, children| {
            let mut above = bare();
            match children {
                // Not cloned: a deep one would take long.
                1 => above.children.push(below),
                _ => above.children = vec![below; *children],
            }
            above
        })
    }

    #[test]
    fn a_small_tree_stays_as_it_is() {
        let mut small = tree(&[20, 100]);
        assert!(reduce(&mut small).is_empty());
        assert_eq!(small.iter().count(), 1 + 20 + 2_000);
    }

    #[test]
    fn of_a_crowd_those_in_trouble_are_listed() {
        let mut crowd = tree(&[10_000]);
        for index in [7, 5_000, 9_999] {
            crowd.children[index].state = ChildState::Restarting;
            crowd.children[index].path = format!("root.{index}");
        }
        crowd.children[8_000].stuck = true;
        crowd.children[8_000].path = "root.8000".into();
        let summaries = reduce(&mut crowd);
        assert_eq!(crowd.children.len(), 100);
        let troubled: Vec<&str> =
            crowd.children.iter().map(|child| &*child.path).filter(|path| *path != "root").collect();
        assert_eq!(troubled, ["root.7", "root.5000", "root.8000", "root.9999"], "in start order");
        let [summary] = &summaries[..] else { panic!("{summaries:?}") };
        assert_eq!((summary.children, summary.restarting, summary.stopped, summary.stuck), (10_000, 3, 9_997, 1));
    }

    #[test]
    fn a_summary_has_the_polls_of_those_that_are_left_out() {
        // Counted by serde, because only the core makes numbers.
        let busy: Accounting =
            serde_json::from_str(r#"{"polls": 2, "wakes": 1, "busy_seconds": 0.5, "slowest_poll_seconds": 0.25}"#)
                .expect("numbers");
        let mut wide = tree(&[300, 20]);
        for node in wide.children.iter_mut().flat_map(|child| &mut child.children) {
            node.id = None;
            node.accounting = Some(busy);
        }
        let summaries = reduce(&mut wide);
        let root = summaries.iter().find(|summary| summary.children == 300).expect("it is a crowd");
        let sum = root.accounting.expect("they are counted");
        assert_eq!(
            (sum.polls, sum.busy, sum.slowest_poll),
            (12_000, Duration::from_secs(3_000), Duration::from_millis(250))
        );
    }

    #[test]
    fn of_a_crowd_a_child_that_failed_and_stays_down_is_listed() {
        let mut crowd = tree(&[10_000]);
        let failed = json!({"ago_seconds": 3_600, "phase": "run", "kind": "failed", "message": "no peer", "chain": [], "location": null});
        crowd.children[9_000].last_exit = Some(serde_json::from_value(failed).expect("an exit"));
        crowd.children[9_000].path = "root.9000".into();
        reduce(&mut crowd);
        assert!(crowd.find("root.9000").is_some());
    }

    #[test]
    fn trouble_deep_below_keeps_those_above_it() {
        let mut wide = tree(&[300, 20]);
        wide.children[299].children[19].stuck = true;
        reduce(&mut wide);
        assert!(wide.iter().count() <= PROCESSES, "{}", wide.iter().count());
        assert!(wide.iter().any(|node| node.stuck));
        // Far too many supervisors.
        let mut huge = tree(&[50, 50, 10]);
        huge.children[49].children[49].children[9].stuck = true;
        reduce(&mut huge);
        assert!(huge.iter().count() <= PROCESSES, "{}", huge.iter().count());
        assert!(huge.iter().any(|node| node.stuck));
    }

    #[test]
    fn a_deep_tree_needs_no_deep_stack() {
        let mut deep = tree(&[1; 1_000]);
        assert!(reduce(&mut deep).is_empty());
        assert_eq!(deep.iter().count(), 1_001);
    }
}
