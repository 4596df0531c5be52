use std::{
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

type Call = Pin<Box<dyn Future<Output = ()>>>;

/// The calls that were made and not answered yet.
#[derive(Default)]
pub(crate) struct Calls(Vec<(String, Call)>);

impl Calls {
    pub(crate) fn add(&mut self, what: String, call: Call) {
        self.0.push((what, call));
    }

    /// Takes answers, for as long as this is polled.
    pub(crate) async fn answer<T>(&mut self) -> Option<T> {
        let never: Option<Infallible> = poll_fn(|cx| {
            self.take_answers(cx);
            Poll::Pending
        })
        .await;
        never.map(|never| match never {})
    }

    /// Waits until all are answered.
    pub(crate) async fn all_answered(&mut self) {
        poll_fn(|cx| {
            self.take_answers(cx);
            if self.0.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn take_answers(&mut self, cx: &mut Context<'_>) {
        self.0.retain_mut(|(_, call)| call.as_mut().poll(cx).is_pending());
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(|(what, _)| &**what).collect();
        f.write_str(&all.join(", "))
    }
}
