//! What the viewer shows, and what the keys do.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{
    failure::Failure,
    feed::Message,
    model::{Happened, Key, Model},
    replay::Replay,
    rows::{Row, Sort, View, rows},
};

/// How many rows a page has for the keys.
const PAGE: usize = 10;

/// The state of the viewer.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) model: Model,
    pub(crate) view: View,
    selected: Option<Key>,
    /// The row of the selected process. It stays if that process goes away.
    pub(crate) cursor: usize,
    /// Whether the filter is being typed.
    pub(crate) is_typing: bool,
    pub(crate) shows_help: bool,
    /// Whether the settings of the selected process have the whole screen.
    pub(crate) shows_settings: bool,
    /// Whether the events have the whole screen.
    pub(crate) shows_events: bool,
    /// How many of the last events are below the screen.
    pub(crate) skipped: usize,
    pub(crate) link: Link,
    pub(crate) has_colour: bool,
}

/// Where the tree comes from, and how that is going.
#[derive(Debug)]
pub(crate) enum Link {
    Connecting(String),
    Live {
        address: String,
        has_events: bool,
    },
    /// What went wrong, and when the next attempt comes.
    Lost {
        address: String,
        why: String,
    },
    Replay(Replay),
}

impl App {
    pub(crate) fn new(link: Link, has_colour: bool) -> Self {
        Self {
            model: Model::default(),
            view: View::default(),
            selected: None,
            cursor: 0,
            is_typing: false,
            shows_help: false,
            shows_settings: false,
            shows_events: false,
            skipped: 0,
            link,
            has_colour,
        }
    }

