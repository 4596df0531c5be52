//! Draws the viewer. All texts of the model are clean, and state is told by symbols and words, not by colours alone.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Wrap},
};
use supervision::ChildState;

use crate::{
    app::{App, Link},
    model::{Node, TROUBLE},
    rows::Row,
    text::clock,
};

/// How many processes in trouble are listed at the top.
const WORST: usize = 3;

const KEYS: &str = "\
  up, down, j, k      select a process; Page Up, Page Down, Home, End
  left, right, h, l   fold and unfold; left goes to the one above
  s                   order: by trouble, by name, as they start, by busy time
  /                   filter: words that are in the name, the state or the error
  f                   follow the selected process: its part of the tree, its events
  e                   events on the whole screen
  Esc                 back: from the events, from following, from the filter
  q, Ctrl-C           quit

In a recording:

  space               play, pause
  . and ,             one line forth, one line back (also n and p)
  < and >             to its start, to its end
  + and -             faster, slower

● running  ◑ not all below is ready  ◐ starting  ↻ waiting to restart
◌ stopping  ○ stopped  ! stuck or abandoned  ? does not respond
~ running, but restarted within the last minute

Any key goes back.";

/// Draws one frame.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    if app.shows_help {
        frame.render_widget(Paragraph::new(KEYS).block(titled("Keys".into())), frame.area());
        return;
    }
    let height = frame.area().height;
    let alarms = alarms(app);
    let alarm_rows = (alarms.len() as u16).min(height / 4);
    let (details, events) = match (app.shows_events, height) {
        (true, _) => (0, 0),
        (_, ..12) => (0, 0),
        (_, ..18) => (0, 4),
        (_, ..30) => (4, 5),
        _ => (5, height / 4),
    };
    let rows = [
        Constraint::Length(1),
        Constraint::Length(alarm_rows),
        Constraint::Min(1),
        Constraint::Length(details),
        Constraint::Length(events),
        Constraint::Length(1),
    ];
    let [head, alarm, main, detail, event, foot] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(header(app)), head);
    frame.render_widget(Paragraph::new(alarms), alarm);
    if app.shows_events {
        draw_events(frame, app, main);
    } else {
        draw_tree(frame, app, main);
        draw_details(frame, app, detail);
        draw_events(frame, app, event);
    }
    frame.render_widget(Paragraph::new(footer(app)), foot);
}

fn header(app: &App) -> Line<'static> {
    let (total, troubled) = (app.model.nodes.len() as u64 + app.model.unlisted, app.model.troubled().len());
    let mut parts = match total {
        0 => vec![Span::raw("no tree yet")],
        1 => vec![Span::raw("1 process")],
        total => vec![Span::raw(format!("{total} processes"))],
    };
    if total > 0 {
        parts.push(Span::raw(", "));
        parts.push(match troubled {
            0 => Span::styled("none in trouble", coloured(app, Style::new().fg(Color::Green))),
            troubled => Span::styled(format!("{troubled} in trouble"), bad(app, 5)),
        });
    }
    parts.push(Span::raw(match &app.link {
        Link::Connecting(address) => format!("  connecting to {address}"),
        Link::Live { address, has_events: true } => format!("  live from {address}"),
        Link::Live { address, has_events: false } => format!("  live from {address}, probes only"),
        Link::Lost { address, .. } => format!("  OLD: no connection to {address}"),
        Link::Replay(replay) => format!("  {}", replay.status()),
    }));
    Line::from(parts)
}

/// Returns what is wrong, the worst first.
fn alarms(app: &App) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Link::Lost { why, .. } = &app.link {
        lines.push(Line::styled(format!("! {why}"), bad(app, 5)));
    }
    let troubled = app.model.troubled();
    for node in troubled.iter().take(WORST) {
        lines.push(Line::styled(format!("{} {}  {}", mark(node), node.path, node.alarm), bad(app, node.rank)));
    }
    lines
}

/// Returns the symbol of a process. One that runs after failures has one of its own, because it looks well otherwise.
fn mark(node: &Node) -> char {
    match node.glyph {
        '●' if node.rank >= TROUBLE => '~',
        glyph => glyph,
    }
}

