//! Runs the rows, each in processes of its own.

use std::{
    collections::VecDeque,
    env, fs, io,
    path::PathBuf,
    process::{Command, Output},
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    executor::{AsyncExecutor, Executor as _},
    meter::{COUNTED, Heap},
    results::{Line, Results},
    rows::{Contestant, Row},
};

/// Measures all rows, of all subjects or of this one.
///
/// # Errors
///
/// If a program cannot be started or fails: `valgrind`, `taskset`, or a row.
pub fn measure(subject: Option<&str>) -> io::Result<Results> {
    let contestants = Contestant::all();
    let of = |contestant: &Contestant| {
        let contestant = *contestant;
        Row::ALL.into_iter().filter(move |row| contestant.can(*row)).map(move |row| (contestant, row))
    };
    let is_wanted = |contestant: &&Contestant| subject.is_none_or(|subject| subject == contestant.subject);
    let jobs = contestants.iter().filter(is_wanted).flat_map(of);
    let lines = on_each_core(jobs, |core, (contestant, row)| measured(core, &contestant, row))?;
    let task_box = number(&run(Command::new(program("row_heap")?).arg("task-box"))?.stdout)?;
    Ok(Results { machine: machine(), task_box, lines })
}

/// Does jobs, one at a time on each core. Returns the results in the order of the jobs.
///
/// # Errors
///
/// That of the first job that has failed.
pub fn on_each_core<J: Send, T: Send>(
    jobs: impl IntoIterator<Item = J>,
    job: impl Fn(usize, J) -> io::Result<T> + Sync,
) -> io::Result<Vec<T>> {
    let jobs: VecDeque<_> = jobs.into_iter().enumerate().collect();
    let mut results: Vec<Option<io::Result<T>>> = jobs.iter().map(|_| None).collect();
    let (jobs, done) = (Mutex::new(jobs), Mutex::new(&mut results));
    thread::scope(|scope| {
        for core in cores() {
            let (jobs, done, job) = (&jobs, &done, &job);
            scope.spawn(move || {
                loop {
                    let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some((index, next)) = next else { break };
                    let result = job(core, next);
                    done.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                }
            });
        }
    });
    results.into_iter().flatten().collect()
}

fn measured(core: usize, contestant: &Contestant, row: Row) -> io::Result<Line> {
    let [small, large] = row.sizes();
    let (less, more) = (heap(contestant, row, small)?, heap(contestant, row, large)?);
    let instructions = least(core, contestant, row, large)? - least(core, contestant, row, small)?;
    let each = |difference: i64| (difference as f64 / (large - small) as f64 * 100.0).round() / 100.0;
    Ok(Line {
        executor: contestant.executor.into(),
        subject: contestant.subject.into(),
        row,
        instructions: each(instructions),
        allocations: each(more.allocations - less.allocations),
        bytes: each(more.bytes - less.bytes),
    })
}

/// Counts the instructions, of several runs the least if they differ.
///
/// `async-io` has a thread for timers, and a supervisor that stops children in order sets its timer for each. How much of the
/// timers' queue that thread has emptied by then differs from run to run, which adds up to one percent.
fn least(core: usize, contestant: &Contestant, row: Row, size: usize) -> io::Result<i64> {
    let differs = contestant.executor == AsyncExecutor::NAME && matches!(row, Row::StopInOrder | Row::OneForAll);
    let mut least = instructions(core, contestant, row, size)?;
    for _ in 1..if differs { 3 } else { 1 } {
        least = least.min(instructions(core, contestant, row, size)?);
    }
    Ok(least)
}

fn instructions(core: usize, contestant: &Contestant, row: Row, size: usize) -> io::Result<i64> {
    collected(with_arguments(callgrind(core, COUNTED).arg(program("row")?), contestant, row, size))
}

/// Begins a command that counts the instructions of a program within a function, on the thread that calls it. All threads of the
/// process share one core: then they take turns in nearly the same order each time.
#[must_use]
pub fn callgrind(core: usize, function: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string(), "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(format!("--toggle-collect={function}"));
    command
}

/// Runs such a command. Returns the number of instructions.
///
/// # Errors
///
/// If the program cannot be started or fails, or has no such function.
pub fn collected(command: &mut Command) -> io::Result<i64> {
    let output = run(command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| Some(line.split_once("Collected : ")?.1.to_owned()));
    match number(collected.unwrap_or_default().as_bytes())? {
        0 => Err(io::Error::other(format!("{command:?}: callgrind has found no such function"))),
        count => Ok(count),
    }
}

fn heap(contestant: &Contestant, row: Row, size: usize) -> io::Result<Heap> {
    let output = run(with_arguments(&mut Command::new(program("row_heap")?), contestant, row, size))?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn with_arguments<'a>(command: &'a mut Command, contestant: &Contestant, row: Row, size: usize) -> &'a mut Command {
    command.args([contestant.executor, contestant.subject, row.name(), &size.to_string()])
}

/// Runs a command to its end.
///
/// # Errors
///
/// If it cannot be started or fails.
pub fn run(command: &mut Command) -> io::Result<Output> {
    let output = command.output().map_err(|error| io::Error::new(error.kind(), format!("{command:?}: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{command:?}: {}: {said}", output.status)));
    }
    Ok(output)
}

fn number(text: &[u8]) -> io::Result<i64> {
    let text = String::from_utf8_lossy(text);
    text.trim().parse().map_err(|error| io::Error::other(format!("no number: {text:?}: {error}")))
}

/// Returns the path of a binary that stands beside this one.
fn program(name: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(name))
}

/// Returns the numbers of the cores that this process may use.
fn cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(listed).unwrap_or_else(|| vec![0])
}

/// Reads a list such as `0-2,5`.
fn listed(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}

/// Returns what the counts depend on, and the day.
#[must_use]
pub fn machine() -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(said.split(" (").next().unwrap_or_default().to_owned())
    };
    let tools = [said("uname", "-m"), said("rustc", "--version"), said("valgrind", "--version"), said("date", "+%F")];
    tools.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn a_list_of_cores_has_ranges() {
        assert_eq!(listed("\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(listed("3"), Some(vec![3]));
        assert_eq!(listed(""), None);
    }
}
