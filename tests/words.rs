//! Checks the language of the workspace: plain words, and doc comments whose first line says what the item does or is.
//!
//! English is a second language for most readers. Subject, verb, object; the same term for the same thing.

#[path = "harness/files.rs"]
mod files;

use std::path::Path;

use self::files::{CODE, files, is_test, read, root, rust_files};

/// Words that are not used, each with what to write instead.
///
/// A match ignores case, line breaks and comment markers, and looks at whole words: identifiers such as `let_go` are fine.
const RETIRED: &[(&str, &str)] = &[
    ("nobody", "name what does not do it: no process, no caller, no thread; or turn the sentence around"),
    ("somebody", "name who does it: a caller, a subscriber, the program"),
    ("anybody", "name who does it: any caller, any process"),
    ("everybody", "name them: all tasks, all children, every reader"),
    ("whoever", "name who does it: the caller that .., the process that .."),
    ("whomever", "name them: the process that .."),
    ("how manieth", "the number of .., counted from .."),
    ("mended", "fixed"),
    ("at last `", "last failure: `"),
    ("at last:", "last failure:"),
    ("belongs into", "belongs in"),
    ("belong into", "belong in"),
    ("hangs on", "depends on, or waits for"),
    ("to be said", "say what it is, or who calls it, and when"),
    ("sign of life", "heartbeat"),
    ("signs of life", "heartbeats"),
    ("lets go", "yields, releases, drops, or ends"),
    ("let go", "yield, release, drop, or end"),
    ("letting go", "yielding, releasing, dropping, or ending"),
    ("as asked", "on request"),
    ("a panic without a text", "panic with a non-string payload"),
    ("cannot hear signals", "cannot install signal handlers"),
    ("waits to be restarted", "waiting to restart"),
    ("wait to be restarted", "waiting to restart"),
    ("of one's own", "custom, or of your own"),
];

/// Files whose texts do not count: the history, which quotes what there was, and this list.
const EXEMPT: &[&str] = &["CHANGELOG.md", "tests/words.rs"];

