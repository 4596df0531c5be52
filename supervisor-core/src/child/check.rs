//! Whether a tree can work, looked at before anything of it is started.

use std::collections::BTreeSet;

use super::{Blueprint, Child};
use crate::{
    error::{InvalidSpec, SupervisorError},
    strategy::{AutoShutdown, ChildKind, RestartType, SupervisorSettings},
};

/// Whether a child can work under a supervisor with this name, this auto-shutdown, and so many supervisors from the root down to
/// it; and all that is below the child.
pub(crate) fn check(
    child: &dyn Child,
    parent: &dyn Fn() -> String,
    auto_shutdown: AutoShutdown,
    depth: impl FnOnce() -> usize,
) -> Result<(), SupervisorError> {
    check_alone(child, parent, auto_shutdown)?;
    match child.blueprint() {
        Some(blueprint) => check_below(blueprint, path_of(child, parent), depth() + 1),
        None => Ok(()),
    }
}

/// Whether the root of a tree can work.
pub(crate) fn check_root(root: &dyn Child) -> Result<(), SupervisorError> {
    root.blueprint().map_or(Ok(()), |blueprint| check_below(blueprint, root.segment().to_owned(), 1))
}

/// A loop, for the stack must not decide how deep a tree may be.
fn check_below(blueprint: Blueprint, path: String, depth: usize) -> Result<(), SupervisorError> {
    let mut rest = vec![(blueprint, path, depth)];
    while let Some((Blueprint { settings, children }, path, depth)) = rest.pop() {
        let invalid = |path, reason| Err(SupervisorError::InvalidSpec { path, reason });
        if depth > SupervisorSettings::MAX_DEPTH {
            return invalid(path, InvalidSpec::TooDeep { max: SupervisorSettings::MAX_DEPTH });
        }
        if let Some(reason) = settings.what_is_wrong(children.len()) {
            return invalid(path, reason);
        }
        let mut names = BTreeSet::new();
        let before = rest.len();
        for child in children.iter() {
            check_alone(&**child, &|| path.clone(), settings.auto_shutdown)?;
            if settings.unique_names && !names.insert(child.segment()) {
                return invalid(path_of(&**child, &|| path.clone()), InvalidSpec::DuplicateName);
            }
            if let Some(blueprint) = child.blueprint() {
                rest.push((blueprint, path_of(&**child, &|| path.clone()), depth + 1));
            }
        }
        // The first one is looked at first.
        rest[before..].reverse();
    }
    Ok(())
}

fn check_alone(
    child: &dyn Child,
    parent: &dyn Fn() -> String,
    auto_shutdown: AutoShutdown,
) -> Result<(), SupervisorError> {
    let name = child.name();
    if !name.is_valid() {
        return Err(SupervisorError::InvalidName { name: name.as_str().into(), parent: Some(parent()) });
    }
    let settings = child.settings();
    let reason = if settings.runs_once && settings.restart() != RestartType::Temporary {
        InvalidSpec::OneShotNotTemporary
    } else if settings.significant && settings.restart() == RestartType::Permanent {
        InvalidSpec::SignificantPermanent
    } else if settings.significant && auto_shutdown == AutoShutdown::Never {
        InvalidSpec::SignificantWithoutAutoShutdown
    } else if settings.start_timeout().is_some_and(|limit| limit.is_zero()) {
        InvalidSpec::StartTimeoutZero
    } else if settings.watchdog().is_some_and(|within| within.is_zero()) {
        InvalidSpec::WatchdogZero
    } else if settings.watchdog().is_some() && settings.kind == ChildKind::Supervisor {
        InvalidSpec::WatchdogOnSupervisor
    } else if settings.explicit_ready() && !settings.ready_at_once {
        InvalidSpec::ExplicitReady
    } else if settings.backoff().is_some_and(|backoff| !backoff.is_valid()) {
        InvalidSpec::BackoffFactor
    } else {
        return Ok(());
    };
    Err(SupervisorError::InvalidSpec { path: path_of(child, parent), reason })
}

fn path_of(child: &dyn Child, parent: &dyn Fn() -> String) -> String {
    format!("{}.{}", parent(), child.segment())
}
