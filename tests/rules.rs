//! Every rule of `docs/` has its place: a comment that names it at the code that keeps it, and a test that names it.
//!
//! So a reader goes from a number to the code, and to what checks it, by one search.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The numbers that stand in the first column of a table: `| R12 | ...`. Each stands there once.
fn rules_of(page: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs").join(page)).expect("a page of rules");
    let first = |line: &str| line.strip_prefix("| ")?.split(" |").next().map(str::to_owned);
    let mut rules = BTreeSet::new();
    for rule in text.lines().filter_map(first).filter(|word| is_rule(word)) {
        assert!(!rules.contains(&rule), "{page} has two rules with the number {rule}");
        rules.insert(rule);
    }
    rules
}

fn is_rule(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| "RPDNAB".contains(c));
    word.len() == digits.len() + 1 && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

/// All Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs")
}

/// The words of the comments, and of all.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_rule(word))
}

const CODE: [&str; 5] = ["src", "supervisor-core/src", "executor-tokio/src", "executor-smol/src", "executor-sim/src"];
const TESTS: [&str; 4] = ["tests", "executor-tokio/tests", "executor-smol/tests", "executor-sim/tests"];

/// What the comments of the code name.
fn named_by_code() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for file in CODE.iter().flat_map(|folder| files(&root().join(folder))).filter(|file| !is_test(file)) {
        let text = fs::read_to_string(&file).expect("a readable file");
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for line in text.lines().filter_map(|line| line.split_once("//")) {
            named.extend(words(line.1).map(str::to_owned));
        }
    }
    named
}

/// What the names of tests begin with: `fn r12_a_child_that_is_killed_has_failed`.
fn named_by_tests() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for file in CODE.iter().chain(&TESTS).flat_map(|folder| files(&root().join(folder))) {
        let text = fs::read_to_string(&file).expect("a readable file");
        for name in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let numbers = name.split('_').map(str::to_uppercase).take_while(|word| is_rule(word));
            if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                named.extend(numbers);
            }
        }
    }
    named
}

fn missing(rules: &BTreeSet<String>, named: &BTreeSet<String>) -> Vec<String> {
    rules.difference(named).cloned().collect()
}

#[test]
fn every_rule_is_named_at_the_code_that_keeps_it() {
    let named = named_by_code();
    for page in ["otp.md", "behaviour.md"] {
        let rules = rules_of(page);
        assert!(rules.len() > 20, "{page}: {rules:?}");
        assert_eq!(missing(&rules, &named), Vec::<String>::new(), "rules of {page} that no comment names");
    }
}

#[test]
fn every_rule_is_named_by_a_test() {
    let named = named_by_tests();
    for page in ["otp.md", "behaviour.md"] {
        assert_eq!(missing(&rules_of(page), &named), Vec::<String>::new(), "rules of {page} that no test names");
    }
}

/// The letters of `docs/cases.md`.
#[test]
fn every_case_is_named_by_a_test() {
    let text = fs::read_to_string(root().join("docs/cases.md")).expect("the page of cases");
    let letter = |line: &str| line.strip_prefix("| ")?.split_once(" |").map(|(letter, _)| letter.to_owned());
    let cases: BTreeSet<_> = text.lines().filter_map(letter).filter(|word| word.len() == 1).collect();
    assert_eq!(cases.len(), 23, "{cases:?}");
    let mut tests = String::new();
    for file in CODE.iter().chain(&TESTS).flat_map(|folder| files(&root().join(folder))) {
        tests += &fs::read_to_string(&file).expect("a readable file");
    }
    let untested: Vec<_> = cases.iter().filter(|case| !tests.contains(&format!("case_{case}_"))).collect();
    assert!(untested.is_empty(), "cases that no test names: {untested:?}");
}

#[test]
fn no_comment_names_a_rule_that_there_is_not() {
    let rules: BTreeSet<_> = ["otp.md", "behaviour.md"].into_iter().flat_map(rules_of).collect();
    assert_eq!(missing(&named_by_code(), &rules), Vec::<String>::new(), "numbers that no page explains");
}