/// Returns the path of a file inside the workspace, with slashes.
fn name_of(file: &Path) -> String {
    let path = file.strip_prefix(root()).expect("a file of the workspace");
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn is_exempt(name: &str) -> bool {
    EXEMPT.contains(&name)
}

/// Stands for a character of code in a text. No phrase matches across it.
const CODE_MARK: char = '\u{1}';

/// Returns a Rust file with only its comments and its string literals. All other characters are [`CODE_MARK`], line breaks and
/// spaces stay. So offsets of lines are those of the file.
fn text_of_rust(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or_default();
    let starts = |index: usize, text: &str| text.chars().enumerate().all(|(offset, c)| at(index + offset) == c);
    let mut text = String::with_capacity(source.len());
    let mut index = 0;
    while index < chars.len() {
        let c = chars[index];
        if starts(index, "//") {
            while index < chars.len() && chars[index] != '\n' {
                text.push(if "/!".contains(chars[index]) { ' ' } else { chars[index] });
                index += 1;
            }
        } else if starts(index, "/*") {
            while index < chars.len() && !starts(index, "*/") {
                text.push(chars[index]);
                index += 1;
            }
        } else if c == '"' || (c == 'r' && !is_part_of_word(at(index.wrapping_sub(1))) && is_raw(&chars[index + 1..])) {
            let hashes = chars[index..].iter().skip(1).take_while(|c| **c == '#').count() * usize::from(c == 'r');
            let (skipped, end) = match c {
                'r' => (hashes + 2, format!("\"{}", "#".repeat(hashes))),
                _ => (1, "\"".to_owned()),
            };
            text.extend(std::iter::repeat_n(CODE_MARK, skipped));
            index += skipped;
            while index < chars.len() && !starts(index, &end) {
                // What follows the backslash is no letter of the text; but a line break has to stay.
                if c == '"' && chars[index] == '\\' {
                    text.push(' ');
                    text.push(if at(index + 1) == '\n' { '\n' } else { ' ' });
                    index += 2;
                } else {
                    text.push(chars[index]);
                    index += 1;
                }
            }
            text.extend(std::iter::repeat_n(CODE_MARK, end.len()));
            index += end.len();
        } else if c == '\'' && (at(index + 1) == '\\' || at(index + 2) == '\'') {
            // A character, and no lifetime.
            let inside = index + if at(index + 1) == '\\' { 3 } else { 2 };
            let end = inside + chars[inside..].iter().take_while(|c| **c != '\'').count();
            text.extend(std::iter::repeat_n(CODE_MARK, end + 1 - index));
            index = end + 1;
        } else {
            text.push(if c.is_whitespace() { c } else { CODE_MARK });
            index += 1;
        }
    }
    text
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns whether a raw string begins here, after its `r`.
fn is_raw(rest: &[char]) -> bool {
    rest.iter().find(|c| **c != '#') == Some(&'"')
}

/// Splits a text into words and single marks, each in lower case and with the number of its line.
fn tokens(text: &str) -> Vec<(String, usize)> {
    let mut tokens = Vec::<(String, usize)>::new();
    let (mut line, mut is_in_word) = (1, false);
    for c in text.chars() {
        let continues = is_in_word && is_part_of_word(c);
        match tokens.last_mut() {
            Some((token, _)) if continues => token.extend(c.to_lowercase()),
            _ if c.is_whitespace() => {}
            _ => tokens.push((c.to_lowercase().collect(), line)),
        }
        is_in_word = is_part_of_word(c);
        line += usize::from(c == '\n');
    }
    tokens
}

/// Returns the retired words of a text: each with its line, and with what to write instead.
fn retired(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let (tokens, mut found) = (tokens(text), Vec::new());
    for (phrase, instead) in RETIRED {
        let words: Vec<_> = self::tokens(phrase).into_iter().map(|(word, _)| word).collect();
        for (index, (_, line)) in tokens.iter().enumerate().filter(|(_, (token, _))| *token == words[0]) {
            if tokens[index..].iter().map(|(token, _)| token).take(words.len()).eq(&words) {
                found.push((*line, *phrase, *instead));
            }
        }
    }
    found
}

#[test]
fn no_text_has_a_retired_word() {
    let (mut read_files, mut faults) = (0, Vec::new());
    for file in files(root()) {
        let name = name_of(&file);
        let extension = file.extension().and_then(|extension| extension.to_str());
        let is_script = name.starts_with("scripts/") || name.starts_with(".ci/");
        if is_exempt(&name) || !(is_script || matches!(extension, Some("rs" | "md" | "toml"))) {
            continue;
        }
        read_files += 1;
        let source = read(&file);
        let text = if extension == Some("rs") { text_of_rust(&source) } else { source };
        let found = retired(&text);
        faults.extend(found.iter().map(|(line, word, instead)| format!("{name}:{line}: {word:?}; write: {instead}")));
    }
    assert!(read_files > 250, "{read_files} files: the walk has missed some");
    assert!(faults.is_empty(), "retired words in {read_files} files:\n{}", faults.join("\n"));
}

#[test]
fn retired_words_are_found_in_comments_and_literals_only() {
    let source = r##"
fn let_go(nobody: &'static str) -> char {
    // Does not let
    // go. It's 'fine'.
    let _ = ("nobody's", '"', nobody);
    let _ = r#"a "sign of
        life""#;
    let _ = "one\ntwo \"; at last `x`"; /* Whoever */
    let_go(nobody)
}
"##;
    let mut found: Vec<_> = retired(&text_of_rust(source)).into_iter().map(|(line, word, _)| (line, word)).collect();
    found.sort();
    assert_eq!(found, [(3, "let go"), (5, "nobody"), (6, "sign of life"), (8, "at last `"), (8, "whoever")]);
}

/// An item with a doc comment.
struct Item {
    place: String,
    name: String,
    first_line: String,
    is_function: bool,
}

impl Item {
    fn first_word(&self) -> &str {
        self.first_line.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default()
    }
}

/// Returns the public functions and types of the published crates that have a doc comment of their own, with its first line.
/// Methods of public traits are public, too.
fn public_items() -> Vec<Item> {
    let mut items = Vec::new();
    for file in CODE.iter().flat_map(|folder| rust_files(&root().join(folder))).filter(|file| !is_test(file)) {
        let name = name_of(&file);
        if !is_exempt(&name) {
            items.extend(items_of(&name, &read(&file)));
        }
    }
    items
}

fn items_of(file: &str, source: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let (mut doc, mut open_brackets, mut is_in_trait) = (None, 0, false);
    for (index, line) in source.lines().enumerate() {
        let code = line.trim();
        if let Some(text) = code.strip_prefix("///") {
            doc.get_or_insert_with(|| text.trim().to_owned());
            continue;
        }
        // An attribute is between a doc comment and its item, on one line or on several.
        if open_brackets > 0 || code.starts_with("#[") {
            open_brackets = (open_brackets + code.matches('[').count()).saturating_sub(code.matches(']').count());
            continue;
        }
        let declaration = match code.strip_prefix("pub ") {
            Some(public) => public,
            None if is_in_trait => code,
            None => "",
        };
        let mut words = declaration.split([' ', '<', '(', ':', '{', ';']);
        let kind = words.find(|word| !matches!(*word, "const" | "async" | "unsafe")).unwrap_or_default();
        is_in_trait = if line.starts_with("pub trait") { true } else { is_in_trait && line != "}" };
        if let (Some(first_line), "fn" | "struct" | "enum" | "trait") = (doc.take(), kind) {
            let name = words.next().unwrap_or_default().to_owned();
            let place = format!("{file}:{}", index + 1);
            items.push(Item { place, name, first_line, is_function: kind == "fn" });
        }
    }
    items
}

/// Words that end like a verb of the third person, and are none.
const NO_VERBS: &[&str] = &["As", "Always", "Children", "Events", "Has", "Is", "Its", "This", "Was", "Yes"];

/// Public functions whose doc comment does not begin with a verb, each with the reason.
const WITHOUT_VERB: &[(&str, &str)] = &[];

fn is_verb(word: &str) -> bool {
    word.ends_with('s') && !word.ends_with("ss") && !NO_VERBS.contains(&word)
}

#[test]
fn docs_of_functions_begin_with_a_verb() {
    let functions: Vec<_> = public_items().into_iter().filter(|item| item.is_function).collect();
    assert!(functions.len() > 150, "{} functions: the scan has missed some", functions.len());
    let is_excepted = |item: &Item| WITHOUT_VERB.iter().any(|(name, _)| *name == item.name);
    let (with, without): (Vec<_>, Vec<_>) = functions.iter().partition(|item| is_verb(item.first_word()));
    println!("{} of {} public functions begin with a verb", with.len(), functions.len());
    let faults: Vec<_> = without.iter().filter(|item| !is_excepted(item)).map(|item| described(item)).collect();
    assert!(faults.is_empty(), "begin with a verb (`Returns`, `Starts`, `Waits until`):\n{}", faults.join("\n"));
    let unused: Vec<_> =
        WITHOUT_VERB.iter().filter(|(name, _)| without.iter().all(|item| item.name != *name)).collect();
    assert!(unused.is_empty(), "exceptions that are not needed: {unused:?}");
}

/// Words with which the doc comment of a type does not begin: these begin a sentence or a clause, and no noun phrase.
const NO_NOUN_PHRASE: &[&str] =
    &["How", "In", "It", "Its", "Of", "On", "That", "This", "What", "When", "Where", "Whether", "Which", "Who", "Why"];

/// Nouns in the plural with which the doc comment of a type may begin, though they end like a verb.
const PLURALS: &[&str] = &["Settings", "Numbers"];

#[test]
fn docs_of_types_begin_with_a_noun_phrase() {
    let types: Vec<_> = public_items().into_iter().filter(|item| !item.is_function).collect();
    assert!(types.len() > 40, "{} types: the scan has missed some", types.len());
    let is_fault = |item: &&Item| {
        let word = item.first_word();
        NO_NOUN_PHRASE.contains(&word) || (is_verb(word) && !PLURALS.contains(&word))
    };
    let faults: Vec<_> = types.iter().filter(is_fault).map(described).collect();
    assert!(
        faults.is_empty(),
        "begin with a noun phrase (`A handle on ..`, `The outcome of ..`):\n{}",
        faults.join("\n")
    );
}

fn described(item: &Item) -> String {
    format!("{}: {}: {}", item.place, item.name, item.first_line)
}

#[test]
fn the_scan_reads_the_first_line_of_each_public_item() {
    let source = "\
/// Adds one.
///
/// More.
#[must_use = \"a [value]\"]
#[cfg_attr(
    feature = \"x\",
)]
pub const fn add() {}

/// Private.
fn private() {}

/// A thing.
pub trait Thing {
    /// Returns it.
    async fn get(&self);
}

/// No item.
impl Thing for () {
    fn get(&self) {}
}
pub fn without_docs() {}
/// How it is.
pub(crate) struct Hidden;
/// A pair.
pub struct Pair<T>(T);
";
    let found: Vec<_> = items_of("x.rs", source).iter().map(described).collect();
    let expected =
        ["x.rs:8: add: Adds one.", "x.rs:14: Thing: A thing.", "x.rs:16: get: Returns it.", "x.rs:27: Pair: A pair."];
    assert_eq!(found, expected);
}
