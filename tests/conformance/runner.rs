//! Builds the tree of a scenario, plays its script, and compares what happens with its trace.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_lite::future::poll_once;
use serde_json::{Value, json};
use supervisor_core::{
    AutoShutdown, ChildInfo, ChildKind, ChildSpec, ChildState, RestartMode, RestartStrategy, RestartType,
    SupervisionTree, Supervisor, SupervisorError,
};

use super::{
    harness::World,
    scenario::{Entry, How, Node, Scenario, Step},
    stage::{Actor, Stage},
    trace,
};

type Reply = Pin<Box<dyn Future<Output = Value>>>;

/// Plays the scenario. An error says where the trace differs.
pub(crate) async fn run(scenario: &Scenario, world: World) -> Result<(), String> {
    let mut play = Play { stage: Arc::default(), world, tree: None, pending: Vec::new(), step: 0 };
    let mut expected = scenario.trace.iter();
    let mut next = || expected.next().ok_or("the trace ends too early");

    let reply = play.start(&scenario.tree).await;
    play.compare(Some(reply), next()?).await?;
    for step in &scenario.script {
        play.step += 1;
        let reply = play.perform(step).await;
        play.compare(reply, next()?).await?;
    }
    let root = play.root(&scenario.trace[0]).await;
    if root != scenario.root {
        return Err(format!("the root is {root}, not {}", scenario.root));
    }
    if root == "running" {
        play.step += 1;
        let stop = serde_json::from_value(json!({"op": "stop"})).expect("a step");
        let reply = play.perform(&stop).await;
        play.compare(reply, next()?).await?;
    }
    match next() {
        Ok(entry) => Err(format!("the trace goes on: {entry:?}")),
        Err(_) => Ok(()),
    }
}

struct Play {
    stage: Arc<Stage>,
    world: World,
    tree: Option<SupervisionTree>,
    /// Replies that have not come yet, by step.
    pending: Vec<(usize, Reply)>,
    step: usize,
}

impl Play {
    async fn start(&mut self, root: &Node) -> Value {
        let started = self.world.start(self.supervisor(root, "")).await;
        let reply = match started {
            Ok(tree) => {
                self.tree = Some(tree);
                self.world.probe.note("started root");
                "ok"
            }
            Err(error) => {
                self.world.probe.note("start_failed root error");
                match error {
                    SupervisorError::InvalidSpec { .. } | SupervisorError::InvalidName { .. } => "error:invalid_spec",
                    _ => "error:start_failed",
                }
            }
        };
        self.world.probe.quiet().await;
        reply.into()
    }

