//! The steps of a script, done to the models.

use reference_model::{ChildState, Reply};
use serde_json::{Value, json};

use super::{Judge, part::Part, supervisor::Live};
use crate::scenario::{How, Node, Shutdown, Step};

impl Judge {
    pub(super) fn perform(&mut self, step: &Step) {
        let reply = match step.op.as_str() {
            "exit" => Some(self.exit(step)),
            "release" => {
                let worker = self.root.as_mut().and_then(|root| root.worker(&step.target));
                worker.into_iter().for_each(|worker| worker.release());
                None
            }
            "wait_ms" => {
                self.world.now += std::time::Duration::from_millis(step.ms.unwrap_or(0));
                None
            }
            "stop" => return self.stop(),
            "start_child" | "which_children" | "count_children" => self.ask(step),
            _ => self.ask_about(step),
        };
        if let Some(reply) = reply {
            self.replies.insert(self.step, reply);
        }
        self.take_answers();
    }

    pub(super) fn stop(&mut self) {
        match &mut self.root {
            Some(root) if self.stopped_by.is_none() => {
                self.stopped_by = Some(self.step);
                root.shut_down(false, &mut self.world);
                self.take_answers();
            }
            _ => drop(self.replies.insert(self.step, "error:noproc".into())),
        }
    }

    /// Takes the models' answers since the last call.
    pub(super) fn take_answers(&mut self) {
        for (step, reply, is_ignored) in self.world.answers.drain(..) {
            let reply = match reply {
                Reply::Ok if is_ignored => "ok:ignored",
                Reply::Ok => "ok",
                Reply::NotFound => "error:not_found",
                Reply::NotRunning => "error:not_running",
                Reply::Running => "error:running",
                Reply::Restarting => "error:restarting",
                Reply::Stopping => "error:stopping",
                Reply::Stuck => "error:stuck",
                Reply::RunsOnce => "error:runs_once",
                Reply::Dynamic => "error:dynamic",
                Reply::AtCapacity => "error:at_capacity",
                Reply::NameTaken { is_running: true } => "error:already_started",
                Reply::NameTaken { is_running: false } => "error:already_present",
                // OTP's supervisor is gone before it would answer.
                Reply::ShuttingDown => "error:noproc",
                Reply::WouldDeadlock => "error:would_deadlock",
                Reply::FailedToStart => "error:start_failed",
            };
            if let Some(part) = self.added.remove(&step) {
                if reply.starts_with("ok") {
                    part.become_known();
                }
            }
            self.replies.insert(step, reply.into());
        }
    }

    fn exit(&mut self, step: &Step) -> Value {
        let how = step.how.expect("how");
        let not_running = || "error:not_running".into();
        let (Some(root), Some((above, name))) = (&mut self.root, step.target.rsplit_once('/')) else {
            return not_running();
        };
        match root.worker(&step.target).filter(|worker| worker.is_running()) {
            None => return not_running(),
            Some(worker) if !matches!(how, How::Kill) => {
                worker.end(how, self.world.now);
                return "ok".into();
            }
            Some(_) => {}
        }
        let Some(parent) = root.find(above) else { return not_running() };
        let child = parent.child(name).expect("a child that runs");
        parent.model.kill_child(child, self.step, self.world.now);
        parent.go_on(&mut self.world);
        // Its answer is that of this step.
        "ok".into()
    }

    /// Makes a call on the supervisor at the target.
    fn ask(&mut self, step: &Step) -> Option<Value> {
        let Some(supervisor) = self.root.as_mut().and_then(|root| root.find(&step.target)) else {
            return Some("error:noproc".into());
        };
        match step.op.as_str() {
            "which_children" => Some(rows(supervisor)),
            "count_children" => Some(counts(supervisor)),
            _ => {
                let node = step.spec.clone().unwrap_or_else(|| instance(supervisor, step));
                let part = Part::new(&node, Some(&step.target));
                if !part.is_valid_below(Some(&supervisor.part)) {
                    return Some("error:invalid_spec".into());
                }
                self.added.insert(self.step, part.clone());
                supervisor.add(&part, self.step, &mut self.world);
                None
            }
        }
    }

    /// Makes a call on a supervisor about its child at the target.
    fn ask_about(&mut self, step: &Step) -> Option<Value> {
        let (above, name) = step.target.rsplit_once('/').expect("a child");
        let Some(supervisor) = self.root.as_mut().and_then(|root| root.find(above)) else {
            return Some("error:noproc".into());
        };
        let (number, now, op) = (self.step, self.world.now, step.op.as_str());
        let Some(child) = supervisor.child(name) else {
            return Some(match op {
                _ if !supervisor.part.is_dynamic() => "error:not_found".into(),
                "terminate_child" | "get_childspec" => "error:not_running".into(),
                _ => "error:dynamic".into(),
            });
        };
        match op {
            "terminate_child" => supervisor.model.terminate_child(child, number.into(), now),
            "restart_child" => supervisor.model.restart_child(child, number.into(), now),
            "delete_child" => supervisor.model.delete_child(child, number),
            _ => return Some(specification(&supervisor.parts[&child].node)),
        }
        supervisor.go_on(&mut self.world);
        None
    }
}

/// Makes an instance of a dynamic supervisor: the template, with the changes of the step.
fn instance(supervisor: &Live, step: &Step) -> Node {
    let template = supervisor.part.node.template.as_deref().expect("a dynamic supervisor").clone();
    let start = step.start.clone().unwrap_or_else(|| template.start.clone());
    let on_shutdown = step.on_shutdown.unwrap_or(template.on_shutdown);
    Node { id: step.instance.clone(), start, on_shutdown, ..template }
}

fn rows(supervisor: &Live) -> Value {
    let is_dynamic = supervisor.part.is_dynamic();
    let row = |(id, state): (usize, ChildState)| {
        let state = match state {
            ChildState::Running => "running",
            ChildState::Stopped => "stopped",
            ChildState::Restarting => "restarting",
            // OTP cannot be asked in these states.
            ChildState::Starting => "starting",
            ChildState::Stopping => "stopping",
        };
        let part = &supervisor.parts[&id];
        // OTP knows a child of a dynamic supervisor by its process alone.
        let id = (!is_dynamic || state != "restarting").then(|| part.id());
        json!({"id": id, "type": part.node.r#type, "state": state})
    };
    let mut rows: Vec<_> = supervisor.model.children().map(|(id, _, state)| row((id, state))).collect();
    if is_dynamic {
        rows.sort_by_key(|row| row["id"].as_str().map(str::to_owned));
    }
    rows.into()
}

fn counts(supervisor: &Live) -> Value {
    let parts = || supervisor.model.children().map(|(id, ..)| &supervisor.parts[&id]);
    let supervisors = parts().filter(|part| part.is_supervisor()).count();
    let all = parts().count();
    let active = supervisor.model.children().filter(|(.., state)| *state == ChildState::Running).count();
    // OTP counts the template.
    let specs = if supervisor.part.is_dynamic() { 1 } else { all };
    json!({"specs": specs, "active": active, "supervisors": supervisors, "workers": all - supervisors})
}

fn specification(node: &Node) -> Value {
    let shutdown = match node.shutdown {
        _ if node.r#type == "supervisor" => json!("infinity"),
        Some(Shutdown::Brutal) => json!("brutal"),
        Some(Shutdown::Infinity) => json!("infinity"),
        Some(Shutdown::GracefulMs(ms)) => json!({"graceful_ms": ms}),
        None => json!({"graceful_ms": 5000}),
    };
    json!({"restart": node.restart, "shutdown": shutdown, "significant": node.significant, "type": node.r#type})
}
