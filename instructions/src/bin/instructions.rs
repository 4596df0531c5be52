//! Measures all rows, and prints them. `scripts/instructions` runs this.
//!
//! - `--strict`: fails if a budget is missed.
//! - `--record`: keeps the results in this package.
//! - `--write FILE`: writes the rows of ours alone to a file, as data, and nothing else.
//! - `--against FILE`: compares with such a file, and fails if a row has grown.

use std::{env, error::Error, fs, path::Path, process::ExitCode};

use supervision_instructions::{
    budgets::verdicts,
    measure::measure,
    results::{TOLERANCE, comparison, page},
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut is_strict, mut is_recorded, mut write, mut against) = (false, false, None, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--strict" => is_strict = true,
            "--record" => is_recorded = true,
            "--write" => write = Some(arguments.next().ok_or("--write: a file")?),
            "--against" => against = Some(arguments.next().ok_or("--against: a file")?),
            other => return Err(format!("no such argument: {other}").into()),
        }
    }
    if let Some(file) = write {
        fs::write(file, serde_json::to_string_pretty(&measure(Some("ours"))?)? + "\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let results = measure(None)?;
    let (budgets, missed) = verdicts(&results);
    println!("{results}\n{budgets}");
    if is_recorded {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("rows.json"), serde_json::to_string_pretty(&results)? + "\n")?;
        fs::write(folder.join("rows.md"), page(&results))?;
    }
    let mut grown = 0;
    if let Some(file) = against {
        let (table, rows) = comparison(&serde_json::from_slice(&fs::read(file)?)?, &results);
        println!("{table}");
        grown = rows;
    }
    if missed > 0 {
        println!("{missed} budgets missed");
    }
    if grown > 0 {
        println!("{grown} rows have grown by more than {:.0} %", TOLERANCE * 100.0);
    }
    Ok(if grown > 0 || (is_strict && missed > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