    /// Performs a step, and waits until all is quiet. The reply, unless it is still to come.
    async fn perform(&mut self, step: &Step) -> Option<Value> {
        let reply: Reply = match step.op.as_str() {
            "exit" => self.exit(step).await,
            "release" => {
                self.stage.release(&step.target, self.world.probe.busy());
                self.world.probe.quiet().await;
                return None;
            }
            "wait_ms" => {
                self.world.sleep(Duration::from_millis(step.ms.unwrap_or(0))).await;
                self.world.probe.quiet().await;
                return None;
            }
            "stop" => self.stop(),
            "which_children" => {
                let supervisor = self.stage.supervisor(&step.target);
                Box::pin(async move {
                    supervisor.children().await.map_or_else(refused, |rows| rows.iter().map(row).collect())
                })
            }
            "count_children" => {
                let supervisor = self.stage.supervisor(&step.target);
                Box::pin(async move {
                    supervisor.count().await.map_or_else(refused, |counts| {
                        json!({
                            "specs": counts.specs, "active": counts.active,
                            "supervisors": counts.supervisors, "workers": counts.workers,
                        })
                    })
                })
            }
            other => panic!("no such step: {other}"),
        };
        let mut reply = reply;
        // Sends the request.
        let mut answer = poll_once(&mut reply).await;
        if answer.is_none() && !step.r#async {
            answer = Some(reply.as_mut().await);
        }
        self.world.probe.quiet().await;
        if answer.is_none() {
            answer = poll_once(&mut reply).await;
        }
        if answer.is_none() {
            self.pending.push((self.step, reply));
        }
        answer
    }

    async fn exit(&self, step: &Step) -> Reply {
        let how = step.how.expect("how");
        let done = if let How::Kill = how {
            self.stage.is_alive(&step.target) && self.kill(&step.target).await
        } else {
            self.stage.cue(&step.target, how, self.world.probe.busy())
        };
        Box::pin(async move { if done { "ok".into() } else { "error:not_running".into() } })
    }

    async fn kill(&self, path: &str) -> bool {
        let (parent, name) = path.rsplit_once('/').expect("the root is not killed");
        let supervisor = self.stage.supervisor(parent);
        let Ok(children) = supervisor.children().await else { return false };
        let child = children.iter().find(|child| child.name == name);
        match child {
            Some(child) => supervisor.kill_child(child.id).await.is_ok(),
            None => false,
        }
    }

    fn stop(&mut self) -> Reply {
        let Some(mut tree) = self.tree.take() else { return Box::pin(async { "error:noproc".into() }) };
        if tree.handle().shutdown().is_err() {
            self.tree = Some(tree);
            return Box::pin(async { "error:noproc".into() });
        }
        Box::pin(async move {
            let _ = tree.wait().await;
            "ok".into()
        })
    }

    async fn compare(&mut self, reply: Option<Value>, expected: &Entry) -> Result<(), String> {
        let (events, causes) = trace::take(&self.world.probe, &self.stage);
        let mut late = Vec::new();
        for (step, mut reply) in std::mem::take(&mut self.pending) {
            match poll_once(&mut reply).await {
                Some(answer) if step != self.step => late.push(json!({"step": step, "reply": answer})),
                _ => self.pending.push((step, reply)),
            }
        }
        let step = self.step;
        let differs = |what: &str, ours: Value, theirs: Value| {
            if ours == theirs {
                Ok(())
            } else {
                Err(format!("step {step}, {what}:\n    expected {theirs}\n    but got  {ours}"))
            }
        };
        differs("events", json!(events), json!(expected.events))?;
        differs("reply", json!(reply), json!(expected.reply))?;
        differs("late replies", json!(late), json!(expected.late_replies))?;
        differs("causes", json!(causes), json!(expected.causes))
    }

    async fn root(&mut self, start: &Entry) -> &'static str {
        if start.reply != Some("ok".into()) {
            return "start_failed";
        }
        let Some(tree) = &mut self.tree else { return "stopped" };
        if poll_once(tree.wait()).await.is_none() { "running" } else { "stopped" }
    }

    fn supervisor(&self, node: &Node, above: &str) -> Supervisor {
        let path = path(node, above);
        let mode = match node.strategy.as_deref() {
            Some("one_for_all") => RestartMode::OneForAll,
            Some("rest_for_one") => RestartMode::RestForOne,
            Some("one_for_one") | None => RestartMode::OneForOne,
            Some(other) => panic!("no such strategy: {other}"),
        };
        let period = Duration::from_millis(node.period_ms.unwrap_or(5000));
        let auto_shutdown = match node.auto_shutdown.as_deref() {
            Some("any_significant") => AutoShutdown::AnySignificant,
            Some("all_significant") => AutoShutdown::AllSignificant,
            Some("never") | None => AutoShutdown::Never,
            Some(other) => panic!("no such auto-shutdown: {other}"),
        };
        let mut supervisor = Supervisor::new(node.id.clone().expect("an id"))
            .expect("a valid name")
            .with_restart_strategy(
                RestartStrategy::new(mode).with_intensity_and_period(node.intensity.unwrap_or(1), period),
            )
            .with_auto_shutdown(auto_shutdown)
            .with_unique_names();
        self.stage.supervisors.lock().expect("no poison").insert(path.clone(), supervisor.handle());
        for child in &node.children {
            supervisor.add_worker(self.child(child, &path));
        }
        supervisor
    }

    fn child(&self, node: &Node, above: &str) -> ChildSpec {
        let spec: ChildSpec = match node.r#type.as_str() {
            "supervisor" => self.supervisor(node, above).into(),
            _ => Actor {
                id: node.id.clone().expect("an id"),
                path: path(node, above),
                start: node.start.clone(),
                on_shutdown: node.on_shutdown,
                shutdown: node.shutdown,
                attempts: Default::default(),
                stage: self.stage.clone(),
                probe: self.world.probe.clone(),
            }
            .into(),
        };
        let restart = match node.restart.as_str() {
            "permanent" => RestartType::Permanent,
            "transient" => RestartType::Transient,
            "temporary" => RestartType::Temporary,
            other => panic!("no such restart type: {other}"),
        };
        spec.with_restart_type(restart).with_significant(node.significant)
    }
}

fn path(node: &Node, above: &str) -> String {
    let id = node.id.as_deref().expect("an id");
    if above.is_empty() { id.to_owned() } else { format!("{above}/{id}") }
}

fn refused(error: SupervisorError) -> Value {
    match error {
        SupervisorError::NotRunning { .. } => "error:noproc".into(),
        other => panic!("unexpected: {other}"),
    }
}

fn row(child: &ChildInfo) -> Value {
    let kind = match child.kind {
        ChildKind::Worker => "worker",
        ChildKind::Supervisor => "supervisor",
    };
    let state = match child.state {
        ChildState::Running => "running",
        ChildState::Stopped => "stopped",
        ChildState::Restarting => "restarting",
        // OTP cannot be asked in these states.
        ChildState::Starting => "starting",
        ChildState::Stopping => "stopping",
    };
    json!({"id": child.name, "type": kind, "state": state})
}
