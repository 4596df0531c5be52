//! The words of the model, in those of the engine, and back.

use std::sync::Arc;

use reference_model as model;

use super::{case::How, *};
use crate::{
    error::{UncleanProcess, UncleanStop},
    incarnation::{StopReason, Termination},
};

/// A child as the engine sees it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) number: usize,
    name: String,
    settings: ChildSettings,
}

impl Peer {
    pub(super) fn new(number: usize, spec: &model::Spec) -> Self {
        let mut settings = match spec.kind {
            model::Kind::Worker => ChildSettings::worker(ShutdownStrategy::default()),
            model::Kind::Supervisor => ChildSettings::supervisor(),
        };
        settings.set_shutdown(match spec.shutdown {
            model::Shutdown::Brutal => ShutdownStrategy::Brutal,
            model::Shutdown::Graceful(time) => ShutdownStrategy::Graceful(time),
            model::Shutdown::Unlimited => ShutdownStrategy::UNLIMITED,
        });
        settings.ready_at_once = spec.is_ready_at_once;
        settings.significant = spec.is_significant;
        settings.runs_once = spec.runs_once;
        settings.restart = Some(match spec.restart {
            model::Restart::Permanent => RestartType::Permanent,
            model::Restart::Transient => RestartType::Transient,
            model::Restart::Temporary => RestartType::Temporary,
        });
        if let Some(limit) = spec.start_timeout {
            settings.rare_mut().start_timeout = Some(limit);
        }
        if let Some(within) = spec.watchdog {
            settings.rare_mut().watchdog = Some(within);
        }
        if let Some(backoff) = &spec.backoff {
            settings.rare_mut().backoff = Some(backoff_of(backoff));
        }
        Self { number, name: spec.name.clone(), settings }
    }
}

impl Spec for Peer {
    fn name(&self) -> &str {
        &self.name
    }

    fn settings(&self) -> &ChildSettings {
        &self.settings
    }
}

pub(super) fn settings_of(settings: &model::Settings) -> SupervisorSettings {
    let strategy = match settings.strategy {
        model::Strategy::OneForOne => RestartStrategy::one_for_one(),
        model::Strategy::OneForAll => RestartStrategy::one_for_all(),
        model::Strategy::RestForOne => RestartStrategy::rest_for_one(),
    };
    SupervisorSettings {
        strategy: strategy.with_intensity_and_period(settings.intensity, settings.period),
        auto_shutdown: match settings.auto_shutdown {
            model::AutoShutdown::Never => AutoShutdown::Never,
            model::AutoShutdown::Any => AutoShutdown::AnySignificant,
            model::AutoShutdown::All => AutoShutdown::AllSignificant,
        },
        shutdown_order: if settings.is_concurrent { ShutdownOrder::Concurrent } else { ShutdownOrder::Reverse },
        abort_grace: settings.grace,
        unique_names: settings.has_unique_names,
        dynamic: settings.is_dynamic,
        max_children: settings.max_children,
        shutdown_budget: settings.budget,
        backoff: settings.backoff.as_ref().map(backoff_of),
        ..SupervisorSettings::default()
    }
}

fn backoff_of(backoff: &model::Backoff) -> Backoff {
    Backoff::exponential(backoff.initial, backoff.max)
        .with_factor(backoff.factor.into())
        .without_jitter()
        .with_reset_after(backoff.reset_after)
}

/// Returns how a process ends, for both.
pub(super) fn exit_of(spec: &model::Spec, is_ready: bool, how: How) -> (Exit, model::Exit) {
    if spec.kind == model::Kind::Worker {
        return match how {
            How::Well if is_ready => (Exit::Normal, model::Exit::Normal),
            How::Well => (Exit::Ignored, model::Exit::Ignored),
            How::Failed => (error(), model::Exit::Failed),
            How::Final => (final_error(), model::Exit::Final),
            How::Aborted | How::Abandoning => (Exit::Aborted, model::Exit::Aborted),
        };
    }
    let ended = |reason, is_killed, below: Vec<(UncleanStop, model::Bad)>| {
        let unclean = below.iter().map(|(stop, _)| UncleanProcess::new("below".to_owned(), stop.clone())).collect();
        let below = below.into_iter().map(|(_, bad)| bad).collect();
        (Exit::Shutdown(Arc::new(Termination { reason, unclean })), model::Exit::Ended { is_killed, below })
    };
    let aborted = (UncleanStop::Aborted, model::Bad::Aborted);
    match how {
        How::Well => ended(StopReason::Requested, false, Vec::new()),
        // A supervisor returns no error that a condition could judge.
        How::Failed | How::Final => (Exit::Lost, model::Exit::Failed),
        How::Aborted => ended(StopReason::Killed, true, vec![aborted]),
        How::Abandoning => {
            let failed = (UncleanStop::Failed(Exit::Failed(Failure::new("boom"))), model::Bad::Failed);
            ended(StopReason::Requested, false, vec![(UncleanStop::Abandoned, model::Bad::Abandoned), aborted, failed])
        }
    }
}

