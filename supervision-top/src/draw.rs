//! Draws the viewer. All texts of the model are clean, and state is told by symbols and words, not by colours alone.

use std::time::Duration;

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
    model::{Happened, Node, TROUBLE},
    rows::Row,
    text::{clean, clock, duration},
};

/// How many processes in trouble are listed at the top.
const WORST: usize = 3;

const KEYS: &str = "\
  up, down, j, k      select a process; Page Up, Page Down, Home, End
  left, right, h, l   fold and unfold; left goes to the one above
  s                   order: by trouble, by name, as they start, by busy time
  /                   filter: words in the name, the state or the error; `not ready`,
                      `trouble`; Enter selects the first match
  Enter               all settings of the selected process, and its events
  f                   follow the selected process: its part of the tree, its events
  e                   events on the whole screen
  Esc                 back: from settings, events, following, filter
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
    let alarms = alarms(app, frame.area().width);
    let alarm_rows = match app.shows_settings {
        true => 0,
        false => (alarms.len() as u16).min(height / 3),
    };
    let (details, events) = match (app.shows_events || app.shows_settings, height) {
        (true, _) => (0, 0),
        (_, ..12) => (0, 0),
        (_, ..18) => (0, 4),
        (_, ..30) => (4, 4),
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
    if app.shows_settings {
        draw_settings(frame, app, main);
    } else if app.shows_events {
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
        Link::Lost { address, .. } if total == 0 => format!("  no connection to {address}"),
        Link::Lost { .. } => format!("  OLD: last seen {}", clock(app.model.at, false)),
        Link::Replay(replay) => format!("  {}, at {}", replay.status(), clock(app.model.at, true)),
    }));
    Line::from(parts)
}

/// Returns what is wrong, the worst first.
fn alarms(app: &App, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Link::Lost { why, .. } = &app.link {
        lines.push(Line::styled(format!("! {why}"), bad(app, 5)));
    }
    let troubled = app.model.troubled();
    for node in troubled.iter().take(WORST) {
        let style = bad(app, node.rank);
        let text = format!("{} {}  {}", mark(node), node.path, node.alarm);
        let whole = format!("{text}; {}", node.timing);
        // What is wrong, and since when, are both to be seen.
        if node.timing.is_empty() || whole.chars().count() <= usize::from(width) {
            lines.push(Line::styled(whole.trim_end_matches("; ").to_owned(), style));
        } else {
            lines.push(Line::styled(text, style));
            lines.push(Line::styled(format!("    {}", node.timing), style));
        }
    }
    if troubled.len() > WORST {
        let names: Vec<&str> = troubled[WORST..].iter().map(|node| &*node.path).collect();
        lines.push(Line::raw(format!("  {} more: {}", names.len(), names.join(", "))));
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
            false => "  Nothing matches.",
        }));
    }
    let tree = Paragraph::new(lines).block(titled(title));
    let is_old = matches!(app.link, Link::Lost { .. });
    let style = if is_old { Style::new().add_modifier(Modifier::DIM) } else { Style::new() };
    frame.render_widget(tree.style(style), area);
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
    let mut words = match (node.rank >= TROUBLE, app.model.waits_for(row.node)) {
        (true, _) if node.timing.is_empty() => format!("  {}", node.alarm),
        (true, _) => format!("  {}; {}", node.alarm, node.timing),
        (false, Some(waits)) if node.state == ChildState::Running => format!("  not ready: {waits}"),
        (false, Some(waits)) => format!("  {}: {waits}", node.words),
        (false, None) => format!("  {}", node.words),
    };
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
    let text = summary(app, index);
    let block = titled(node.path.clone());
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }).block(block), area);
}

/// Says all that is known of a process, without its settings.
fn summary(app: &App, index: usize) -> String {
    let node = &app.model.nodes[index];
    let more = [app.model.waits_for(index).unwrap_or_default(), node.timing.clone(), node.details.clone()];
    let more: Vec<&str> = more.iter().map(|part| &**part).filter(|part| !part.is_empty()).collect();
    format!("{}\n{}", node.words, more.join("; "))
}

/// Draws what is known of the selected process: all settings, and its events below.
fn draw_settings(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let Some(index) = app.selected_node() else { return };
    let node = &app.model.nodes[index];
    let (child, supervisor) = (settings(&node.spec), settings(&node.supervisor));
    let [head, middle, events] = Layout::vertical([
        Constraint::Length(5),
        Constraint::Length(child.len().max(supervisor.len()) as u16 + 1),
        Constraint::Min(1),
    ])
    .areas(area);
    let head_text = Paragraph::new(summary(app, index)).wrap(Wrap { trim: true });
    frame.render_widget(head_text.block(titled(node.path.clone())), head);
    let [left, right] = Layout::horizontal([Constraint::Percentage(50); 2]).areas(middle);
    frame.render_widget(Paragraph::new(child.join("\n")).block(titled("Settings as a child".into())), left);
    if !supervisor.is_empty() {
        let text = Paragraph::new(supervisor.join("\n"));
        frame.render_widget(text.block(titled("Settings as a supervisor".into())), right);
    }
    let room = usize::from(events.height.saturating_sub(1));
    let is_replay = matches!(app.link, Link::Replay(_));
    let own = app.model.events.iter().rev().filter(|event| event.path == node.path).take(room);
    let mut lines: Vec<Line<'_>> = own.map(|event| event_line(app, event, is_replay)).collect();
    lines.reverse();
    frame.render_widget(Paragraph::new(lines).block(titled("Its events".into())), events);
}

