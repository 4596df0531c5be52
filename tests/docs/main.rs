//! What a reader of the pages relies on: examples can be copied, and links lead somewhere, wherever a page is read.
//!
//! `cargo test --doc` compiles the examples and `cargo doc` checks the links from item to item. This checks the rest.

mod front_page;
mod items;
mod page;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use items::Items;
use page::{Page, definitions};

const CRATES: [&str; 5] = [".", "supervisor-core", "executor-tokio", "executor-smol", "executor-sim"];
const DOCS_RS: &str = "https://docs.rs/";
/// The pages of our own crates there: `supervision/latest/supervision/struct.Supervisor.html`.
const ITEMS: &str = "https://docs.rs/supervision/latest/supervision/";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files with this extension below a folder, by their path from the root. Without what tools put there.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let relative = path.strip_prefix(root()).expect("below the root").to_str().expect("a path in UTF-8").to_owned();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8");
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&relative, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(relative);
        }
    }
    found.sort();
    found
}

/// The Rust files of the crates that are published.
fn sources() -> impl Iterator<Item = String> {
    CRATES.iter().flat_map(|name| files(&format!("{name}/src").replace("./", ""), "rs"))
}

/// The Markdown files that rustdoc shows as pages, or whose examples it compiles: a `lib.rs`, or a file beside it, names them.
fn shown_by_rustdoc() -> BTreeSet<String> {
    let is_beside_lib = |path: &String| Path::new(path).parent().is_some_and(|folder| folder.ends_with("src"));
    let sources = files(".", "rs").into_iter().filter(is_beside_lib);
    let sources: String = sources.map(|path| read(&path)).collect();
    let is_named = |path: &String| match path.rsplit('/').next().expect("a name") {
        // Each folder has one.
        "README.md" => sources.contains(&format!("\"../{path}\"")),
        name => ["/", "\""].iter().any(|before| sources.contains(&format!("{before}{name}\""))),
    };
    files(".", "md").into_iter().filter(is_named).collect()
}

#[test]
fn examples_import_what_a_user_depends_on() {
    let inner = ["supervisor_core", "executor_tokio", "executor_smol", "executor_sim"];
    let mut examples = 0;
    for page in Page::rustdoc().iter().chain(&Page::markdown()) {
        for block in page.code().iter().filter(|block| block.is_rust()) {
            examples += 1;
            // Its test suite is what who writes a backend depends on the core for.
            let text = block.text().replace("supervisor_core::contract", "");
            let found = inner.iter().find(|name| text.contains(*name));
            assert!(found.is_none(), "{}:{}: a user's crate has no `{}`", page.path, block.at, found.unwrap());
        }
    }
    assert!(examples > 30, "only {examples} examples found");
}

#[test]
fn every_example_in_rust_is_compiled() {
    let compiled = shown_by_rustdoc();
    for page in Page::rustdoc().iter().chain(&Page::markdown()) {
        let is_compiled = page.path.ends_with(".rs") || compiled.contains(&page.path);
        for block in page.code() {
            let place = format!("{}:{}", page.path, block.at);
            assert!(!block.language.contains("ignore"), "{place}: an example that is not compiled");
            if block.is_rust() {
                // On a page that rustdoc does not show, a block without a language is a picture.
                assert!(is_compiled || block.language.is_empty(), "{place}: Rust that is never compiled");
            }
            if !block.is_rust() || !is_compiled {
                let is_statement = |line: &String| {
                    let line = line.trim();
                    let begins = ["use ", "let ", "fn ", "async fn ", "pub ", "impl ", "#["]
                        .iter()
                        .any(|word| line.starts_with(word));
                    begins && (line.ends_with(';') || line.ends_with('{') || line.ends_with(']'))
                        || line.ends_with(");")
                };
                let found = block.lines.iter().find(|line| is_statement(line));
                assert!(found.is_none(), "{place}: this looks like Rust, and is not compiled: {}", found.unwrap());
            }
        }
    }
}