/// Returns the model's name for this effect, if it has one.
pub(super) fn act_of(effect: &Effect<Peer>, number: impl Fn(ChildId) -> usize) -> Option<Act> {
    Some(match effect {
        Effect::Start { key, .. } => Act::Start(number(key.id)),
        Effect::Ask { child, .. } => Act::Ask(child.number),
        Effect::Abort { child, .. } => Act::Abort(child.number),
        Effect::Forget { child, .. } => Act::Forget(child.number),
        Effect::Answer { caller, answer, .. } => {
            Act::Answer(caller.key, answer.as_ref().err().map_or(model::Reply::Ok, reply_of))
        }
        Effect::Refuse { caller: Some(caller), refusal, .. } => Act::Answer(caller.key, reply_of(refusal)),
        Effect::Refuse { caller: None, child, refusal } => Act::Refuse(child.number, reply_of(refusal)),
        Effect::Ready => Act::Ready,
        Effect::GaveUp => Act::GaveUp,
        Effect::Emit { child, kind, .. } => match **kind {
            EventKind::Restarting { attempt, delay, .. } => Act::Restarting { child: child.number, attempt, delay },
            EventKind::Unresponsive { .. } => Act::Unresponsive(child.number),
            EventKind::Stuck => Act::Stuck(child.number),
            EventKind::Abandoned => Act::Abandoned(child.number),
            _ => return None,
        },
        Effect::SampleHeartbeat { key, .. } => Act::SampleHeartbeat(number(key.id)),
        Effect::Keep { .. } | Effect::Finish => return None,
    })
}

/// Returns how the engine has ended.
pub(super) fn end_of(engine: &mut Engine<Peer>) -> Act {
    let outcome = engine.poll_outcome();
    let cause = match outcome.cause {
        Cause::Requested => model::Cause::Requested,
        Cause::GaveUp => model::Cause::GaveUp,
        Cause::AutoShutdown { child, .. } => model::Cause::AutoShutdown(child.number),
        Cause::FailedToStart { child, .. } => model::Cause::FailedToStart(child.number),
    };
    let bad = outcome.unclean.iter().flat_map(|(child, unclean)| match unclean {
        UncleanKind::Aborted => vec![(child.number, model::Bad::Aborted)],
        UncleanKind::Killed => vec![(child.number, model::Bad::Killed)],
        UncleanKind::Abandoned => vec![(child.number, model::Bad::Abandoned)],
        UncleanKind::Failed(_) => vec![(child.number, model::Bad::Failed)],
        UncleanKind::Below(unclean) => unclean.iter().map(|unclean| (child.number, bad_of(&unclean.stop))).collect(),
    });
    Act::End { cause, is_killed: outcome.killed, bad: bad.collect() }
}

fn bad_of(stop: &UncleanStop) -> model::Bad {
    match stop {
        UncleanStop::Aborted => model::Bad::Aborted,
        UncleanStop::Killed => model::Bad::Killed,
        UncleanStop::Abandoned | UncleanStop::AbandonedWithSubtree => model::Bad::Abandoned,
        UncleanStop::Failed(_) => model::Bad::Failed,
    }
}

fn reply_of(refusal: &Refusal) -> model::Reply {
    match refusal {
        Refusal::NotFound => model::Reply::NotFound,
        Refusal::NotRunning => model::Reply::NotRunning,
        Refusal::Running => model::Reply::Running,
        Refusal::Restarting => model::Reply::Restarting,
        Refusal::Stopping => model::Reply::Stopping,
        Refusal::Stuck => model::Reply::Stuck,
        Refusal::RunsOnce => model::Reply::RunsOnce,
        Refusal::Dynamic => model::Reply::Dynamic,
        Refusal::AtCapacity(_) => model::Reply::AtCapacity,
        Refusal::NameTaken { runs, .. } => model::Reply::NameTaken { is_running: *runs },
        Refusal::ShuttingDown => model::Reply::ShuttingDown,
        Refusal::FailedToStart(_) => model::Reply::FailedToStart,
        Refusal::WouldDeadlock => model::Reply::WouldDeadlock,
    }
}

pub(super) fn state_of(state: ChildState) -> model::ChildState {
    match state {
        ChildState::Starting => model::ChildState::Starting,
        ChildState::Running => model::ChildState::Running,
        ChildState::Restarting => model::ChildState::Restarting,
        ChildState::Stopping => model::ChildState::Stopping,
        ChildState::Stopped => model::ChildState::Stopped,
    }
}
