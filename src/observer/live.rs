//! What all open pages see: frames of the stream, each made once and shared.
//!
//! No page can hold up the tree, or another page. The frames since the last snapshot are kept, and no others; a page that is
//! further behind goes on from that snapshot, and is told how many events it has missed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    task::Waker,
    time::Duration,
};

use async_channel::{Receiver, Sender};
use async_io::Timer;
use hyper::body::Bytes;
use supervisor_core::SupervisorHandle;

use super::{
    lines,
    source::{Source, TICK},
    viewer::Viewer,
};

/// How many bytes of events are sent to a page in one tick. A person reads less.
const EVENTS: usize = 32 << 10;

/// How many bytes of snapshots are written per second, to all pages together.
const PER_SECOND: f64 = 8e6;

/// The stream, and the pages that follow it.
pub(super) struct Live {
    supervisor: SupervisorHandle,
    max_viewers: usize,
    hello: Bytes,
    state: RefCell<State>,
    /// Tells that the first page has come.
    arrived: (Sender<()>, Receiver<()>),
}

#[derive(Default)]
struct State {
    frames: VecDeque<Sent>,
    /// The number of the first of these frames.
    first: u64,
    /// The number of the last frame that is a snapshot.
    snapshot: Option<u64>,
    /// The number of events up to now, with those that are in no frame.
    events: u64,
    viewers: usize,
    /// Those that have seen all frames.
    waiting: BTreeMap<u64, Waker>,
    next_viewer: u64,
}

struct Sent {
    bytes: Bytes,
    is_snapshot: bool,
    /// The number of events up to its end.
    events: u64,
}

/// How far a page is.
#[derive(Default)]
pub(super) struct Position {
    /// The number of its next frame. `None` before the first one.
    next: Option<u64>,
    events: u64,
}

impl Live {
    pub(super) fn new(supervisor: SupervisorHandle, max_viewers: usize, may_control: bool) -> Self {
        Self {
            supervisor,
            max_viewers,
            hello: frame([lines::hello(may_control)]),
            state: RefCell::default(),
            arrived: async_channel::bounded(1),
        }
    }

    /// Makes the frames while there are pages. Never ends.
    pub(super) async fn run(&self) {
        while self.arrived.1.recv().await.is_ok() {
            let mut source = Source::new(self.supervisor.clone());
            while self.state.borrow().viewers > 0 {
                let happened = source.happened(EVENTS).await;
                let lost = (happened.lost > 0).then(|| lines::lost(happened.lost));
                let events = happened.lost + happened.lines.len() as u64;
                self.publish(false, events, frame(lost.into_iter().chain(happened.lines)));
                let viewers = self.state.borrow().viewers;
                let pace = |bytes: usize| Duration::from_secs_f64((bytes * viewers) as f64 / PER_SECOND);
                if let Some(snapshot) = source.snapshot_if_due(pace).await {
                    self.publish(true, 0, frame([snapshot]));
                }
                Timer::after(TICK).await;
            }
            // Nothing is kept for pages that may come.
            let mut state = self.state.borrow_mut();
            state.first += state.frames.len() as u64;
            state.frames = VecDeque::new();
            state.snapshot = None;
        }
    }

    fn publish(&self, is_snapshot: bool, events: u64, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state.borrow_mut();
        state.events += events;
        if is_snapshot {
            // A new page begins here, and so does one that is too far behind. One that is on its way goes on.
            let last = state.snapshot.map_or(state.frames.len(), |last| (last - state.first) as usize);
            state.frames.drain(..last);
            state.first += last as u64;
            state.snapshot = Some(state.first + state.frames.len() as u64);
        }
        let events = state.events;
        state.frames.push_back(Sent { bytes, is_snapshot, events });
        let woken = std::mem::take(&mut state.waiting);
        drop(state);
        woken.into_values().for_each(Waker::wake);
    }

    /// Adds a page. `None` if there are too many.
    pub(super) fn join(self: Rc<Self>) -> Option<Viewer> {
        let number = {
            let mut state = self.state.borrow_mut();
            if state.viewers >= self.max_viewers {
                return None;
            }
            state.viewers += 1;
            state.next_viewer += 1;
            state.next_viewer
        };
        // If there is no room, the loop has not yet seen an earlier one.
        let _ = self.arrived.0.try_send(());
        let hello = self.hello.clone();
        Some(Viewer::new(self, number, hello))
    }

    pub(super) fn leave(&self, viewer: u64) {
        let mut state = self.state.borrow_mut();
        state.viewers -= 1;
        state.waiting.remove(&viewer);
    }

