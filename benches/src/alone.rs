//! Samples in processes of their own: the binaries `sample` and `heap`, the latter with a counting allocator.

use std::{
    env, io,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    contestant::{Contestant, executors, peers},
    workload::Workload,
};

/// Carries out one sample, as the arguments say, and prints it. Both binaries do this.
pub fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, workload] = &arguments[..] else { panic!("a contestant and a workload") };
    let workload = serde_json::from_str(workload).expect("a workload");
    let contestant = executors().into_iter().chain(peers()).find(|contestant| contestant.name() == *name);
    let sample = contestant.expect("one that is known").sample(workload);
    println!("{}", serde_json::to_string(&sample).expect("numbers"));
}

/// The places of the binaries.
#[derive(Clone, Debug)]
pub struct Alone {
    /// The path of `sample`.
    pub sample: PathBuf,
    /// The path of `heap`.
    pub heap: PathBuf,
    /// The longest time for one sample.
    pub limit: Duration,
}

impl Alone {
    /// Takes one sample, in a process of its own. Returns `None` if it has not ended in time.
    ///
    /// # Errors
    ///
    /// If the process cannot be started.
    pub fn sample(&self, contestant: &Contestant, workload: Workload) -> io::Result<Option<Vec<f64>>> {
        let program = if workload.needs_a_process() { &self.heap } else { &self.sample };
        let workload = serde_json::to_string(&workload)?;
        let mut process = Command::new(program)
            .args([contestant.name(), workload])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let begin = Instant::now();
        while process.try_wait()?.is_none() {
            if begin.elapsed() > self.limit {
                process.kill()?;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let output = process.wait_with_output()?;
        if !output.status.success() {
            return Ok(None);
        }
        // JSON has `null` for a figure that is no number.
        let figures: Vec<Option<f64>> = serde_json::from_slice(&output.stdout)?;
        Ok(Some(figures.into_iter().map(|figure| figure.unwrap_or(f64::NAN)).collect()))
    }
}