#[test]
fn links_between_files_of_the_repository_lead_somewhere() {
    let mut checked = 0;
    for page in Page::markdown() {
        let folder = Path::new(&page.path).parent().expect("a folder");
        for link in page.links().iter().filter(|link| !link.contains("://") && !link.starts_with("crate::")) {
            let (file, at) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { PathBuf::from(&page.path) } else { folder.join(file) };
            assert!(root().join(&target).exists(), "{}: {link}: there is no such file", page.path);
            if !at.is_empty() {
                let anchors = Page::of(target.to_str().unwrap()).anchors();
                assert!(anchors.contains(at), "{}: {link}: there is no such heading", page.path);
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links found");
}

#[test]
fn pages_shown_in_several_places_have_links_for_all() {
    // On docs.rs and on the registry a relative link leads nowhere, and elsewhere a path of rustdoc does. So links are absolute; or
    // a label has two targets, a file on the page and a path in the source that shows it, before the page: the first one counts.
    let in_source: String = sources().filter(|path| path.starts_with("src/")).map(|path| read(&path)).collect();
    let readmes = CRATES.iter().map(|name| format!("{name}/README.md").replace("./", ""));
    for path in shown_by_rustdoc().into_iter().chain(readmes) {
        let page = Page::of(&path);
        let prose = page.prose();
        let has_both = |link: &str| {
            let mut labels = definitions(&prose).filter(|(_, target)| *target == link).map(|(label, _)| label);
            labels.any(|label| in_source.contains(&format!("\n[{label}]: crate::")))
                && !prose.contains(&format!("]({link})"))
        };
        for link in page.links() {
            let leads_everywhere = link.contains("://") || link.starts_with('#') || has_both(&link);
            assert!(leads_everywhere, "{path}: `{link}` leads nowhere on docs.rs, or on a code host");
        }
    }
}

#[test]
fn links_to_the_repository_name_it_as_the_manifest_does() {
    let manifest = read("Cargo.toml");
    let repository = manifest.lines().find_map(|line| line.strip_prefix("repository = \"")?.strip_suffix('"'));
    let repository = repository.expect("a repository");
    let mut checked = 0;
    for page in Page::markdown().iter().chain(&Page::rustdoc()) {
        for link in page.links() {
            let Some((base, path)) = link.split_once("/blob/HEAD/").or_else(|| link.split_once("/raw/HEAD/")) else {
                assert!(!link.starts_with(repository), "{}: {link}: not a link to a file", page.path);
                continue;
            };
            assert_eq!(base, repository, "{}: {link}", page.path);
            let (file, at) = path.split_once('#').unwrap_or((path, ""));
            assert!(root().join(file).is_file(), "{}: {link}: there is no such file", page.path);
            assert!(at.is_empty() || Page::of(file).anchors().contains(at), "{}: {link}: no such heading", page.path);
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} links found");
}

#[test]
fn links_to_docs_rs_lead_to_items_of_the_facade() {
    let items = Items::read();
    let mut checked = 0;
    for page in Page::markdown().iter().chain(&Page::rustdoc()) {
        for link in page.links() {
            if let Some(path) = link.strip_prefix(ITEMS) {
                assert!(items.has_page(path), "{}: {link}: there is no such page", page.path);
                checked += 1;
            } else if let Some(path) = link.strip_prefix(DOCS_RS) {
                // The front page of a crate, which has no version and no path that could be wrong.
                assert!(!path.trim_end_matches('/').contains('/'), "{}: {link}: link to its front page", page.path);
            }
        }
    }
    assert!(checked > 20, "only {checked} links found");
}

#[test]
fn a_label_without_a_target_is_found() {
    for page in Page::markdown() {
        let prose = page.prose();
        let defined: BTreeSet<_> = definitions(&prose).map(|(label, _)| label).collect();
        let used: BTreeSet<_> =
            prose.split("][").skip(1).filter_map(|rest| rest.split_once(']')).map(|(label, _)| label).collect();
        let missing: Vec<_> = used.difference(&defined).collect();
        assert!(missing.is_empty(), "{}: no target for {missing:?}", page.path);
    }
}
