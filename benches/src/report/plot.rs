use std::{error::Error, ops::Range};

use plotters::{
    coord::{
        ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{Cell, Section, numbers::ticks};

const WIDTH: u32 = 900;
const BAR: u32 = 26;
/// Above and below the bars.
const FRAME: u32 = 122;
/// How far the axis goes, of the longest bar: there is room for what is written at it.
const BEYOND: f64 = 1.35;

/// A line of a section that is drawn.
struct Bar<'a> {
    who: &'a str,
    value: f64,
    written: String,
}

/// Draws a section as SVG: a bar for each contestant that has something in the column that says most, which is that of the
/// largest size for `start`, and the first one otherwise. Nothing, if that is zero for all.
///
/// # Errors
///
/// If something cannot be drawn.
pub fn plot(section: &Section, reference: &str) -> Result<Option<String>, Box<dyn Error>> {
    let column = if section.name == "start" { section.columns.len() - 1 } else { 0 };
    // From below, as an axis counts.
    let lines = section.lines.iter().enumerate().rev();
    let bars = lines.filter_map(|(line, contestant)| match contestant.cells[column] {
        Cell::Measured(value) => {
            Some(Bar { who: &contestant.who, value, written: section.value(line, column).unwrap_or_default() })
        }
        Cell::Empty(_) => None,
    });
    let bars: Vec<_> = bars.collect();
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    if most == 0.0 {
        return Ok(None);
    }
    let is_compared = (0..section.lines.len()).any(|line| section.ratio(line, column).is_some());
    let brackets = if is_compared { format!("; in brackets: the ratio to {reference}") } else { String::new() };

    let mut svg = String::new();
    draw(&mut svg, &title(section, column), &format!("medians{brackets}"), &bars, most)?;
    Ok(Some(svg))
}

fn title(section: &Section, column: usize) -> String {
    let column = &section.columns[column];
    let workload = match column.size.as_str() {
        "" => section.name.clone(),
        size => format!("{}, {size}", section.name),
    };
    let better = if column.is_rate { "higher is better" } else { "lower is better" };
    format!("{workload}: {} ({better})", column.figure)
}

fn draw(svg: &mut String, title: &str, below: &str, bars: &[Bar<'_>], most: f64) -> Result<(), Box<dyn Error>> {
    let height = FRAME + BAR * bars.len() as u32;
    let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(270)
        .build_cartesian_2d(Axis::new(most), (0..bars.len() - 1).into_segmented())?;
    let name = |position: &SegmentValue<usize>| match position {
        SegmentValue::CenterOf(bar) => bars.get(*bar).map(|bar| bar.who.to_owned()),
        _ => None,
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(below)
        .y_labels(bars.len())
        .y_label_formatter(&|position| name(position).unwrap_or_default())
        .label_style(("sans-serif", 15))
        .axis_desc_style(("sans-serif", 15))
        .draw()?;
    chart.draw_series(bars.iter().enumerate().map(|(from_below, bar)| {
        let color = if bar.who.starts_with("supervision") { RGBColor(31, 119, 180) } else { RGBColor(170, 170, 170) };
        let corners = [(0.0, SegmentValue::Exact(from_below)), (bar.value, SegmentValue::Exact(from_below + 1))];
        let mut rectangle = Rectangle::new(corners, color.filled());
        rectangle.set_margin(4, 4, 0, 0);
        rectangle
    }))?;
    let style = TextStyle::from(("sans-serif", 15).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
    chart.draw_series(bars.iter().enumerate().map(|(from_below, bar)| {
        let end = (bar.value, SegmentValue::CenterOf(from_below));
        EmptyElement::at(end) + Text::new(bar.written.clone(), (6, 0), style.clone())
    }))?;
    area.present()?;
    Ok(())
}

/// From zero to beyond the longest bar, with ticks of ours.
struct Axis {
    length: RangedCoordf64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    fn new(most: f64) -> Self {
        let end = most * BEYOND;
        Self { length: (0.0..end).into(), ticks: ticks(most, end) }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.length.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.length.range()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick == value);
        tick.map(|(_, written)| written.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Section, plot};
    use crate::{
        report::{Column, Line},
        workload::Workload,
    };

    fn section(values: [f64; 2]) -> Section {
        let workload = Workload::Churn { children: 1 };
        let lines = [("by hand", None), ("supervision", Some(0))].into_iter().zip(values);
        Section {
            name: "churn".into(),
            columns: vec![Column::new("spawn", workload.figures()[0])],
            lines: lines
                .map(|((who, reference), value)| Line {
                    who: who.into(),
                    reference,
                    cells: vec![Cell::Measured(value)],
                })
                .collect(),
        }
    }

    /// The texts of an SVG, and the widths of its bars.
    fn drawn(svg: &str) -> (Vec<&str>, Vec<f64>) {
        let texts = svg.split("<text ").skip(1).filter_map(|text| Some(text.split_once(">\n")?.1.split_once('\n')?.0));
        let bars = svg.split("<rect ").skip(2);
        let widths = bars.filter_map(|bar| bar.split_once("width=\"")?.1.split_once('"')?.0.parse().ok());
        (texts.collect(), widths.collect())
    }

    #[test]
    fn values_stand_at_the_bars_and_agree_with_them() {
        let svg = plot(&section([842_881.0, 962_677.0]), "the first").unwrap().unwrap();
        let (texts, widths) = drawn(&svg);
        for text in [
            "churn, spawn: children per second (higher is better)",
            "medians; in brackets: the ratio to the first",
            "842,881",
            "962,677 (1.14x)",
        ] {
            assert_eq!(texts.iter().filter(|shown| **shown == text).count(), 1, "{text}: {texts:?}");
        }
        let [ours, by_hand] = widths[..] else { panic!("{widths:?}") };
        assert!((ours / by_hand - 962_677.0 / 842_881.0).abs() < 0.01, "{widths:?}");
    }

    #[test]
    fn an_axis_has_few_ticks_in_groups_of_digits() {
        let svg = plot(&section([842_881.0, 962_677.0]), "the first").unwrap().unwrap();
        let (texts, _) = drawn(&svg);
        let ticks: Vec<_> = texts.into_iter().filter(|text| text.ends_with(",000") || *text == "0").collect();
        assert_eq!(ticks, ["0", "200,000", "400,000", "600,000", "800,000", "1,000,000", "1,200,000"]);
    }

    #[test]
    fn nothing_is_drawn_of_zeros() {
        assert!(plot(&section([0.0, 0.0]), "the first").unwrap().is_none());
    }
}
