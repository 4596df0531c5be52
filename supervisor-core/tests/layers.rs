//! The order of the modules in `lib.rs` is the order of the layers: each uses only what stands above it.

use std::{fs, path::Path};

/// Returns the modules in the order in which `lib.rs` declares them.
fn layers(root: &str) -> Vec<String> {
    let declared = |line: &str| {
        let rest = line.strip_prefix("pub ").unwrap_or(line);
        Some(rest.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    root.lines().filter_map(declared).collect()
}

/// Returns every `crate::name` in a file, with the names in braces after a bare `crate::`. Comments and tests do not
/// count.
fn uses(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n");
    let code = code.replace("$crate::", "");
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()),
            Some(list) => {
                let mut depth = 0;
                let mut name = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                        _ if depth == 0 => name.push(c),
                        _ => {}
                    }
                }
                names.push(name);
            }
        }
    }
    let first = |name: String| name.trim().split("::").next().unwrap_or_default().to_owned();
    names.into_iter().map(first).filter(|name| !name.is_empty()).collect()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                found.extend(files(&path));
            }
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn each_module_uses_only_the_ones_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = layers(&fs::read_to_string(source.join("lib.rs")).expect("lib.rs"));
    assert!(order.len() > 10, "{order:?}");
    let mut wrong = Vec::new();
    for file in files(&source) {
        let inside = file.strip_prefix(&source).expect("inside");
        let module = inside.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        let Some(layer) = order.iter().position(|name| *name == module) else { continue };
        let text = fs::read_to_string(&file).expect("a readable file");
        for name in uses(&text) {
            match order.iter().position(|other| *other == name) {
                Some(other) if other <= layer => {}
                _ => wrong.push(format!("{} uses {name}", inside.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of the layers: {wrong:#?}");
}

#[test]
fn the_engine_is_pure() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
    let impure = ["Future", "Waker", "Context<", "Instant::now", "Mutex", "Arc<", "Atomic", "spawner", "async "];
    for file in files(&engine) {
        let text = fs::read_to_string(&file).expect("a readable file");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!impure.iter().any(|word| line.contains(word)), "{}: {line}", file.display());
        }
    }
}
