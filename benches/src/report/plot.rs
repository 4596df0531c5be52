use std::{error::Error, path::Path};

use plotters::prelude::*;

use super::{Cell, Section};

const WIDTH: u32 = 900;
const BAR: u32 = 26;
/// Above and below the bars.
const FRAME: u32 = 110;

/// Draws a column of a section: a bar for each contestant that has something there. Nothing, if that is zero for all.
///
/// # Errors
///
/// If the file cannot be written.
pub fn draw(section: &Section, column: usize, file: &Path) -> Result<(), Box<dyn Error>> {
    let (size, figure) = &section.columns[column];
    let measured = section.lines.iter().filter_map(|(who, cells)| match cells[column] {
        Cell::Measured(value, _) if value.is_finite() => Some((who.as_str(), value)),
        _ => None,
    });
    let bars: Vec<_> = measured.collect();
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    if most == 0.0 {
        return Ok(());
    }

    let height = FRAME + BAR * bars.len() as u32;
    let area = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = match size.as_str() {
        "" => section.name.to_owned(),
        size => format!("{}, {size}", section.name),
    };
    let better = if figure.is_rate { "more is better" } else { "less is better" };
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{title}: {} ({better})", figure.name), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(270)
        .build_cartesian_2d(0.0..most * 1.15, (0..bars.len() - 1).into_segmented())?;
    let name = |position: &SegmentValue<usize>| match position {
        SegmentValue::CenterOf(from_below) => bars.iter().rev().nth(*from_below).map(|(who, _)| (*who).to_owned()),
        _ => None,
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .y_labels(bars.len())
        .y_label_formatter(&|position| name(position).unwrap_or_default())
        .label_style(("sans-serif", 13))
        .draw()?;
    chart.draw_series(bars.iter().rev().enumerate().map(|(from_below, (who, value))| {
        let color = if who.starts_with("supervision") { RGBColor(31, 119, 180) } else { RGBColor(170, 170, 170) };
        let corners = [(0.0, SegmentValue::Exact(from_below)), (*value, SegmentValue::Exact(from_below + 1))];
        let mut bar = Rectangle::new(corners, color.filled());
        bar.set_margin(4, 4, 0, 0);
        bar
    }))?;
    area.present()?;
    Ok(())
}
