//! Builds the tree of a scenario, plays its script, and compares what happens with its trace.

use std::{cmp::Ordering, future::Future, mem, pin::Pin, sync::Arc, time::Duration};

use futures_lite::future::poll_once;
use serde_json::{Value, json};
use supervisor_core::{
    AutoShutdown, ChildId, ChildInfo, ChildKind, ChildSpec, ChildSpecInfo, ChildState, RestartMode, RestartStrategy,
    RestartType, ShutdownStrategy, SupervisionTree, Supervisor, SupervisorError,
};

use super::{
    harness::World,
    judge::judge,
    scenario::{Entry, How, Node, Scenario, Step},
    stage::{Actor, Lead, Stage},
    trace,
};

type Reply = Pin<Box<dyn Future<Output = Value>>>;

/// Plays the scenario. An error says where the trace differs.
pub(crate) async fn run(scenario: &Scenario, world: World) -> Result<(), String> {
    let (trace, root) = play(scenario, world).await;
    let bound = scenario.bound_by_its_trace();
    for (step, (ours, theirs)) in trace.iter().zip(&scenario.trace[..bound]).enumerate() {
        compare(ours, theirs).map_err(|difference| format!("step {step}, {difference}"))?;
    }
    if scenario.is_left_to_the_model() {
        return judge(scenario, &trace, root);
    }
    match trace.len().cmp(&scenario.trace.len()) {
        Ordering::Less => return Err(format!("the trace goes on: {:?}", scenario.trace[trace.len()])),
        Ordering::Greater => return Err(format!("the trace ends too early: {:?}", trace[scenario.trace.len()])),
        Ordering::Equal => {}
    }
    if root == scenario.root { Ok(()) } else { Err(format!("the root is {root}, not {}", scenario.root)) }
}

/// Plays the scenario, and tells what happened and what became of the root.
async fn play(scenario: &Scenario, world: World) -> (Vec<Entry>, &'static str) {
    let mut play = Play { stage: Arc::default(), world, tree: None, pending: Vec::new(), step: 0 };
    let reply = play.start(&scenario.tree).await;
    let has_started = reply == "ok";
    let mut trace = vec![play.entry(Some(reply)).await];
    for step in &scenario.script {
        play.step += 1;
        let reply = play.perform(step).await;
        trace.push(play.entry(reply).await);
    }
    let root = play.root(has_started).await;
    if root == "running" {
        play.step += 1;
        let stop = serde_json::from_value(json!({"op": "stop"})).expect("a step");
        let reply = play.perform(&stop).await;
        trace.push(play.entry(reply).await);
    }
    (trace, root)
}

