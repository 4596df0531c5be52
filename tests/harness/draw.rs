//! What random tests draw from: tables with a name and a weight for each row.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use fastrand::Rng;

/// Draws one of the rows of a table, as often as its weight says.
pub(crate) fn draw<T: Copy>(rng: &mut Rng, table: &[(T, u32)]) -> T {
    let total: u32 = table.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.u32(..total);
    for (row, weight) in table {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return *row,
        }
    }
    unreachable!("what is drawn is less than the sum of the weights")
}

/// Draws whether this is the one case in so many.
pub(crate) fn one_in(rng: &mut Rng, many: u32) -> bool {
    rng.u32(..many) == 0
}

/// Picks one of these, each as often as any other.
pub(crate) fn pick<'a, T>(rng: &mut Rng, choice: &'a [T]) -> &'a T {
    &choice[rng.usize(..choice.len())]
}
