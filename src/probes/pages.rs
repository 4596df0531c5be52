use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, ALLOW, HeaderValue},
};
use supervisor_core::{ChildState, SupervisorHandle};

use super::{
    Client, Observer, Render, Service,
    answer::{Page, TEXT, text, typed},
    liveness::Liveness,
    reasons::reasons,
};

const INDEX: &str = "/livez     does the supervisor read its messages in time?
/readyz    is every child that counts ready?
/startupz  is the first start done?
/tree      the tree as JSON; /tree?picture for terminals
/metrics   numbers for Prometheus
";

const NO_METRICS: &str =
    "no metrics here: pass a function that renders them to `Probes::with_metrics`, for example the \
    `render` of a handle of `metrics-exporter-prometheus`
";

/// What the server shows.
pub(super) struct Pages {
    supervisor: SupervisorHandle,
    pub(super) liveness: Liveness,
    metrics: Option<Render>,
    pub(super) observer: Option<Service>,
}

impl Pages {
    pub(super) fn new(
        supervisor: SupervisorHandle,
        liveness_limit: Duration,
        metrics: Option<Render>,
        observer: Option<Observer>,
    ) -> Self {
        let liveness = Liveness::new(supervisor.clone(), liveness_limit);
        let observer = observer.map(|observer| Service::new(observer, supervisor.clone()));
        Self { supervisor, liveness, metrics, observer }
    }

    pub(super) async fn answer(&self, request: &Request<Incoming>, client: &Client) -> Response<Page> {
        if let Some(observer) = &self.observer {
            if let Some(answer) = observer.answer(request, client).await {
                return answer;
            }
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "read only: use GET or HEAD\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/" => text(StatusCode::OK, INDEX),
            "/livez" => self.livez().await,
            "/readyz" => self.readyz().await,
            "/startupz" => self.startupz().await,
            "/tree" => self.tree(wants_picture(request)).await,
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, format!("no such page; there are:\n{INDEX}")),
        }
    }

    async fn livez(&self) -> Response<Page> {
        match self.liveness.check().await {
            // An upper bound: the answer may have waited for this thread.
            Ok(within) => text(StatusCode::OK, format!("live: answered within {within:.1?}\n")),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not live: {reason}\n")),
        }
    }

    async fn readyz(&self) -> Response<Page> {
        // Without a snapshot, which a large tree makes expensive.
        if self.supervisor.is_ready().await {
            return text(StatusCode::OK, "ready\n");
        }
        let tree = self.supervisor.snapshot().await;
        let verdict = match tree.state {
            // By now.
            _ if tree.ready => return text(StatusCode::OK, "ready\n"),
            ChildState::Stopping | ChildState::Stopped => "not ready: shutting down",
            ChildState::Starting => "not ready: starting",
            _ => "not ready",
        };
        text(StatusCode::SERVICE_UNAVAILABLE, format!("{verdict}\n{}", reasons(&tree)))
    }

    async fn startupz(&self) -> Response<Page> {
        if self.supervisor.is_ready().await {
            return text(StatusCode::OK, "started\n");
        }
        let tree = self.supervisor.snapshot().await;
        // R2: a supervisor runs when it has been ready once. So this survives a restart of the probes, too.
        match tree.state {
            ChildState::Running | ChildState::Stopping => text(StatusCode::OK, "started\n"),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, format!("not started\n{}", reasons(&tree))),
        }
    }

    async fn tree(&self, is_picture: bool) -> Response<Page> {
        let tree = self.supervisor.snapshot().await;
        if is_picture {
            return text(StatusCode::OK, format!("{tree}\n"));
        }
        match serde_json::to_string(&tree) {
            Ok(json) => typed(StatusCode::OK, "application/json", json),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the tree cannot be serialized: {error}\n")),
        }
    }

    fn metrics(&self) -> Response<Page> {
        let Some(render) = &self.metrics else { return text(StatusCode::NOT_FOUND, NO_METRICS) };
        // P9: foreign code. A panic in it must not restart the probes.
        match catch_unwind(AssertUnwindSafe(|| render())) {
            Ok(numbers) => typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", numbers),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the function of `with_metrics` panicked\n"),
        }
    }
}

fn wants_picture(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    request.uri().query() == Some("picture") || accept.starts_with(TEXT.split(';').next().unwrap_or_default())
}