fn compare(ours: &Entry, theirs: &Entry) -> Result<(), String> {
    let differs = |what: &str, ours: Value, theirs: Value| {
        if ours == theirs { Ok(()) } else { Err(format!("{what}:\n    expected {theirs}\n    but got  {ours}")) }
    };
    if !trace::matches(&theirs.events, &ours.events) {
        differs("events", json!(ours.events), json!(theirs.events))?;
    }
    differs("reply", json!(ours.reply), json!(theirs.reply))?;
    differs("late replies", json!(ours.late_replies), json!(theirs.late_replies))?;
    differs("causes", json!(ours.causes), json!(theirs.causes))
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
        let mut supervisors = Vec::new();
        let root = self.supervisor(root, "", &mut supervisors);
        self.stage.enter(supervisors);
        let started = self.world.start(root).await;
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
            "start_child" | "which_children" | "count_children" => self.ask(step),
            "terminate_child" | "restart_child" | "delete_child" | "get_childspec" => self.ask_about(step).await,
            other => panic!("no such step: {other}"),
        };
        let mut reply = reply;
        // Sends the request.
        let mut answer = poll_once(&mut reply).await;
        self.world.probe.quiet().await;
        if answer.is_none() {
            answer = poll_once(&mut reply).await;
        }
        if answer.is_none() {
            self.pending.push((self.step, reply));
        }
        answer
    }

    /// Makes a call on the supervisor at the target.
    fn ask(&self, step: &Step) -> Reply {
        let Some(Lead { handle, template }) = self.stage.supervisor(&step.target) else { return now("error:noproc") };
        match step.op.as_str() {
            "which_children" => Box::pin(async move {
                let rows = match handle.children().await {
                    Ok(children) => children,
                    Err(error) => return refused(error),
                };
                let mut rows: Vec<_> = rows.iter().map(|child| row(child, template.is_some())).collect();
                if template.is_some() {
                    rows.sort_by_key(|row| row["id"].as_str().map(str::to_owned));
                }
                rows.into()
            }),
            "count_children" => Box::pin(async move {
                handle.count().await.map_or_else(refused, |counts| {
                    // OTP counts the template.
                    let specs = if template.is_some() { 1 } else { counts.specs };
                    json!({
                        "specs": specs, "active": counts.active,
                        "supervisors": counts.supervisors, "workers": counts.workers,
                    })
                })
            }),
            _ => {
                let node = step.spec.clone().unwrap_or_else(|| {
                    let template = template.expect("a dynamic supervisor");
                    let start = step.start.clone().unwrap_or_else(|| template.start.clone());
                    let on_shutdown = step.on_shutdown.unwrap_or(template.on_shutdown);
                    Node { id: step.instance.clone(), start, on_shutdown, ..template }
                });
                let mut supervisors = Vec::new();
                let spec = self.child(&node, &step.target, &mut supervisors);
                let (path, stage) = (path(&node, &step.target), self.stage.clone());
                stage.was_ignored(&path);
                Box::pin(async move {
                    let added = handle.start_child(spec).await;
                    if added.is_ok() {
                        stage.enter(supervisors);
                    }
                    added.map_or_else(refused, |_| started(&stage, &path))
                })
            }
        }
    }

    /// Makes a call on a supervisor about its child at the target.
    async fn ask_about(&self, step: &Step) -> Reply {
        let (parent, name) = step.target.rsplit_once('/').expect("a child");
        let Some(Lead { handle, template }) = self.stage.supervisor(parent) else { return now("error:noproc") };
        let found = match handle.find(name).await {
            Ok(found) => found,
            Err(error) => return now(refused(error)),
        };
        let child = match found.first() {
            Some(child) => child.id,
            None if template.is_none() => return now("error:not_found"),
            None => match step.op.as_str() {
                "terminate_child" | "get_childspec" => return now("error:not_running"),
                // Any id does.
                _ => stranger(),
            },
        };
        let (path, stage) = (step.target.clone(), self.stage.clone());
        match step.op.as_str() {
            "terminate_child" => Box::pin(async move { handle.terminate_child(child).await.map_or_else(refused, ok) }),
            "delete_child" => Box::pin(async move { handle.delete_child(child).await.map_or_else(refused, ok) }),
            "restart_child" => {
                stage.was_ignored(&path);
                Box::pin(
                    async move { handle.restart_child(child).await.map_or_else(refused, |()| started(&stage, &path)) },
                )
            }
            _ => Box::pin(async move { handle.child_spec(child).await.map_or_else(refused, |spec| spec_row(&spec)) }),
        }
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
        let Some(Lead { handle: supervisor, .. }) = self.stage.supervisor(parent) else { return false };
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

    /// Returns what has happened in this step.
    async fn entry(&mut self, reply: Option<Value>) -> Entry {
        let (events, causes) = trace::take(&self.world.probe, &self.stage);
        let mut late_replies = Vec::new();
        for (step, mut reply) in mem::take(&mut self.pending) {
            match poll_once(&mut reply).await {
                Some(answer) if step != self.step => late_replies.push(json!({"step": step, "reply": answer})),
                _ => self.pending.push((step, reply)),
            }
        }
        Entry { reply, late_replies, events: events.into_iter().map(Value::from).collect(), causes }
    }

    async fn root(&mut self, has_started: bool) -> &'static str {
        if !has_started {
            return "start_failed";
        }
        let Some(tree) = &mut self.tree else { return "stopped" };
        if poll_once(tree.wait()).await.is_none() { "running" } else { "stopped" }
    }

    fn supervisor(&self, node: &Node, above: &str, supervisors: &mut Vec<(String, Lead)>) -> Supervisor {
        let path = path(node, above);
        let mode = match node.strategy.as_deref() {
            Some("one_for_all") => RestartMode::OneForAll,
            Some("rest_for_one") => RestartMode::RestForOne,
            Some("one_for_one" | "dynamic") | None => RestartMode::OneForOne,
            Some(other) => panic!("no such strategy: {other}"),
        };
        let period = Duration::from_millis(node.period_ms.unwrap_or(5000));
        let auto_shutdown = match node.auto_shutdown.as_deref() {
            Some("any_significant") => AutoShutdown::AnySignificant,
            Some("all_significant") => AutoShutdown::AllSignificant,
            Some("never") | None => AutoShutdown::Never,
            Some(other) => panic!("no such auto-shutdown: {other}"),
        };
        let id = node.id.clone().expect("an id");
        let supervisor = if node.template.is_some() { Supervisor::dynamic(id) } else { Supervisor::new(id) };
        let mut supervisor = supervisor
            .expect("a valid name")
            .with_restart_strategy(
                RestartStrategy::new(mode).with_intensity_and_period(node.intensity.unwrap_or(1), period),
            )
            .with_auto_shutdown(auto_shutdown)
            .with_unique_names();
        let template = node.template.as_deref().cloned();
        supervisors.push((path.clone(), Lead { handle: supervisor.handle(), template }));
        for child in &node.children {
            supervisor.add_worker(self.child(child, &path, supervisors));
        }
        supervisor
    }

    fn child(&self, node: &Node, above: &str, supervisors: &mut Vec<(String, Lead)>) -> ChildSpec {
        let spec: ChildSpec = match node.r#type.as_str() {
            "supervisor" => self.supervisor(node, above, supervisors).into(),
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
        let spec = spec.with_restart_type(restart);
        if node.significant { spec.with_significance() } else { spec }
    }
}

