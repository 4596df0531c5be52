//! Checks that every rule of `docs/` has a comment that names it, at the code that keeps it, and a test that names it.
//!
//! So one search leads from a number to the code, and to its test.

#[path = "harness/files.rs"]
mod files;

use std::collections::BTreeSet;

use self::files::{CODE, is_test, read, root, rust_files};

/// Returns the numbers in the first column of a table: `| R12 | ...`. Each is there once.
fn rules_of(page: &str) -> BTreeSet<String> {
    let text = read(&root().join("docs").join(page));
    let first = |line: &str| line.strip_prefix("| ")?.split(" |").next().map(str::to_owned);
    let mut rules = BTreeSet::new();
    for rule in text.lines().filter_map(first).filter(|word| is_rule(word)) {
        assert!(!rules.contains(&rule), "{page} has two rules with the number {rule}");
        rules.insert(rule);
    }
    rules
}

fn is_rule(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| "RPDNABS".contains(c));
    word.len() == digits.len() + 1 && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

/// Returns the words that are numbers of rules.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_rule(word))
}

const TESTS: [&str; 4] = ["tests", "executor-tokio/tests", "executor-smol/tests", "executor-sim/tests"];

/// Returns the numbers that the comments of the code name.
fn named_by_code() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for file in CODE.iter().flat_map(|folder| rust_files(&root().join(folder))).filter(|file| !is_test(file)) {
        let text = read(&file);
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for line in text.lines().filter_map(|line| line.split_once("//")) {
            named.extend(words(line.1).map(str::to_owned));
        }
    }
    named
}

/// Returns the numbers with which the names of tests begin: `fn r12_a_child_that_is_killed_has_failed`.
fn named_by_tests() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for file in CODE.iter().chain(&TESTS).flat_map(|folder| rust_files(&root().join(folder))) {
        let text = read(&file);
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
    let text = read(&root().join("docs/cases.md"));
    let letter = |line: &str| line.strip_prefix("| ")?.split_once(" |").map(|(letter, _)| letter.to_owned());
    let cases: BTreeSet<_> = text.lines().filter_map(letter).filter(|word| word.len() == 1).collect();
    assert_eq!(cases.len(), 23, "{cases:?}");
    let mut tests = String::new();
    for file in CODE.iter().chain(&TESTS).flat_map(|folder| rust_files(&root().join(folder))) {
        tests += &read(&file);
    }
    let untested: Vec<_> = cases.iter().filter(|case| !tests.contains(&format!("case_{case}_"))).collect();
    assert!(untested.is_empty(), "cases that no test names: {untested:?}");
}

#[test]
fn no_comment_names_a_rule_that_there_is_not() {
    let rules: BTreeSet<_> = ["otp.md", "behaviour.md"].into_iter().flat_map(rules_of).collect();
    assert_eq!(missing(&named_by_code(), &rules), Vec::<String>::new(), "numbers that no page explains");
}