    /// Returns the next frame for a page, and how many events it has missed before that. `None` if it has to wait.
    pub(super) fn next(&self, viewer: u64, position: &mut Position, waker: &Waker) -> Option<(u64, Bytes)> {
        let mut state = self.state.borrow_mut();
        let end = state.first + state.frames.len() as u64;
        let is_old = |number: u64| state.snapshot.is_some_and(|last| number < last);
        let number = match position.next {
            Some(next) if next >= state.first => {
                // An older snapshot is of no use.
                let index = (next - state.first) as usize;
                let is_stale = state.frames.get(index).is_some_and(|frame| frame.is_snapshot) && is_old(next);
                Some(next + u64::from(is_stale))
            }
            _ => state.snapshot,
        };
        let Some(number) = number.filter(|number| *number < end) else {
            state.waiting.insert(viewer, waker.clone());
            return None;
        };
        let frame = &state.frames[(number - state.first) as usize];
        let is_next = position.next.is_none_or(|next| next >= state.first);
        let missed = if is_next { 0 } else { frame.events - position.events };
        *position = Position { next: Some(number + 1), events: frame.events };
        Some((missed, frame.bytes.clone()))
    }
}

/// Returns the form of lines in a stream of server-sent events. A line has no line break.
pub(super) fn frame(lines: impl IntoIterator<Item = String>) -> Bytes {
    let mut text = String::new();
    for line in lines {
        text.push_str("data: ");
        text.push_str(&line);
        text.push_str("\n\n");
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_lite::future::{block_on, poll_once};
    use supervisor_core::Supervisor;

    use super::*;

    fn live(max_viewers: usize) -> Rc<Live> {
        let supervisor = Supervisor::new("root").expect("a name").handle();
        Rc::new(Live::new(supervisor, max_viewers, false))
    }

    /// Publishes a frame with this text. A digit is a frame of one event.
    fn publish(live: &Live, text: &'static str) {
        live.publish(text.starts_with('s'), text.len() as u64, Bytes::from_static(text.as_bytes()));
    }

    fn next(live: &Live, position: &mut Position) -> Option<(u64, String)> {
        let next = live.next(1, position, Waker::noop());
        next.map(|(missed, bytes)| (missed, String::from_utf8(bytes.to_vec()).expect("text")))
    }

    fn all(live: &Live, position: &mut Position) -> Vec<String> {
        std::iter::from_fn(|| next(live, position)).map(|(_, text)| text).collect()
    }

    #[test]
    fn a_page_begins_with_the_last_snapshot() {
        let (live, mut position) = (live(1), Position::default());
        publish(&live, "1");
        assert_eq!(next(&live, &mut position), None, "no snapshot yet");
        for text in ["s1", "2", "s2", "3"] {
            publish(&live, text);
        }
        assert_eq!(all(&live, &mut position), ["s2", "3"]);
        publish(&live, "4");
        assert_eq!(all(&live, &mut position), ["4"]);
    }

    #[test]
    fn a_page_that_is_behind_sees_each_event_once() {
        let (live, mut position) = (live(1), Position::default());
        for text in ["s1", "1"] {
            publish(&live, text);
        }
        assert_eq!(next(&live, &mut position), Some((0, "s1".into())));
        for text in ["s2", "2"] {
            publish(&live, text);
        }
        // The snapshots are those of others.
        assert_eq!(all(&live, &mut position), ["1", "s2", "2"]);
    }

    #[test]
    fn a_page_that_is_far_behind_skips_to_a_snapshot() {
        let (live, mut position) = (live(1), Position::default());
        for text in ["s1", "1"] {
            publish(&live, text);
        }
        assert_eq!(all(&live, &mut position), ["s1", "1"]);
        for text in ["2", "3", "s2", "4", "s3", "5"] {
            publish(&live, text);
        }
        // The events 2 to 4, and the two bytes of each snapshot.
        let (missed, text) = next(&live, &mut position).expect("a frame");
        assert_eq!((missed, &*text), (7, "s3"));
        assert_eq!(all(&live, &mut position), ["5"]);
    }

    #[test]
    fn only_frames_since_the_last_but_one_snapshot_are_kept() {
        let live = live(1);
        for _ in 0..100 {
            for text in ["s1", "1", "2", "3"] {
                publish(&live, text);
            }
        }
        assert_eq!(live.state.borrow().frames.len(), 8);
    }

    #[test]
    fn without_a_page_nothing_is_subscribed_or_kept() {
        let live = live(1);
        let mut run = pin!(live.run());
        block_on(poll_once(run.as_mut()));
        assert!(live.state.borrow().frames.is_empty());
        let viewer = live.clone().join().expect("room");
        assert!(live.clone().join().is_none(), "there is room for one");
        block_on(poll_once(run.as_mut()));
        assert!(!live.state.borrow().frames.is_empty());
        drop(viewer);
        while !live.state.borrow().frames.is_empty() {
            block_on(poll_once(run.as_mut()));
        }
        assert!(live.state.borrow().waiting.is_empty());
    }
}