/// Returns the id of a child that no running supervisor has.
fn stranger() -> ChildId {
    let supervisor = |name: &str| Supervisor::new(name.to_owned()).expect("a valid name");
    supervisor("elsewhere").add_worker(supervisor("stranger"))
}

fn path(node: &Node, above: &str) -> String {
    let id = node.id.as_deref().expect("an id");
    if above.is_empty() { id.to_owned() } else { format!("{above}/{id}") }
}

fn refused(error: SupervisorError) -> Value {
    let answer = match error {
        // OTP's supervisor is gone before it would answer.
        SupervisorError::NotRunning { .. } | SupervisorError::ShuttingDown { .. } => "error:noproc",
        SupervisorError::FailedToStart { .. } => "error:start_failed",
        SupervisorError::AlreadyStarted { .. } => "error:already_started",
        SupervisorError::AlreadyPresent { .. } => "error:already_present",
        SupervisorError::InvalidSpec { .. } | SupervisorError::InvalidName { .. } => "error:invalid_spec",
        SupervisorError::NotFound { .. } => "error:not_found",
        SupervisorError::Running { .. } => "error:running",
        SupervisorError::Restarting { .. } => "error:restarting",
        SupervisorError::Dynamic { .. } => "error:dynamic",
        // OTP cannot be asked in this state.
        SupervisorError::Stopping { .. } => "error:stopping",
        other => panic!("unexpected: {other}"),
    };
    answer.into()
}

fn now(reply: impl Into<Value>) -> Reply {
    let reply = reply.into();
    Box::pin(async move { reply })
}

fn ok((): ()) -> Value {
    "ok".into()
}

/// Returns the answer to a call that started a child: a start with nothing to run was no failure.
fn started(stage: &Stage, path: &str) -> Value {
    if stage.was_ignored(path) { "ok:ignored" } else { "ok" }.into()
}

fn kind(kind: ChildKind) -> &'static str {
    match kind {
        ChildKind::Worker => "worker",
        ChildKind::Supervisor => "supervisor",
    }
}

fn spec_row(spec: &ChildSpecInfo) -> Value {
    let restart = match spec.restart {
        RestartType::Permanent => "permanent",
        RestartType::Transient => "transient",
        RestartType::Temporary => "temporary",
    };
    let shutdown = match spec.shutdown {
        ShutdownStrategy::Brutal => json!("brutal"),
        ShutdownStrategy::UNLIMITED => json!("infinity"),
        ShutdownStrategy::Graceful(time) => json!({"graceful_ms": time.as_millis()}),
    };
    json!({"restart": restart, "shutdown": shutdown, "significant": spec.significant, "type": kind(spec.kind)})
}

/// Returns the row of a child. OTP knows a child of a dynamic supervisor by its process alone.
fn row(child: &ChildInfo, is_dynamic: bool) -> Value {
    let state = match child.state {
        ChildState::Running => "running",
        ChildState::Stopped => "stopped",
        ChildState::Restarting => "restarting",
        // OTP cannot be asked in these states.
        ChildState::Starting => "starting",
        ChildState::Stopping => "stopping",
    };
    let id = (!is_dynamic || state != "restarting").then_some(&child.name);
    json!({"id": id, "type": kind(child.kind), "state": state})
}