fn draw_tree(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let rows = app.rows();
    let followed = app.view.followed.as_ref().and_then(|key| app.model.find(key));
    let mut title = format!("Tree, by {}", app.order());
    if let Some(node) = followed {
        title += &format!(", following {}", app.model.nodes[node].path);
    }
    if !app.view.filter.is_empty() {
        title += &format!(", filter: {}", app.view.filter);
    }
    let room = usize::from(area.height.saturating_sub(1)).max(1);
    // The selected one is in the middle, except at both ends.
    let first = app.cursor.saturating_sub(room / 2).min(rows.len().saturating_sub(room));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (place, row) in rows.iter().enumerate().skip(first).take(room) {
        lines.push(tree_line(app, row, place == app.cursor, area.width));
    }
    if rows.is_empty() {
        lines.push(Line::raw(match app.model.nodes.is_empty() {
            true => "  waiting for the tree",
            false => "  no process has all words of the filter",
        }));
    }
    frame.render_widget(Paragraph::new(lines).block(titled(title)), area);
}

fn tree_line<'a>(app: &'a App, row: &Row, is_selected: bool, width: u16) -> Line<'a> {
    let node = &app.model.nodes[row.node];
    // A deep tree leaves room for names.
    let indent = (2 * row.depth).min(usize::from(width) / 3);
    let fold = match node.children.is_empty() {
        true => ' ',
        false if row.hidden > 0 => '+',
        false => '-',
    };
    let cursor = if is_selected { '>' } else { ' ' };
    // Of one in trouble the reason has to fit into the line.
    let mut words = format!("  {}", if node.rank >= TROUBLE { &node.alarm } else { &node.words });
    if let Some(summary) = &node.summary {
        words = format!("  {summary};{words}");
    }
    if row.hidden > 0 {
        words = format!("  ({} folded){words}", row.hidden);
    }
    let style = if node.rank >= TROUBLE { bad(app, node.rank) } else { calm(app, node) };
    let line = Line::from(vec![
        Span::raw(format!("{cursor}{:indent$}{fold}", "")),
        Span::styled(format!("{} {}", mark(node), node.name()), style.add_modifier(Modifier::BOLD)),
        Span::styled(words, style),
    ]);
    match is_selected {
        true => line.style(Style::new().add_modifier(Modifier::REVERSED)),
        false => line,
    }
}

fn draw_details(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let Some(index) = app.selected_node() else { return };
    let node = &app.model.nodes[index];
    let text = match node.details.is_empty() {
        true => node.words.clone(),
        false => format!("{}\n{}", node.words, node.details),
    };
    let block = titled(node.path.clone());
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }).block(block), area);
}

fn draw_events(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let room = usize::from(area.height.saturating_sub(1));
    let is_replay = matches!(app.link, Link::Replay(_));
    let mut title = String::from("Events");
    if matches!(app.link, Link::Live { has_events: false, .. }) {
        title += ": none, the program has probes without an observer";
    }
    if app.model.lost > 0 {
        title += &format!(", {} lost", app.model.lost);
    }
    if app.shows_events && app.skipped > 0 {
        title += &format!(", {} later ones below", app.skipped);
    }
    let skipped = if app.shows_events { app.skipped } else { 0 };
    let mut lines: Vec<Line<'_>> = app
        .events()
        .rev()
        .skip(skipped)
        .take(room)
        .map(|event| {
            let mark = if event.is_bad { '!' } else { ' ' };
            let style = if event.is_bad { bad(app, 4) } else { Style::new() };
            Line::from(vec![
                Span::raw(format!("{} {mark} ", clock(event.at, is_replay))),
                Span::styled(event.text.as_str(), style),
            ])
        })
        .collect();
    lines.reverse();
    frame.render_widget(Paragraph::new(lines).block(titled(title)), area);
}

fn footer(app: &App) -> Line<'static> {
    if app.is_typing {
        return Line::raw(format!("filter: {}_   Enter keeps it, Esc clears it", app.view.filter));
    }
    Line::raw(match app.link {
        Link::Replay(_) => "space play  . step  , back  < > ends  + - speed  / filter  f follow  ? keys  q quit",
        _ => "q quit  ? keys  / filter  s order  f follow  e events  left right fold",
    })
}

fn titled(title: String) -> Block<'static> {
    Block::new().borders(Borders::TOP).title(title)
}

fn coloured(app: &App, style: Style) -> Style {
    if app.has_colour { style } else { Style::new() }
}

/// Returns the style of trouble. Without colours it is bold.
fn bad(app: &App, rank: u8) -> Style {
    let colour = if rank >= 4 { Color::Red } else { Color::Yellow };
    coloured(app, Style::new().fg(colour)).add_modifier(Modifier::BOLD)
}

