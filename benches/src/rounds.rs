use std::io;

use crate::{alone::Alone, contestant::Contestant, measure::median, workload::Workload};

/// The samples of several contestants that took turns: by contestant, then by round, then by figure. Empty for a
/// contestant that did not finish.
#[derive(Clone, Debug, Default)]
pub struct Row(Vec<Vec<Vec<f64>>>);

impl Row {
    /// Returns the median of a figure.
    #[must_use]
    pub fn figure(&self, who: usize, figure: usize) -> f64 {
        median(self.samples(who, figure))
    }

    /// Returns the median over the rounds of the ratio of one contestant to another.
    #[must_use]
    pub fn ratio(&self, who: usize, other: usize, figure: usize) -> f64 {
        median(self.samples(who, figure).zip(self.samples(other, figure)).map(|(one, other)| one / other))
    }

    /// Returns the median over the rounds of the difference of one contestant to another.
    #[must_use]
    pub fn difference(&self, who: usize, other: usize, figure: usize) -> f64 {
        median(self.samples(who, figure).zip(self.samples(other, figure)).map(|(one, other)| one - other))
    }

    fn samples(&self, who: usize, figure: usize) -> impl Iterator<Item = f64> {
        self.0[who].iter().map(move |sample| sample[figure])
    }
}

/// Lets contestants take turns, round by round, so that other load of the machine affects all of them alike. Each round
/// begins with another one.
///
/// They run in this process, except workloads that need one of their own, and except all if `all_alone` is set.
///
/// # Errors
///
/// If no other process can be started.
pub fn rounds(turns: &[(Contestant, Workload)], rounds: usize, alone: &Alone, all_alone: bool) -> io::Result<Row> {
    let mut row = Row(vec![Vec::new(); turns.len()]);
    let mut is_out = vec![false; turns.len()];
    for round in 0..rounds {
        for turn in 0..turns.len() {
            let who = (round + turn) % turns.len();
            let (contestant, workload) = turns[who];
            if is_out[who] {
                continue;
            }
            let sample = if all_alone || workload.needs_a_process() {
                alone.sample(&contestant, workload)?
            } else {
                Some(contestant.sample(workload))
            };
            match sample {
                Some(sample) => row.0[who].push(sample),
                None => is_out[who] = true,
            }
        }
    }
    // Ratios are those of a round, so a contestant that is out has none at all.
    for (samples, is_out) in row.0.iter_mut().zip(is_out) {
        if is_out {
            samples.clear();
        }
    }
    Ok(row)
}
