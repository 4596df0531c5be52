//! What the service answers.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use supervision::{Exit, SupervisorHandle};
use tokio::sync::{mpsc, watch};

use crate::{
    jobs::{self, Job, NoResult},
    writer::Row,
};

const NO_ANSWER: &str = "the upstream has not answered yet";

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct App {
    /// The part of the tree that serves.
    pub(crate) api: SupervisorHandle,
    pub(crate) jobs: SupervisorHandle,
    pub(crate) rows: mpsc::Sender<Row>,
    /// The last answer of the upstream.
    pub(crate) answer: watch::Receiver<Option<String>>,
}

pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/live", get(|| async { "alive" })) // the answer is the proof
        .route("/ready", get(ready))
        .route("/answer", get(answer))
        .route("/jobs", post(run_job).get(count_jobs))
        .with_state(app)
}

type Answer = (StatusCode, String);

/// Answers whether this service may have requests: from the state of the tree, which it does not wait for, and from a
/// condition of its own.
async fn ready(State(app): State<App>) -> Answer {
    let snapshot = app.api.snapshot().await;
    if !snapshot.ready {
        (StatusCode::SERVICE_UNAVAILABLE, snapshot.to_string())
    } else if app.answer.borrow().is_none() {
        (StatusCode::SERVICE_UNAVAILABLE, NO_ANSWER.to_owned())
    } else {
        (StatusCode::OK, "ready".to_owned())
    }
}

async fn answer(State(app): State<App>) -> Answer {
    match app.answer.borrow().clone() {
        Some(answer) => (StatusCode::OK, answer),
        None => (StatusCode::SERVICE_UNAVAILABLE, NO_ANSWER.to_owned()),
    }
}

async fn run_job(State(app): State<App>, Json(job): Json<Job>) -> Answer {
    match jobs::run(&app.jobs, job, app.rows).await {
        Ok(quotient) => (StatusCode::OK, quotient.to_string()),
        Err(NoResult::Refused(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(NoResult::Ended(exit @ Exit::Panicked(_))) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the job {exit}"))
        }
        Err(NoResult::Ended(exit)) => (StatusCode::SERVICE_UNAVAILABLE, format!("the job {exit}")),
    }
}

async fn count_jobs(State(app): State<App>) -> Answer {
    match app.jobs.count().await {
        Ok(count) => (StatusCode::OK, count.active.to_string()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}
