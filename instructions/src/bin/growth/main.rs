//! Whether what an operation costs depends on how much there is already. `scripts/instructions --growth` runs this.
//!
//! - `--strict`: fails if a row grows by more than it may.
//! - `--record`: keeps the results in this package.
//! - `row NAME SIZE`: carries out one row, in this process. Callgrind counts its instructions.
//!
//! A binary of its own: in the library it would change what the compiler inlines there, and with it the rows that are compared
//! from commit to commit.
#![forbid(unsafe_code)]

mod measure;
mod page;
mod rows;
mod tree;

use std::{env, error::Error, fs, path::Path, process};

use self::{measure::measure, page::Page, rows::ROWS};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [command, name, size] = &arguments[..] {
        let row = ROWS.iter().find(|row| row.name == name).filter(|_| command == "row").ok_or("a row, and its size")?;
        let done = (row.carry_out)(size.parse()?);
        println!("{}", serde_json::to_string(&done)?);
        // The end of a million tasks is not measured, and would take as long as what is.
        process::exit(0);
    }
    let (mut is_strict, mut is_recorded) = (false, false);
    for argument in &arguments {
        match argument.as_str() {
            "--strict" => is_strict = true,
            "--record" => is_recorded = true,
            other => return Err(format!("no such argument: {other}").into()),
        }
    }
    let page = measure()?;
    println!("{page}");
    if is_recorded {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::write(folder.join("growth.json"), serde_json::to_string_pretty(&page)? + "\n")?;
        fs::write(folder.join("growth.md"), page.to_string())?;
    }
    let grown = page.grown();
    if grown > 0 {
        println!("{grown} rows grow by more than {}x", Page::LIMIT);
    }
    process::exit(i32::from(is_strict && grown > 0));
}
