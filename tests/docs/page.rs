use std::collections::BTreeSet;

use crate::{files, read, sources};

/// The text of a page: a Markdown file, or the doc comments of a Rust file, each line with its number there.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) lines: Vec<(usize, String)>,
}

impl Page {
    pub(crate) fn of(path: &str) -> Self {
        let text = read(path);
        let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        let lines = if path.ends_with(".rs") {
            numbered.filter_map(|(at, line)| Some((at, doc_comment(line)?.to_owned()))).collect()
        } else {
            numbered.map(|(at, line)| (at, line.to_owned())).collect()
        };
        Self { path: path.to_owned(), lines }
    }

    pub(crate) fn markdown() -> Vec<Self> {
        files(".", "md").iter().map(|path| Self::of(path)).collect()
    }

    /// The doc comments of the crates that are published.
    pub(crate) fn rustdoc() -> Vec<Self> {
        sources().map(|path| Self::of(&path)).collect()
    }

    /// The blocks of code: where each begins, what it says about itself, and its lines.
    pub(crate) fn code(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (at, line) in &self.lines {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    open = Some(Block { at: *at, language: language.trim().to_owned(), lines: Vec::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.lines.push(line.clone()),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{} has a block without an end", self.path);
        blocks
    }

    /// The text, one paragraph or heading a line, without the blocks of code and without code in backticks.
    pub(crate) fn prose(&self) -> String {
        let mut in_code = false;
        let mut prose = String::new();
        for (_, line) in &self.lines {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            } else if !in_code {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }

    /// Where the links of the page lead: `[text](target)`, `[label]: target`.
    pub(crate) fn links(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        inline.chain(definitions(&prose).map(|(_, target)| target)).map(str::to_owned).collect()
    }

    /// The anchors of its headings.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        prose.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
    }
}

pub(crate) struct Block {
    pub(crate) at: usize,
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

impl Block {
    /// Whether rustdoc takes it for Rust, where it looks at it.
    pub(crate) fn is_rust(&self) -> bool {
        let not = ["text", "sh", "toml", "json", "console", "dot", "erlang", "python", "yaml"];
        !self.language.split(',').any(|word| not.contains(&word))
    }

    pub(crate) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

pub(crate) fn doc_comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))?;
    Some(text.strip_prefix(' ').unwrap_or(text))
}

/// `[label]: target`, each on a line of its own.
pub(crate) fn definitions(prose: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = prose.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    // `[text][label]: more text` is none.
    pairs.filter(|(label, target)| !label.contains(']') && !target.contains(' '))
}

/// As code hosts and rustdoc make it: lower case, words joined by `-`, no punctuation.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}
