//! Finds the files of the workspace, for tests that read its texts.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The source folders of the published crates.
pub(crate) const CODE: [&str; 5] =
    ["src", "supervisor-core/src", "executor-tokio/src", "executor-smol/src", "executor-sim/src"];

/// Returns the root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all files below a folder, in order, except build products and hidden folders.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !path.is_dir() {
            found.push(path);
        } else if name != "target" && (name == ".ci" || !name.starts_with('.')) {
            found.extend(files(&path));
        }
    }
    found.sort();
    found
}

/// Returns all Rust files below a folder.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Returns whether a file has tests only.
pub(crate) fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs")
}

/// Reads a file of text.
pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
