use std::rc::Rc;

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
        REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use supervisor_core::SupervisorHandle;

use super::{Observer, control::Control, gate::Refusal, live::Live};
use crate::probes::{
    Client,
    answer::{Page, text, typed},
};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the page: where, their type, and what is in them.
const FILES: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/observer/style.css", STYLE, include_str!("page/style.css")),
    ("/observer/main.js", SCRIPT, include_str!("page/main.js")),
    ("/observer/model.js", SCRIPT, include_str!("page/model.js")),
    ("/observer/words.js", SCRIPT, include_str!("page/words.js")),
    ("/observer/tree.js", SCRIPT, include_str!("page/tree.js")),
    ("/observer/details.js", SCRIPT, include_str!("page/details.js")),
    ("/observer/timeline.js", SCRIPT, include_str!("page/timeline.js")),
    ("/observer/stream.js", SCRIPT, include_str!("page/stream.js")),
    ("/observer/player.js", SCRIPT, include_str!("page/player.js")),
];

/// The page loads its own files, and asks this server. It has no inline code, and no text becomes a part of the document.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const TOO_MANY: &str = "too many pages show this tree; close one, or raise `Observer::with_max_viewers`\n";

/// Answers the requests for the page, for its data, and for changes.
pub(crate) struct Service {
    observer: Observer,
    live: Rc<Live>,
    control: Control,
}

impl Service {
    pub(crate) fn new(observer: Observer, supervisor: SupervisorHandle) -> Self {
        let may_control = observer.control_token.is_some();
        let live = Rc::new(Live::new(supervisor.clone(), observer.max_viewers(), may_control));
        Self { observer, live, control: Control::new(supervisor) }
    }

    /// Feeds the open pages. Never ends.
    pub(crate) async fn run(&self) {
        self.live.run().await;
    }

    /// Returns the answer to a request that is for the observer, and `None` for the others.
    pub(crate) async fn answer(&self, request: &Request<Incoming>, client: &Client) -> Option<Response<Page>> {
        let path = request.uri().path();
        if let Some((_, content_type, content)) = FILES.iter().find(|(place, ..)| *place == path) {
            return Some(self.file(request, content_type, content));
        }
        match path {
            "/events" => Some(self.events(request, client)),
            // It shows the same data, so it is as hard to get. The other pages are for orchestrators, which use addresses.
            "/tree" => self.observer.admit_reader(request).err().map(Refusal::answer),
            path => Some(self.change(request, path.strip_prefix("/children/")?, client).await),
        }
    }

    fn file(&self, request: &Request<Incoming>, content_type: &'static str, content: &'static str) -> Response<Page> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return wrong_method("GET, HEAD");
        }
        match self.observer.admit(request) {
            Ok(()) => secured(typed(StatusCode::OK, content_type, content)),
            Err(refused) => refused.answer(),
        }
    }

    fn events(&self, request: &Request<Incoming>, client: &Client) -> Response<Page> {
        if request.method() != Method::GET {
            return wrong_method("GET");
        }
        if let Err(refused) = self.observer.admit_reader(request) {
            return refused.answer();
        }
        let Some(viewer) = self.live.clone().join() else { return text(StatusCode::SERVICE_UNAVAILABLE, TOO_MANY) };
        // It may stay for days, and must not take the place of a probe.
        client.release();
        let mut answer = Response::new(Box::pin(viewer) as Page);
        let headers = answer.headers_mut();
        let pairs: [(HeaderName, &'static str); 4] = [
            (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // It has no place any more, so no further request comes on it.
            (CONNECTION, "close"),
        ];
        headers.extend(pairs.map(|(name, value)| (name, HeaderValue::from_static(value))));
        answer
    }

    async fn change(&self, request: &Request<Incoming>, target: &str, client: &Client) -> Response<Page> {
        if request.method() != Method::POST {
            return wrong_method("POST");
        }
        match self.observer.admit_control(request) {
            Ok(()) => self.control.change(target, client.address).await,
            Err(refused) => {
                self.control.refused(refused.status(), client.address);
                refused.answer()
            }
        }
    }
}

fn wrong_method(allowed: &'static str) -> Response<Page> {
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, format!("this page takes {allowed}\n"));
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    refused
}

fn secured(mut page: Response<Page>) -> Response<Page> {
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    page.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    page
}
