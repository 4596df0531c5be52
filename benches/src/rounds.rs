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

    /// The ratio of one's median to another's.
    ///
    /// Not the median of the ratios within each round: it would not agree with the medians, which are what tables show.
    #[must_use]
    pub fn ratio(&self, who: usize, other: usize, figure: usize) -> f64 {
        self.figure(who, figure) / self.figure(other, figure)
    }

    /// How much more one's median is than another's.
    #[must_use]
    pub fn difference(&self, who: usize, other: usize, figure: usize) -> f64 {
        self.figure(who, figure) - self.figure(other, figure)
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
    // The median of a few rounds would not stand beside those of all.
    for (samples, is_out) in row.0.iter_mut().zip(is_out) {
        if is_out {
            samples.clear();
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::Row;

    #[test]
    fn ratio_and_difference_are_those_of_the_medians() {
        let samples = |values: [f64; 3]| values.map(|value| vec![value]).to_vec();
        // Within the rounds it is 2.5, 0.25 and 0.9 times as much.
        let row = Row(vec![samples([10.0, 20.0, 30.0]), samples([25.0, 5.0, 27.0])]);
        assert_eq!((row.figure(0, 0), row.figure(1, 0)), (20.0, 25.0));
        assert_eq!((row.ratio(1, 0, 0), row.difference(1, 0, 0)), (1.25, 5.0));
    }
}
