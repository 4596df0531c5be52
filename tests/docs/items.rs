use std::collections::{BTreeMap, BTreeSet};

use crate::{
    page::{anchor, doc_comment},
    read, sources,
};

/// What the facade exports by its own `use`s, and what the sources declare by that name.
pub(crate) struct Items {
    facade: String,
    modules: String,
    declared: BTreeMap<String, BTreeSet<&'static str>>,
    sources: String,
}

impl Items {
    pub(crate) fn read() -> Self {
        let sources: String = sources().map(|path| read(&path)).collect();
        let mut declared: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for kind in ["struct", "enum", "trait", "fn", "async fn", "type"] {
            for rest in sources.split(&format!("pub {kind} ")).skip(1) {
                let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                declared.entry(name.to_owned()).or_default().insert(kind.trim_start_matches("async "));
            }
        }
        let modules = crate::sources().filter(|path| path.starts_with("src/")).map(|path| read(&path)).collect();
        Self { facade: read("src/lib.rs"), modules, declared, sources }
    }

    fn exports(&self, name: &str) -> bool {
        let mut words = self.facade.lines().filter(|line| doc_comment(line).is_none());
        words.any(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name))
    }

    /// Whether `guide/events/index.html`, or `struct.Run.html#method.exit`, is a page of the facade.
    pub(crate) fn has_page(&self, path: &str) -> bool {
        let (path, at) = path.split_once('#').unwrap_or((path, ""));
        let mut modules: Vec<_> = path.split('/').collect();
        let file = modules.pop().expect("a last part");
        let is_module = |name: &&str| {
            // By a macro that takes names and files, too.
            let forms = [format!("pub mod {name};"), format!("pub mod {name} {{"), format!("{name} \"")];
            self.modules.lines().any(|line| forms.iter().any(|form| line.trim_start().starts_with(form)))
        };
        if !modules.iter().all(is_module) {
            return false;
        }
        let has_anchor = match at.split_once('.') {
            Some(("method" | "tymethod", name)) => {
                ["(", "<"].iter().any(|next| self.sources.contains(&format!("fn {name}{next}")))
            }
            Some(("variant" | "associatedconstant", name)) => self.sources.contains(name),
            _ => at.is_empty() || self.heads(file, at),
        };
        let is_page = match file.strip_suffix(".html").and_then(|file| file.split_once('.')) {
            None => file.is_empty() || file == "index.html",
            Some((kind, name)) => {
                self.exports(name) && self.declared.get(name).is_some_and(|kinds| kinds.contains(kind))
            }
        };
        is_page && has_anchor
    }

    /// Whether the doc comment of the item in this file has a heading with that anchor.
    fn heads(&self, file: &str, at: &str) -> bool {
        let Some((_, name)) = file.trim_end_matches(".html").split_once('.') else { return false };
        let declares = |line: &str| {
            ["fn", "struct", "enum", "trait"].iter().any(|kind| {
                line.strip_prefix(&format!("pub {kind} {name}"))
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            })
        };
        let lines: Vec<_> = self.sources.lines().collect();
        let places = lines.iter().enumerate().filter(|(_, line)| declares(line.trim_start()));
        places
            .flat_map(|(place, _)| {
                lines[..place]
                    .iter()
                    .rev()
                    .take_while(|line| line.trim_start().starts_with("///") || line.trim_start().starts_with('#'))
            })
            .filter_map(|line| doc_comment(line)?.strip_prefix('#'))
            .any(|heading| anchor(heading.trim_start_matches('#')) == at)
    }
}
