//! Snapshots for terminals.

use std::{fmt, vec};

use super::{
    Snapshot,
    render::{Look, Shown, Words, segment},
    wrap::{Room, wrap},
};

/// Draws the tree for terminals. Each process begins a line, with a glyph for its state.
///
/// ```text
/// ● root  running for 2h 5m, one for one, 1 restart in 5s
/// ├─ ◑ api  running for 2h 5m, not ready, rest for one, 3 restarts in 5s
/// │  ├─ ↻ listener  waiting to restart, attempt 2 in 300ms, restarted once, 1.2s ago it panicked: boom
/// │  └─ ○ warm_up  stopped, 2h 5m ago it ended normally
/// └─ ◐ cache  starting for 3.2s
/// ```
///
/// | glyph | state |
/// |---|---|
/// | `●` | running, and ready with everything below it |
/// | `◑` | a supervisor that is running, but has a process below it that is not ready |
/// | `◐` | starting |
/// | `↻` | waiting to restart |
/// | `◌` | stopping |
/// | `○` | stopped |
/// | `!` | stuck: aborted but has not yielded; or abandoned by its supervisor |
/// | `?` | a supervisor that has not read its messages for a second or more |
///
/// # Width
///
/// Lines are wrapped at 100 columns, or at the columns that the precision gives: `{snapshot:.80}` for a terminal of 80 columns,
/// `{snapshot:.columns$}` for a number that is known at run time. Names and texts get at least 40 columns, so a deep tree may
/// exceed a small limit. A wide character takes two columns.
///
/// # What is left out
///
/// - Children of a dynamic supervisor with more than 10 of them, and of any other supervisor with more than 100. The picture
///   shows at most 10, or 100, that need attention, and counts the others by state.
/// - The end of a text of more than 4 lines.
///
/// The alternate form, `{snapshot:#}`, leaves out neither.
///
/// Of a message of user code the picture shows the first line, up to 1,000 characters, with control characters escaped.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = Style { columns: f.precision().unwrap_or(COLUMNS), is_whole: f.alternate() };
        let mut level = Level::below(self, &style);
        style.process(f, "", "", self, &self.path, level.is_empty())?;
        // A loop, because recursion over a deep tree would overflow the stack.
        let (mut margin, mut levels) = (String::new(), Vec::new());
        loop {
            if let Some(child) = level.each.next() {
                let (branch, trunk) = if level.is_empty() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                let below = Level::below(child, &style);
                f.write_str("\n")?;
                style.process(
                    f,
                    &format!("{margin}{branch}"),
                    &format!("{margin}{trunk}"),
                    child,
                    segment(child),
                    below.is_empty(),
                )?;
                margin.push_str(trunk);
                levels.push(std::mem::replace(&mut level, below));
                continue;
            }
            if let Some(others) = level.others.take() {
                f.write_str("\n")?;
                style.text(f, &format!("{margin}└─ "), &format!("{margin}     "), &others)?;
            }
            let Some(above) = levels.pop() else { return Ok(()) };
            level = above;
            margin.truncate(margin.char_indices().nth_back(2).map_or(0, |(at, _)| at));
        }
    }
}

const COLUMNS: usize = 100;

/// The least width of a name and its text, wherever they begin.
const LEAST: usize = 40;

const LINES: usize = 4;

struct Style {
    columns: usize,
    is_whole: bool,
}

impl Style {
    fn process(
        &self,
        f: &mut fmt::Formatter<'_>,
        branch: &str,
        trunk: &str,
        node: &Snapshot,
        name: &str,
        is_leaf: bool,
    ) -> fmt::Result {
        let stem = if is_leaf { "    " } else { "│   " };
        let glyph = Look::of(node).glyph();
        self.text(f, &format!("{branch}{glyph} "), &format!("{trunk}{stem}"), &format!("{name}  {}", Words(node)))
    }

    /// Writes a text: its first line after one margin, and its other lines after the other margin.
    fn text(&self, f: &mut fmt::Formatter<'_>, first: &str, others: &str, text: &str) -> fmt::Result {
        let beside = |margin: &str| self.columns.saturating_sub(margin.chars().count()).max(LEAST);
        let lines = if self.is_whole { usize::MAX } else { LINES };
        let lines = wrap(text, Room { first: beside(first), others: beside(others), lines });
        let mut margin = first;
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{margin}{line}")?;
            margin = others;
        }
        Ok(())
    }
}

/// The children of one process that are not drawn yet.
struct Level<'a> {
    each: vec::IntoIter<&'a Snapshot>,
    others: Option<String>,
}

impl<'a> Level<'a> {
    fn below(node: &'a Snapshot, style: &Style) -> Self {
        let Shown { each, others } = if style.is_whole { Shown::all(node) } else { Shown::of(node) };
        Self { each: each.into_iter(), others }
    }

    fn is_empty(&self) -> bool {
        self.each.as_slice().is_empty() && self.others.is_none()
    }
}
