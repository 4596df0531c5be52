//! Each page of the guide is shown, compiled, and named in the index, and its links lead somewhere.

use std::{collections::BTreeSet, fs, path::Path};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).expect("a readable file")
}

/// The files of the pages. The index is none, and neither is the folder of pictures.
fn pages() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide");
    let names =
        fs::read_dir(folder).expect("a readable folder").map(|entry| entry.expect("a readable entry").file_name());
    let names = names.map(|name| name.into_string().expect("plain names"));
    let pages: BTreeSet<_> = names.filter(|name| name.ends_with(".md") && name != "README.md").collect();
    assert!(pages.len() > 15, "{pages:?}");
    pages
}

/// The pages that are named in a part of a Rust file.
fn named(code: &str) -> BTreeSet<String> {
    code.split('"').filter(|text| text.ends_with(".md") && !text.contains('/')).map(str::to_owned).collect()
}

/// What a text defines its links as: `[watchdog]: watchdog.md`.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let links = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    links.filter(|(_, target)| !target.contains(' '))
}

#[test]
fn each_page_is_shown_and_compiled() {
    let facade = read("src/guide.rs");
    assert_eq!(named(&facade), pages(), "the pages that the facade shows");
    let (_, elsewhere) = facade.rsplit_once("pages_compiled_elsewhere! {").expect("pages that are compiled here");
    assert_eq!(named(elsewhere), named(&read("guide/src/lib.rs")), "the pages that are compiled here");
}

#[test]
fn the_index_names_each_page() {
    let index = read("docs/guide/README.md");
    for page in pages() {
        let label = links(&index).find(|(_, file)| *file == page).map(|(label, _)| label);
        let label = label.unwrap_or_else(|| panic!("the index does not link {page}"));
        assert_eq!(index.matches(&format!("[{label}]")).count(), 3, "{page}: a question, a place in the order, a link");
    }
}

#[test]
fn a_link_leads_to_a_page_and_to_its_module() {
    let (pages, modules) = (pages(), read("src/links.rs"));
    for page in pages.iter().map(String::as_str).chain(["README.md"]) {
        for (label, file) in links(&read(&format!("docs/guide/{page}"))) {
            assert!(pages.contains(file), "{page}: [{label}] leads to {file}");
            let module = file.trim_end_matches(".md").replace('-', "_");
            let link = format!("[{label}]: crate::guide::{module}\n");
            assert!(modules.contains(&link), "{page}: src/links.rs has no {link}");
        }
    }
}
