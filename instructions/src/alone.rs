//! One row in a process of its own: the binaries `row` and `row_heap`, the latter with a counting allocator.

use std::env;

use crate::rows::{Contestant, Row};

/// Carries out one row, as the arguments say: the executor, the subject, the row, and the number of operations. Prints what it
/// asked of the allocator.
pub fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [executor, subject, row, size] = &arguments[..] else { panic!("an executor, a subject, a row and a size") };
    let contestant = Contestant::all().into_iter().find(|one| one.executor == executor && one.subject == subject);
    let row = Row::ALL.into_iter().find(|one| one.name() == row).expect("a row that is known");
    let heap = contestant.expect("a contestant that is known").run(row, size.parse().expect("a number"));
    println!("{}", serde_json::to_string(&heap).expect("numbers"));
}
