/// Returns the median; NaN if there are no values.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 0.5)
}

/// Returns the smallest value that this share of the values does not exceed; NaN if there are no values.
#[must_use]
pub fn percentile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::{median, percentile};

    #[test]
    fn ranks_are_those_of_the_sorted_values() {
        let values = || (1..=100).rev().map(f64::from);
        assert_eq!(percentile(values(), 0.99), 99.0);
        assert_eq!(percentile(values(), 1.0), 100.0);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([7.0]), 7.0);
        assert!(median([]).is_nan());
    }
}
