use std::io;

use crate::{alone::Alone, contestant::Contestant, measure::median, workload::Workload};

/// The samples of several who took turns: by who, then by round, then by figure. Empty for who came to no end.
#[derive(Clone, Debug, Default)]
pub struct Row(Vec<Vec<Vec<f64>>>);

impl Row {
    /// The median of a figure.
    #[must_use]
    pub fn figure(&self, who: usize, figure: usize) -> f64 {
        median(self.samples(who, figure))
    }

    /// The median over the rounds of what one had in relation to another.
    #[must_use]
    pub fn ratio(&self, who: usize, other: usize, figure: usize) -> f64 {
        median(self.samples(who, figure).zip(self.samples(other, figure)).map(|(one, other)| one / other))
    }

    /// The median over the rounds of what one had more than another.
    #[must_use]
    pub fn difference(&self, who: usize, other: usize, figure: usize) -> f64 {
        median(self.samples(who, figure).zip(self.samples(other, figure)).map(|(one, other)| one - other))
    }

    fn samples(&self, who: usize, figure: usize) -> impl Iterator<Item = f64> {
        self.0[who].iter().map(move |sample| sample[figure])
    }
}

/// Lets contestants take turns, round by round, so that whatever else the machine does meets all of them. Each round begins
/// with another one.
///
/// In this process, but for workloads that need one of their own, and for all if that is asked for.
///
/// # Errors
///
/// If there can be no other process.
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
    // Ratios are those of a round, so who is out has none at all.
    for (samples, is_out) in row.0.iter_mut().zip(is_out) {
        if is_out {
            samples.clear();
        }
    }
    Ok(row)
}
