use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{
    Response, StatusCode,
    body::{Body, Bytes, Frame, SizeHint},
    header::{self, HeaderName, HeaderValue},
};

/// The body of an answer.
pub(crate) type Page = Pin<Box<dyn Body<Data = Bytes, Error = Infallible>>>;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Returns an answer with a text.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response<Page> {
    typed(status, TEXT, text)
}

/// Returns an answer with a text of this type.
pub(crate) fn typed(status: StatusCode, content_type: &'static str, text: impl Into<String>) -> Response<Page> {
    let mut answer = Response::new(Box::pin(Text(Bytes::from(text.into()))) as Page);
    *answer.status_mut() = status;
    let headers: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_TYPE, content_type),
        // It is about this moment.
        (header::CACHE_CONTROL, "no-store"),
        // The texts of errors are of others: no browser may take them for a page.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    answer.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    answer
}

/// A body that is there as a whole.
struct Text(Bytes);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = std::mem::take(&mut self.0);
        Poll::Ready((!text.is_empty()).then(|| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
