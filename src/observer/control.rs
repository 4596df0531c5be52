//! Changes that an operator makes from the page: each is a call of a [`SupervisorHandle`], and is logged.

use std::net::SocketAddr;

use hyper::{Response, StatusCode};
use supervisor_core::{ChildId, Snapshot, SupervisorError, SupervisorHandle, process};
use tracing::{info, warn};

use crate::probes::answer::{Page, text};

const NO_ACTION: &str = "no such action; there are:\n\
    POST /children/ID/restart    starts a stopped child\n\
    POST /children/ID/reload     stops a child in order, and starts it again\n\
    POST /children/ID/terminate  stops a child in order, for good\n";

pub(super) struct Control {
    supervisor: SupervisorHandle,
    /// The child that answers.
    own: Option<ChildId>,
}

#[derive(Clone, Copy)]
enum Action {
    Restart,
    Reload,
    Terminate,
}

impl Control {
    pub(super) fn new(supervisor: SupervisorHandle) -> Self {
        Self { supervisor, own: process::current().map(|own| own.child_id()) }
    }

    /// Logs that a request for a change was refused.
    pub(super) fn refused(&self, status: StatusCode, peer: SocketAddr) {
        warn!(target: "supervision", %peer, status = status.as_u16(), "observer: a change was refused");
    }

    /// Carries out a change: `17/reload`.
    pub(super) async fn change(&self, target: &str, peer: SocketAddr) -> Response<Page> {
        let parsed = target.split_once('/').and_then(|(id, action)| Some((id.parse().ok()?, Action::named(action)?)));
        let Some((number, action)) = parsed else { return text(StatusCode::NOT_FOUND, NO_ACTION) };
        let Some((supervisor, id, path)) = self.find(number).await else {
            return text(StatusCode::NOT_FOUND, format!("there is no child {number} here any more\n"));
        };
        let name = action.name();
        if self.own == Some(id) && matches!(action, Action::Terminate) {
            return text(StatusCode::CONFLICT, format!("{path} answers this request, so it cannot {name} itself\n"));
        }
        info!(target: "supervision", %peer, path, child_id = number, action = name, "observer: {name} {path}, for {peer}");
        match action.carry_out(&supervisor, id).await {
            Ok(()) => text(StatusCode::OK, format!("{path}: {name}: done\n")),
            Err(error) => {
                warn!(target: "supervision", %peer, path, child_id = number, action = name,
                    "observer: {name} {path}, for {peer}, failed: {error:#}");
                text(StatusCode::CONFLICT, format!("{path}: {name}: {error:#}\n"))
            }
        }
    }

    /// Returns a child below, with the supervisor of it.
    async fn find(&self, number: u64) -> Option<(SupervisorHandle, ChildId, String)> {
        let tree = self.supervisor.snapshot().await;
        let child = |above: &Snapshot| {
            let found = above.children.iter().find(|child| child.id.is_some_and(|id| id.as_u64() == number))?;
            Some((above.path.clone(), found.id?, found.path.clone()))
        };
        let (above, id, path) = tree.iter().find_map(child)?;
        let supervisor = match above == tree.path {
            true => self.supervisor.clone(),
            false => self.supervisor.supervisor(&above).await.ok()?,
        };
        // D2: another supervisor may have the same name.
        supervisor.child(id).await.ok()?;
        Some((supervisor, id, path))
    }
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        [Self::Restart, Self::Reload, Self::Terminate].into_iter().find(|action| action.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Terminate => "terminate",
        }
    }

    async fn carry_out(self, supervisor: &SupervisorHandle, id: ChildId) -> Result<(), SupervisorError> {
        match self {
            Self::Restart => supervisor.restart_child(id).await,
            Self::Reload => supervisor.reload_child(id).await,
            Self::Terminate => supervisor.terminate_child(id).await,
        }
    }
}
