//! Kills workers and connections many times a second, to show that clients do not notice.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use supervision::{ChildId, ChildSpec, Exit, SupervisorError, SupervisorHandle, process, worker};

use crate::server::Server;

/// How often something is killed.
const KILL_EVERY: Duration = Duration::from_millis(10);
/// The workers that are killed.
const WORKERS: [&str; 4] = ["acceptor", "reporter", "sweeper", "syncer"];
/// How many things are killed for each kill of the flusher: it is killed once or twice a second. All clients that set keys wait
/// while it is restarted.
const FLUSHER_EVERY: u64 = 60;
/// The name of clients whose connections are killed. Others have to be spared: redis-benchmark ends when it loses one.
const VICTIM: &[u8] = b"victim";

/// The connections that may be killed.
#[derive(Debug, Default)]
pub struct Chaos(Mutex<Vec<ChildId>>);

impl Chaos {
    /// Notes the connection that calls this, if its client has this name.
    pub fn note_name(&self, name: &[u8]) {
        if let Some(process) = process::current().filter(|_| name == VICTIM) {
            self.victims().push(process.child_id());
        }
    }

    fn victims(&self) -> std::sync::MutexGuard<'_, Vec<ChildId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection out at random.
    fn pick(&self) -> Option<ChildId> {
        let mut victims = self.victims();
        (!victims.is_empty()).then(|| fastrand::usize(..victims.len())).map(|index| victims.swap_remove(index))
    }
}

/// Returns the child that kills: in turn a worker of the service, and a connection.
///
/// It stops before the service does, and only when all that it has killed runs again. So a stop of the service is as orderly as
/// without it.
pub fn chaos(server: &Arc<Server>, service: SupervisorHandle, connections: SupervisorHandle) -> ChildSpec {
    let server = server.clone();
    worker("chaos", move |shutdown| {
        let (server, service, connections) = (server.clone(), service.clone(), connections.clone());
        async move {
            for count in 0_u64.. {
                if shutdown.run_until(process::sleep(KILL_EVERY)).await.is_none() {
                    break;
                }
                let (supervisor, victim) = if count % 2 == 0 {
                    let is_flusher = count % FLUSHER_EVERY == 0;
                    let name = if is_flusher { "flusher" } else { WORKERS[fastrand::usize(..WORKERS.len())] };
                    let named = service.find(name).await.unwrap_or_default();
                    (&service, named.first().map(|child| child.id))
                } else {
                    (&connections, server.chaos.pick())
                };
                if let Some(victim) = victim {
                    // A client may have gone, and a worker may be restarting.
                    let killed = kill(supervisor, victim).await.is_ok();
                    server.counters.killed.fetch_add(killed.into(), Relaxed);
                }
            }
            while !service.snapshot().await.ready {
                process::sleep(Duration::from_millis(1)).await;
            }
        }
    })
}

/// Kills a process, and waits until it is gone.
async fn kill(supervisor: &SupervisorHandle, child: ChildId) -> Result<Exit, SupervisorError> {
    let exit = supervisor.monitor(child)?;
    supervisor.kill_child(child).await?;
    Ok(exit.await)
}
