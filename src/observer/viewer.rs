use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::body::{Body, Bytes, Frame};

use super::{
    lines,
    live::{self, Live, Position},
};

/// How many bytes are given to the connection at once. It keeps no more than a few of these.
const PIECE: usize = 16 << 10;

/// How long a page may take for one frame. Beyond that it is dropped, because the frame is kept in memory for it.
const LIMIT: Duration = Duration::from_secs(10);

/// The stream of one page, as the body of an answer that does not end.
pub(super) struct Viewer {
    live: Rc<Live>,
    number: u64,
    position: Position,
    /// What is left of the current frame.
    rest: Bytes,
    begun: Instant,
}

impl Viewer {
    pub(super) fn new(live: Rc<Live>, number: u64, hello: Bytes) -> Self {
        Self { live, number, position: Position::default(), rest: hello, begun: Instant::now() }
    }
}

impl Body for Viewer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let Some((missed, frame)) = this.live.next(this.number, &mut this.position, cx.waker()) else {
                return Poll::Pending;
            };
            this.rest = frame;
            this.begun = Instant::now();
            if missed > 0 {
                return Poll::Ready(Some(Ok(Frame::data(live::frame([lines::lost(missed)])))));
            }
        }
        if this.begun.elapsed() > LIMIT {
            return Poll::Ready(None);
        }
        let length = this.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.live.leave(self.number);
    }
}
