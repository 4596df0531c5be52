//! Carries out the rows, each in processes of its own.

use std::{env, io, process::Command};

use supervision_instructions::{
    measure::{callgrind, collected, machine, on_each_core, run},
    meter::COUNTED,
};

use crate::{
    page::{Line, Page, Pair},
    rows::{Done, ROWS, Row},
};

/// The runs whose median time counts.
const ROUNDS: usize = 3;

/// Measures all rows: instructions first, and then, with nothing beside, times.
pub(crate) fn measure() -> io::Result<Page> {
    let sizes = || ROWS.iter().flat_map(|row| [(row, row.sizes[0]), (row, row.sizes[1])]);
    let instructions = on_each_core(sizes(), |core, (row, size)| {
        let count = |size| -> io::Result<(usize, f64)> {
            Ok((alone(row, size)?.operations, collected(of(row, size, &mut callgrind(core, row.counted))?)? as f64))
        };
        each(row, size, count)
    })?;
    let mut lines = Vec::new();
    for (row, instructions) in ROWS.iter().zip(instructions.chunks(2)) {
        lines.push(Line {
            name: row.name.into(),
            of: row.of.into(),
            instructions: Pair { sizes: [row.sizes[0], row.sizes[1]], costs: [instructions[0], instructions[1]] },
            nanoseconds: if row.counted == COUNTED { Some(times(row)?) } else { None },
        });
    }
    Ok(Page { machine: machine(), lines })
}

/// Takes the times of a row.
fn times(row: &Row) -> io::Result<Pair> {
    let sizes = [row.sizes[0], row.sizes[2]];
    let mut times = [Vec::new(), Vec::new()];
    // The sizes take turns, so that what else the machine does meets both.
    for _ in 0..ROUNDS {
        for (times, size) in times.iter_mut().zip(sizes) {
            let time = |size| alone(row, size).map(|done| (done.operations, done.nanoseconds as f64));
            times.push(each(row, size, time)?);
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    Ok(Pair { sizes, costs: times.map(median) })
}

/// Returns the cost of one operation at a size, rounded to a tenth.
fn each(row: &Row, size: usize, measure: impl Fn(usize) -> io::Result<(usize, f64)>) -> io::Result<f64> {
    let (mut operations, mut total) = measure(size)?;
    if row.is_added {
        let (less, without) = measure(size / 2)?;
        (operations, total) = (operations - less, total - without);
    }
    Ok((total / operations as f64 * 10.0).round() / 10.0)
}

/// Carries out a row in a process of its own, without callgrind.
fn alone(row: &Row, size: usize) -> io::Result<Done> {
    let mut nothing = Command::new("env");
    Ok(serde_json::from_slice(&run(of(row, size, &mut nothing)?)?.stdout)?)
}

/// Appends this program and the row to a command.
fn of<'a>(row: &Row, size: usize, command: &'a mut Command) -> io::Result<&'a mut Command> {
    Ok(command.arg(env::current_exe()?).args(["row", row.name, &size.to_string()]))
}
