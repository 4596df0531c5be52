//! Numbers for people.

/// Three digits, or all before the point, in groups.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// All before the point, in groups of three.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The ticks of an axis on which this is the largest value: one, two or five of a power of ten apart, and not more than five
/// steps up to that value. Each with what is written at it. They end where the axis does.
#[cfg(any(test, feature = "plots"))]
pub(super) fn ticks(most: f64, end: f64) -> Vec<(f64, String)> {
    let exponent = (most / 5.0).log10().floor();
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * 10f64.powf(exponent));
    let step = steps.into_iter().find(|step| step * 5.0 >= most * (1.0 - 1e-9)).unwrap_or(most);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let written = |value: f64| if decimals == 0 { grouped(value) } else { format!("{value:.decimals$}") };
    let values = (0..).map(|index| f64::from(index) * step).take_while(|value| *value <= end);
    values.map(|value| (value, written(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::{number, ticks};

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.123, 12.34, 123.4, 1234.5, 1_234_567.0, -1000.0].map(number);
        assert_eq!(shown, ["0.00", "0.12", "12.3", "123", "1,234", "1,234,567", "-1,000"]);
    }

    #[test]
    fn ticks_are_few_and_round() {
        let of = |most: f64| ticks(most, most).into_iter().map(|(_, written)| written).collect::<Vec<_>>();
        assert_eq!(of(962_677.0), ["0", "200,000", "400,000", "600,000", "800,000"]);
        assert_eq!(of(2.0), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(of(5.0), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(of(0.003), ["0.000", "0.001", "0.002", "0.003"]);
        for most in (1..2000).map(|value| f64::from(value) * 0.37) {
            let ticks = ticks(most, most);
            assert!((3..=6).contains(&ticks.len()), "{most}: {ticks:?}");
            let step = format!("{:e}", ticks[1].0);
            assert!(step.starts_with(['1', '2', '5']), "{most}: {step}");
        }
        assert_eq!(ticks(100.0, 125.0).last().unwrap().1, "120", "also beyond the largest value");
    }
}
