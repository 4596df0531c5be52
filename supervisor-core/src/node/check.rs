//! Checks that a tree can work, before anything of it is started. R6: all of a tree is checked, at any depth, and
//! nothing has started by then. R62: a child that is added to a running supervisor is checked by the same code before
//! it is sent.

use std::collections::BTreeSet;

use super::{Blueprint, Child};
use crate::{
    error::{InvalidSpec, SupervisorError},
    spawner::{Spawner, is_virtual},
    strategy::{AutoShutdown, ChildKind, RestartType, SupervisorSettings},
};

/// Checks that a child, and everything below it, can work under this supervisor: with its name, its auto-shutdown, and
/// its depth below the root. The supervisor itself runs at `home`, and its children run on `spawner` unless they have a
/// placement of their own. An executor that is still to be made is checked when it is made. In a scope there is no
/// auto-shutdown, and a child of any restart type may be significant (S5).
pub(crate) fn check(
    child: &dyn Child,
    parent: &dyn Fn() -> String,
    auto_shutdown: Option<AutoShutdown>,
    home: &dyn Spawner,
    spawner: &dyn Spawner,
    depth: impl FnOnce() -> usize,
) -> Result<(), SupervisorError> {
    check_alone(child, parent, auto_shutdown, &|| is_virtual(home))?;
    let Some(blueprint) = child.blueprint() else { return Ok(()) };
    let is_virtual = is_virtual(child.settings().placement().named().unwrap_or(spawner));
    check_below(Level { blueprint, path: path_of(child, parent), depth: depth() + 1, is_virtual })
}

/// Checks that the root of a tree can work on that executor, with everything below it.
pub(crate) fn check_root(root: &dyn Child, home: &dyn Spawner) -> Result<(), SupervisorError> {
    let Some(blueprint) = root.blueprint() else { return Ok(()) };
    check_below(Level { blueprint, path: root.name().to_owned(), depth: 1, is_virtual: is_virtual(home) })
}

/// A supervisor that is being checked.
struct Level {
    blueprint: Blueprint,
    path: String,
    depth: usize,
    /// Whether the clock with which it measures time is virtual.
    is_virtual: bool,
}

/// Checks everything below. It is a loop, because the stack must not limit the depth of a tree.
fn check_below(top: Level) -> Result<(), SupervisorError> {
    let mut rest = vec![top];
    while let Some(Level { blueprint: Blueprint { settings, children }, path, depth, is_virtual: is_home_virtual }) =
        rest.pop()
    {
        let invalid = |path, reason| Err(SupervisorError::InvalidSpec { path, reason });
        if depth > SupervisorSettings::MAX_DEPTH {
            return invalid(path, InvalidSpec::TooDeep { max: SupervisorSettings::MAX_DEPTH });
        }
        if let Some(reason) = settings.what_is_wrong(children.len()) {
            return invalid(path, reason);
        }
        let placed = settings.placement.named().map_or(is_home_virtual, is_virtual);
        // D3: the supervisor measures time at home, and a virtual clock does not wait for work that takes real time.
        if is_home_virtual && !placed {
            return invalid(path, InvalidSpec::RealBelowVirtual);
        }
        let mut names = BTreeSet::new();
        let before = rest.len();
        for child in children.iter() {
            check_alone(&**child, &|| path.clone(), Some(settings.auto_shutdown), &|| is_home_virtual)?;
            // D2: names may be shared, unless the supervisor requires unique ones (R6, R59).
            if settings.unique_names && !names.insert(child.name()) {
                return invalid(path_of(&**child, &|| path.clone()), InvalidSpec::DuplicateName);
            }
            if let Some(blueprint) = child.blueprint() {
                let is_virtual = child.settings().placement().named().map_or(placed, is_virtual);
                rest.push(Level { blueprint, path: path_of(&**child, &|| path.clone()), depth: depth + 1, is_virtual });
            }
        }
        // So that the first child is checked first.
        rest[before..].reverse();
    }
    Ok(())
}

fn check_alone(
    child: &dyn Child,
    parent: &dyn Fn() -> String,
    auto_shutdown: Option<AutoShutdown>,
    is_home_virtual: &dyn Fn() -> bool,
) -> Result<(), SupervisorError> {
    if !child.has_valid_name() {
        return Err(SupervisorError::InvalidName { name: child.name().into(), parent: Some(parent()) });
    }
    let settings = child.settings();
    // R8: every default is valid, so only an explicit setting can be refused here.
    //
    // R48: significance has a meaning only for a child that is not always restarted, under a supervisor with
    // auto-shutdown.
    //
    // A2, B2: no child could meet a limit of zero. B1: with a wait that shrinks, nothing would recover.
    let reason = if settings.runs_once && settings.restart() != RestartType::Temporary {
        InvalidSpec::OneShotNotTemporary
    } else if settings.significant && auto_shutdown.is_some() && settings.restart() == RestartType::Permanent {
        InvalidSpec::SignificantPermanent
    } else if settings.significant && auto_shutdown == Some(AutoShutdown::Never) {
        InvalidSpec::SignificantWithoutAutoShutdown
    } else if settings.start_timeout().is_some_and(|limit| limit.is_zero()) {
        InvalidSpec::StartTimeoutZero
    } else if settings.watchdog().is_some_and(|within| within.is_zero()) {
        InvalidSpec::WatchdogZero
    } else if settings.watchdog().is_some() && settings.kind == ChildKind::Supervisor {
        InvalidSpec::WatchdogOnSupervisor
    } else if settings.handles_errors() && settings.kind == ChildKind::Supervisor {
        // B6, B7: it returns no error, but reports what ended below it.
        InvalidSpec::ErrorsOfSupervisor
    } else if settings.explicit_ready() && !settings.ready_at_once {
        InvalidSpec::ExplicitReady
    } else if settings.backoff().is_some_and(|backoff| !backoff.is_valid()) {
        InvalidSpec::BackoffFactor
    } else if settings.placement().named().is_some_and(|placed| is_home_virtual() && !is_virtual(placed)) {
        InvalidSpec::RealBelowVirtual
    } else {
        return Ok(());
    };
    Err(SupervisorError::InvalidSpec { path: path_of(child, parent), reason })
}

fn path_of(child: &dyn Child, parent: &dyn Fn() -> String) -> String {
    format!("{}.{}", parent(), child.name())
}