/// Returns a line for each setting.
fn settings<T: serde::Serialize>(settings: &Option<T>) -> Vec<String> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(settings) else { return Vec::new() };
    // These are no settings, or the title has them.
    let hidden = ["name", "kind", "source", "unread_for_seconds"];
    let fields = fields.iter().filter(|(key, _)| !hidden.contains(&key.as_str()));
    fields.map(|(key, value)| format!("{}: {}", label(key), clean(&setting(key, value)))).collect()
}

fn label(key: &str) -> String {
    key.strip_suffix("_seconds").unwrap_or(key).replace('_', " ")
}

/// Returns a setting for a person: `limit_seconds: 5` is `limit 5.0s`.
fn setting(key: &str, value: &serde_json::Value) -> String {
    use serde_json::Value;

    match value {
        Value::Null if key.ends_with("_seconds") || matches!(key, "intensity" | "max_children") => "none".into(),
        Value::Null => "default".into(),
        Value::Bool(is_so) => if *is_so { "yes" } else { "no" }.into(),
        Value::Number(number) if key.ends_with("_seconds") => {
            let seconds = number.as_f64().unwrap_or_default();
            Duration::try_from_secs_f64(seconds).map_or_else(|_| format!("{seconds}s"), duration)
        }
        Value::Object(fields) => {
            let parts = fields.iter().map(|(key, value)| match key.as_str() {
                "kind" => setting(key, value),
                _ => format!("{} {}", label(key), setting(key, value)),
            });
            parts.collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.replace('_', " "),
        value => value.to_string(),
    }
}

fn event_line<'a>(app: &App, event: &'a Happened, is_replay: bool) -> Line<'a> {
    let mark = if event.is_bad { '!' } else { ' ' };
    let style = if event.is_bad { bad(app, 4) } else { Style::new() };
    Line::from(vec![
        Span::raw(format!("{} {mark} ", clock(event.at, is_replay))),
        Span::styled(event.text.as_str(), style),
    ])
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
    let mut lines: Vec<Line<'_>> =
        app.events().rev().skip(skipped).take(room).map(|event| event_line(app, event, is_replay)).collect();
    lines.reverse();
    frame.render_widget(Paragraph::new(lines).block(titled(title)), area);
}

fn footer(app: &App) -> Line<'static> {
    if app.is_typing {
        return Line::raw(format!("filter: {}_   Enter keeps it, Esc clears it", app.view.filter));
    }
    Line::raw(match app.link {
        Link::Replay(_) => "space play  . step  , back  < > ends  + - speed  / filter  f follow  ? keys  q quit",
        _ => "q quit  ? keys  / filter  s order  f follow  e events  Enter settings",
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
        model::tests::{event, failing, process, snapshot},
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
            "   -● web  not ready: waits for a",
            "      ↻ a  restarting: failed: x",
            "      ● b  running for 1m 5s",
            "    ● api  running for 1m 5s",
            "",
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
            "q quit  ? keys  / filter  s order  f follow  e events  Enter settings",
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
        for keys in ["j", "f", "e", "e", "\n", "\n", "/\u{1b}\n"] {
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
        for keys in ["", "?", "e", "e", "\n", "\n", "/a"] {
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
        assert!(screen[0].contains("OLD: last seen 00:00:01"), "{screen:?}");
        assert!(screen[1].starts_with("! no answer from http://x"), "{screen:?}");
    }

    #[test]
    fn what_is_wrong_and_since_when_fit_into_eighty_columns_and_the_others_are_named() {
        let children: Vec<Value> = (2..7).map(|id| failing(&format!("shop.part_{id}"), id, "restarting")).collect();
        let mut app = app();
        app.model.apply(snapshot(&process("shop", 1, "running", &children)));
        let lines = screen(&mut app, 80, 24);
        let expected = [
            "6 processes, 5 in trouble  live from http://127.0.0.1:1",
            "↻ shop.part_2  failed: cannot reach db.internal:5432: connection refused",
            "    next attempt in 33s (attempt 3), failing since 10:17:55 (2m 5s), 43 restarts",
        ];
        assert_eq!(lines[..3], expected);
        assert_eq!(lines[7], "  2 more: shop.part_5, shop.part_6");
        let wide = screen(&mut app, 180, 24);
        assert_eq!(wide[1], format!("{}; {}", expected[1], expected[2].trim()));
    }

    #[test]
    fn enter_shows_all_settings_of_a_process_and_its_events() {
        let mut child = failing("shop.a", 2, "running");
        child["spec"] = json!({
            "name": "a", "kind": "worker", "restart": "permanent", "shutdown": {"kind": "graceful", "limit_seconds": 5.0},
            "start_timeout_seconds": null, "significant": false, "placement": "inherit", "explicit_ready": false,
            "children_first": false, "readiness": true, "watchdog_seconds": null, "backoff": null,
        });
        let mut app = app();
        app.model.apply(snapshot(&process("shop", 1, "running", &[child])));
        app.model.apply(event("shop.a", 2, 3_661_000, "ready", &Value::Null, "shop.a is ready"));
        press(&mut app, "j\n");
        let lines = screen(&mut app, 80, 30).join("\n");
        for text in [
            "shop.a───",
            "Settings as a child",
            "restart: permanent",
            "shutdown: graceful, limit 5.0s",
            "backoff: default",
            "start timeout: none",
            "01:01:01   shop.a is ready",
        ] {
            assert!(lines.contains(text), "{text}\n{lines}");
        }
        press(&mut app, "⎋");
        assert!(screen(&mut app, 80, 24).join("\n").contains("Tree, by trouble"));
    }
}