    /// Takes what the connection tells.
    ///
    /// # Errors
    ///
    /// A failure that stays whatever the viewer tries.
    pub(crate) fn receive(&mut self, message: Message) -> Result<(), Failure> {
        let (Link::Connecting(address) | Link::Live { address, .. } | Link::Lost { address, .. }) = &self.link else {
            return Ok(());
        };
        let address = address.clone();
        match message {
            Message::Connected { has_events } => self.link = Link::Live { address, has_events },
            Message::Line(line) => self.model.apply(*line),
            Message::Waiting(failure, wait) => {
                let why = format!("{failure}; trying again in {wait:?}");
                self.link = Link::Lost { address, why };
            }
            Message::Failed(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Plays what is due of a recording. Returns whether something has changed.
    pub(crate) fn pass(&mut self, time: Duration) -> bool {
        match &mut self.link {
            Link::Replay(replay) => replay.pass(&mut self.model, time),
            _ => false,
        }
    }

    /// Returns the rows of the list, and moves the cursor to the selected process.
    pub(crate) fn rows(&mut self) -> Vec<Row> {
        let rows = rows(&self.model, &self.view);
        let place = self.selected.as_ref().and_then(|key| self.model.find(key));
        let place = place.and_then(|node| rows.iter().position(|row| row.node == node));
        self.cursor = place.unwrap_or(self.cursor).min(rows.len().saturating_sub(1));
        rows
    }

    /// Returns the events that are shown: of the process that is followed and those below it, or all.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Happened> {
        let followed = self.view.followed.as_ref().and_then(|key| self.model.find(key));
        let path = followed.map(|node| &*self.model.nodes[node].path);
        self.model.events.iter().filter(move |event| {
            path.is_none_or(|path| {
                event.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        })
    }

    /// Does what a key asks for. Returns whether the viewer shall go on.
    pub(crate) fn press(&mut self, key: KeyEvent) -> bool {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control {
            return !matches!(key.code, KeyCode::Char('c' | 'd'));
        }
        if self.is_typing {
            self.type_filter(key.code);
            return true;
        }
        if self.shows_help {
            self.shows_help = false;
            return key.code != KeyCode::Char('q');
        }
        if let Link::Replay(replay) = &mut self.link {
            match key.code {
                KeyCode::Char(' ') => replay.toggle(&mut self.model),
                KeyCode::Char('.' | 'n') => {
                    replay.is_playing = false;
                    replay.step(&mut self.model);
                }
                KeyCode::Char(',' | 'p') => {
                    replay.is_playing = false;
                    replay.back(&mut self.model);
                }
                KeyCode::Char('<') => replay.go_to(&mut self.model, 0),
                KeyCode::Char('>') => replay.go_to_end(&mut self.model),
                KeyCode::Char('+' | '=') => replay.faster(),
                KeyCode::Char('-') => replay.slower(),
                _ => {}
            }
        }
        match key.code {
            KeyCode::Char('q') => return false,
            KeyCode::Esc => {
                // From the narrowest view to the widest.
                if self.shows_settings {
                    self.shows_settings = false;
                } else if self.shows_events {
                    self.shows_events = false;
                } else if self.view.followed.take().is_none() {
                    self.view.filter.clear();
                }
            }
            KeyCode::Char('?') => self.shows_help = true,
            KeyCode::Enter => self.shows_settings = !self.shows_settings,
            KeyCode::Char('/') => {
                self.is_typing = true;
                (self.shows_events, self.shows_settings) = (false, false);
            }
            KeyCode::Char('s') => self.view.sort = self.view.sort.next(),
            KeyCode::Char('e') => {
                self.shows_events = !self.shows_events;
                self.shows_settings = false;
                self.skipped = 0;
            }
            KeyCode::Char('f') => {
                self.view.followed = match self.view.followed {
                    Some(_) => None,
                    None => self.selected_node().map(|node| self.model.nodes[node].key.clone()),
                };
            }
            code => self.go(code),
        }
        true
    }

    fn go(&mut self, code: KeyCode) {
        let by = match code {
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::PageUp => -(PAGE as isize),
            KeyCode::PageDown => PAGE as isize,
            KeyCode::Home | KeyCode::Char('g') => isize::MIN / 2,
            KeyCode::End | KeyCode::Char('G') => isize::MAX / 2,
            KeyCode::Left | KeyCode::Char('h') => return self.fold(),
            KeyCode::Right | KeyCode::Char('l') => return self.unfold(),
            _ => return,
        };
        if self.shows_events {
            let most = self.events().count().saturating_sub(1);
            self.skipped = self.skipped.saturating_add_signed(-by).min(most);
            return;
        }
        let rows = self.rows();
        let cursor = self.cursor.saturating_add_signed(by).min(rows.len().saturating_sub(1));
        self.select(rows.get(cursor).map(|row| row.node));
    }

    /// Folds the selected process, or goes to the one above it.
    fn fold(&mut self) {
        let Some(index) = self.selected_node() else { return };
        let node = &self.model.nodes[index];
        if !node.children.is_empty() && !self.view.folded.contains(&node.key) {
            self.view.folded.insert(node.key.clone());
            self.select(Some(index));
        } else if node.above.is_some() {
            self.select(node.above);
        }
    }

    fn unfold(&mut self) {
        if let Some(index) = self.selected_node() {
            self.view.folded.remove(&self.model.nodes[index].key);
            self.select(Some(index));
        }
    }

    /// Returns the process on which the cursor is.
    pub(crate) fn selected_node(&mut self) -> Option<usize> {
        let rows = self.rows();
        rows.get(self.cursor).map(|row| row.node)
    }

    fn select(&mut self, node: Option<usize>) {
        self.selected = node.map(|node| self.model.nodes[node].key.clone());
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => {
                self.is_typing = false;
                let words = self.view.words();
                let first = self.rows().iter().map(|row| row.node).find(|node| self.model.has_words(*node, &words));
                self.select(first);
            }
            KeyCode::Esc => {
                self.is_typing = false;
                self.view.filter.clear();
            }
            KeyCode::Backspace => drop(self.view.filter.pop()),
            KeyCode::Char(c) if !c.is_control() => self.view.filter.push(c),
            _ => {}
        }
    }

    /// Returns the name of the order, for the last line.
    pub(crate) fn order(&self) -> &'static str {
        Sort::name(self.view.sort)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::tests::{event, process, shop, snapshot};

    pub(crate) fn app() -> App {
        let link = Link::Live { address: "http://127.0.0.1:1".into(), has_events: true };
        App { model: shop(), ..App::new(link, false) }
    }

    pub(crate) fn press(app: &mut App, keys: &str) {
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '→' => KeyCode::Right,
                '←' => KeyCode::Left,
                '⎋' => KeyCode::Esc,
                c => KeyCode::Char(c),
            };
            assert!(app.press(KeyEvent::from(code)), "{c} ends the viewer");
        }
    }

    fn selected(app: &mut App) -> String {
        let node = app.selected_node().expect("a process");
        app.model.nodes[node].path.clone()
    }

    #[test]
    fn the_selection_follows_its_process() {
        let mut app = app();
        press(&mut app, "jj");
        assert_eq!(selected(&mut app), "shop.web.a");
        press(&mut app, "s");
        assert_eq!((&*selected(&mut app), app.cursor), ("shop.web.a", 3));
        // It has gone, and its neighbour has its place.
        let web = process("shop.web", 2, "running", &[process("shop.web.b", 3, "running", &[])]);
        app.model.apply(snapshot(&process("shop", 1, "running", &[process("shop.api", 5, "running", &[]), web])));
        assert_eq!(selected(&mut app), "shop.web.b");
    }

    #[test]
    fn left_folds_and_then_goes_up_and_right_unfolds() {
        let mut app = app();
        press(&mut app, "jj←");
        assert_eq!(selected(&mut app), "shop.web");
        press(&mut app, "←");
        assert_eq!((app.rows().len(), &*selected(&mut app)), (3, "shop.web"));
        press(&mut app, "→");
        assert_eq!(app.rows().len(), 5);
        press(&mut app, "←←");
        assert_eq!(selected(&mut app), "shop");
    }

    #[test]
    fn a_filter_is_typed_and_taken_back() {
        let mut app = app();
        press(&mut app, "/api q\n");
        assert_eq!((app.view.filter.clone(), app.rows().len()), ("api q".into(), 0));
        press(&mut app, "⎋");
        assert_eq!(app.rows().len(), 5);
        press(&mut app, "/b⎋");
        assert!(app.view.filter.is_empty() && !app.is_typing);
    }

    #[test]
    fn enter_selects_the_first_match_of_a_filter() {
        let mut app = app();
        press(&mut app, "/running web.b\n");
        assert_eq!(selected(&mut app), "shop.web.b");
        for (filter, path) in [("trouble", "shop.web.a"), ("not ready", "shop.web.a"), ("restarting", "shop.web.a")] {
            press(&mut app, &format!("⎋/{filter}\n"));
            assert_eq!(selected(&mut app), path, "{filter}");
        }
    }

    #[test]
    fn following_a_process_narrows_tree_and_events() {
        let mut app = app();
        for (path, id) in [("shop.web.a", 4), ("shop.api", 5), ("shop.web", 2), ("shop.website", 6)] {
            app.model.apply(event(path, id, 1, "ready", &Value::Null, "text"));
        }
        // One that runs again was restarted within the last minute: it is still in trouble.
        press(&mut app, "jf");
        assert_eq!(selected(&mut app), "shop.web");
        assert_eq!(app.events().map(|event| &*event.path).collect::<Vec<_>>(), ["shop.web.a", "shop.web"]);
        assert_eq!(app.rows().len(), 4);
        press(&mut app, "f");
        assert_eq!((app.events().count(), app.rows().len()), (4, 5));
    }

    #[test]
    fn q_and_control_c_end_it() {
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(!app().press(KeyEvent::from(KeyCode::Char('q'))));
        assert!(!app().press(control_c));
        let mut typing = app();
        press(&mut typing, "/q");
        assert!(!typing.press(control_c));
    }

    #[test]
    fn a_lost_connection_is_told_and_a_refusal_ends_it() {
        let mut app = app();
        let gone = || Failure::NoAnswer { address: "x".into(), why: "gone".into() };
        app.receive(Message::Waiting(gone(), Duration::from_secs(1))).expect("it waits");
        let Link::Lost { why, .. } = &app.link else { panic!("{:?}", app.link) };
        assert_eq!(why, "no answer from x: gone; trying again in 1s");
        app.receive(Message::Connected { has_events: true }).expect("it goes on");
        assert!(matches!(app.link, Link::Live { .. }));
        assert!(app.receive(Message::Failed(gone())).is_err());
    }
}