fn calm(app: &App, node: &Node) -> Style {
    coloured(
        app,
        match node.state {
            ChildState::Starting | ChildState::Stopping => Style::new().fg(Color::Cyan),
            ChildState::Stopped => Style::new().fg(Color::DarkGray),
            _ => Style::new(),
        },
    )
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        app::tests::{app, press},
        model::tests::{event, process, snapshot},
    };

    fn drawn(app: &mut App, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, app)).expect("a frame");
        terminal.backend().buffer().clone()
    }

    fn screen(app: &mut App, width: u16, height: u16) -> Vec<String> {
        let buffer = drawn(app, width, height);
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    #[test]
    fn eighty_columns_show_what_is_wrong_tree_and_events() {
        let mut app = app();
        app.model.apply(event(
            "shop.web.a",
            4,
            3_661_000,
            "restarting",
            &Value::Null,
            "shop.web.a restarting: failed: x",
        ));
        let rule = |title: &str| format!("{title}{}", "─".repeat(80 - title.chars().count()));
        let expected = [
            "5 processes, 1 in trouble  live from http://127.0.0.1:1",
            "↻ shop.web.a  restarting: failed: x",
            &rule("Tree, by trouble"),
            ">-● shop  running for 1m 5s",
            "   -● web  running for 1m 5s",
            "      ↻ a  restarting: failed: x",
            "      ● b  running for 1m 5s",
            "    ● api  running for 1m 5s",
            "",
            "",
            "",
            "",
            "",
            "",
            &rule("shop"),
            "running for 1m 5s",
            "2 children",
            "",
            &rule("Events"),
            "01:01:01 ! shop.web.a restarting: failed: x",
            "",
            "",
            "",
            "q quit  ? keys  / filter  s order  f follow  e events  left right fold",
        ];
        let screen = screen(&mut app, 80, 24);
        assert_eq!(screen, expected, "{}", screen.join("\n"));
    }

    #[test]
    fn without_colours_no_cell_has_one() {
        let mut app = app();
        press(&mut app, "j");
        let colours = |app: &mut App| {
            let buffer = drawn(app, 80, 24);
            buffer.content().iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
        };
        assert_eq!(colours(&mut app), 0);
        app.has_colour = true;
        assert!(colours(&mut app) > 0);
    }

    #[test]
    fn hostile_texts_do_not_reach_the_screen() {
        let hostile = "shop.\u{1b}[2J\u{9b}31m\u{202e}\r\n";
        let mut root = process("shop", 1, "running", &[process(hostile, 2, "stopped", &[])]);
        root["children"][0]["last_exit"] = json!({
            "ago_seconds": 1, "phase": "run", "kind": "failed", "message": "\u{1b}]0;x\u{7}", "chain": [], "location": null
        });
        let mut app = app();
        app.model.apply(snapshot(&root));
        app.model.apply(event(hostile, 2, 1, "blocked", &Value::Null, &format!("{hostile} \u{1b}c")));
        for keys in ["j", "f", "e", "e", "/\u{1b}\n"] {
            press(&mut app, keys);
            let buffer = drawn(&mut app, 80, 24);
            for cell in buffer.content() {
                assert!(!cell.symbol().contains(|c: char| c.is_control() || c == '\u{202e}'), "{:?}", cell.symbol());
            }
        }
        app.view.filter.clear();
        assert!(screen(&mut app, 80, 24).join("\n").contains("u{1b}"), "it is shown, escaped");
    }

    #[test]
    fn every_size_of_a_terminal_can_be_drawn() {
        let mut app = app();
        for keys in ["", "?", "e", "e", "/a"] {
            press(&mut app, keys);
            for (width, height) in [(1, 1), (3, 2), (20, 5), (80, 24), (300, 100), (80, 1), (1, 24)] {
                drawn(&mut app, width, height);
            }
        }
    }

    #[test]
    fn the_selected_process_is_always_on_the_screen() {
        let children: Vec<Value> =
            (0..500).map(|id| process(&format!("shop.worker_{id}"), 10 + id, "running", &[])).collect();
        let mut app = app();
        app.model.apply(snapshot(&process("shop", 1, "running", &children)));
        for (keys, name) in [("", "shop"), ("G", "worker_499"), ("k", "worker_498"), ("gjjj", "worker_2")] {
            press(&mut app, keys);
            let screen = screen(&mut app, 80, 24);
            let selected: Vec<&String> = screen.iter().filter(|line| line.starts_with('>')).collect();
            assert!(selected.len() == 1 && selected[0].contains(&format!("● {name} ")), "{selected:?}");
        }
    }

    #[test]
    fn a_lost_connection_stands_at_the_top() {
        let mut app = app();
        app.link = Link::Lost { address: "http://x".into(), why: "no answer from http://x: gone".into() };
        let screen = screen(&mut app, 80, 24);
        assert!(screen[0].contains("OLD") && screen[1].starts_with("! no answer from http://x"), "{screen:?}");
    }
}
