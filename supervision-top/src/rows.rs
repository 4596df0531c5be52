//! Which processes the list shows, and in which order.

use std::{cmp::Reverse, collections::HashSet};

use crate::model::{Key, Model};

/// The order of the children of a supervisor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The worst first, also if it is far below.
    #[default]
    Trouble,
    Name,
    Start,
    /// The busiest first, with all below it. Those that are not counted come last.
    Busy,
}

impl Sort {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Trouble => Self::Name,
            Self::Name => Self::Start,
            Self::Start => Self::Busy,
            Self::Busy => Self::Trouble,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Name => "name",
            Self::Start => "start order",
            Self::Busy => "busy time",
        }
    }
}

/// What the list is asked to show.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) sort: Sort,
    /// Words, each of which has to be in the name or the words of a process.
    pub(crate) filter: String,
    pub(crate) folded: HashSet<Key>,
    /// The process that is followed: only those above and below it are shown.
    pub(crate) followed: Option<Key>,
}

impl View {
    /// Returns the words of the filter.
    pub(crate) fn words(&self) -> Vec<String> {
        self.filter.split_whitespace().map(str::to_lowercase).collect()
    }
}

/// A process in the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) node: usize,
    pub(crate) depth: usize,
    /// How many processes below it are hidden because it is folded.
    pub(crate) hidden: usize,
}

/// Returns the rows of the list.
pub(crate) fn rows(model: &Model, view: &View) -> Vec<Row> {
    if model.nodes.is_empty() {
        return Vec::new();
    }
    let words = view.words();
    let followed = view.followed.as_ref().and_then(|key| model.find(key));
    let count = model.nodes.len();
    let (mut worst, mut is_shown, mut below) = (vec![0; count], vec![false; count], vec![0; count]);
    // Each stands after the one above it. So those below come first here.
    for (index, node) in model.nodes.iter().enumerate().rev() {
        worst[index] = node.rank.max(worst[index]);
        let is_asked_for = followed.is_none_or(|top| model.is_within(index, top));
        is_shown[index] |= is_asked_for && model.has_words(index, &words);
        if let Some(above) = node.above {
            worst[above] = worst[above].max(worst[index]);
            is_shown[above] |= is_shown[index];
            below[above] += below[index] + 1;
        }
    }
    let (mut rows, mut to_come) = (Vec::new(), Vec::new());
    if is_shown[0] {
        to_come.push((0, 0));
    }
    while let Some((node, depth)) = to_come.pop() {
        // What a filter finds is shown wherever it is.
        let is_folded = words.is_empty() && view.folded.contains(&model.nodes[node].key);
        rows.push(Row { node, depth, hidden: if is_folded { below[node] } else { 0 } });
        if is_folded {
            continue;
        }
        let mut children: Vec<usize> =
            model.nodes[node].children.iter().copied().filter(|child| is_shown[*child]).collect();
        // Stable: otherwise they stay in start order.
        match view.sort {
            Sort::Trouble => children.sort_by_key(|child| Reverse(worst[*child])),
            Sort::Name => children.sort_by(|a, b| model.nodes[*a].name().cmp(model.nodes[*b].name())),
            Sort::Start => {}
            Sort::Busy => children.sort_by_key(|child| Reverse(model.nodes[*child].accounting.map(|sum| sum.busy))),
        }
        to_come.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::tests::{process, shop, snapshot};

    fn names(model: &Model, view: &View) -> Vec<String> {
        rows(model, view)
            .iter()
            .map(|row| format!("{}{}", " ".repeat(row.depth), model.nodes[row.node].name()))
            .collect()
    }

    #[test]
    fn the_worst_come_first_also_from_far_below() {
        assert_eq!(names(&shop(), &View::default()), ["shop", " web", "  a", "  b", " api"]);
    }

    #[test]
    fn other_orders_are_by_name_and_start() {
        let of = |sort| names(&shop(), &View { sort, ..View::default() });
        assert_eq!(of(Sort::Name), ["shop", " api", " web", "  a", "  b"]);
        assert_eq!(of(Sort::Start), ["shop", " api", " web", "  b", "  a"]);
        assert_eq!(Sort::Trouble.next().next().next().next(), Sort::Trouble);
    }

    #[test]
    fn the_busiest_come_first_with_all_below_them() {
        let busy = |path: &str, id, seconds: f64, below: &[Value]| {
            let mut process = process(path, id, "running", below);
            let taken = json!({"polls": 1, "wakes": 1, "busy_seconds": seconds, "slowest_poll_seconds": seconds});
            process["accounting"] = taken;
            process
        };
        let web = busy("shop.web", 2, 0.0, &[busy("shop.web.a", 3, 1.0, &[]), busy("shop.web.b", 4, 2.0, &[])]);
        let all = [process("shop.plain", 5, "running", &[]), busy("shop.api", 6, 2.5, &[]), web];
        let mut model = Model::default();
        model.apply(snapshot(&process("shop", 1, "running", &all)));
        let view = View { sort: Sort::Busy, ..View::default() };
        assert_eq!(names(&model, &view), ["shop", " web", "  b", "  a", " api", " plain"]);
    }

    #[test]
    fn a_filter_keeps_what_has_all_words_and_those_above() {
        let of = |filter: &str| names(&shop(), &View { filter: filter.into(), ..View::default() });
        assert_eq!(of("WEB restart"), ["shop", " web", "  a"]);
        assert_eq!(of("api"), ["shop", " api"]);
        assert!(of("nothing").is_empty());
    }

    #[test]
    fn a_folded_process_hides_and_counts_those_below() {
        let model = shop();
        let folded = HashSet::from([Key::Child(2)]);
        let view = View { folded, ..View::default() };
        assert_eq!(names(&model, &view), ["shop", " web", " api"]);
        assert_eq!(rows(&model, &view)[1].hidden, 2);
        let filtered = View { filter: "web.b".into(), ..view };
        assert_eq!(names(&model, &filtered), ["shop", " web", "  b"]);
    }

    #[test]
    fn a_followed_process_is_shown_with_its_line() {
        let of = |id| names(&shop(), &View { followed: Some(Key::Child(id)), ..View::default() });
        assert_eq!(of(2), ["shop", " web", "  a", "  b"]);
        assert_eq!(of(3), ["shop", " web", "  b"]);
        assert_eq!(of(99).len(), 5, "one that is gone hides nothing");
    }

    #[test]
    fn no_tree_has_no_rows() {
        assert!(rows(&Model::default(), &View::default()).is_empty());
    }
}
