//! What systemd says in the environment of a service.

use std::{ffi::OsString, fmt::Display, str::FromStr, time::Duration};

use super::{notifier::Notifier, socket::Socket};

const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_TIME: &str = "WATCHDOG_USEC";
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";

const A_SOCKET: &str = "the address of a Unix socket";
const A_TIME: &str = "a number of microseconds above zero";
const A_PROCESS: &str = "the id of a process";

type Vars<'a> = &'a dyn Fn(&str) -> Option<OsString>;

pub(super) fn read(vars: Vars<'_>) -> Result<(Option<Notifier>, Option<Duration>), String> {
    let Some(address) = vars(SOCKET).filter(|address| !address.is_empty()) else { return Ok((None, None)) };
    let socket = Socket::open(&address).map_err(|error| invalid(SOCKET, &address, error, A_SOCKET))?;
    // Without a process it is meant for every one that gets the variable.
    let is_for_this =
        number::<u32>(WATCHDOG_PROCESS, A_PROCESS, vars)?.is_none_or(|process| process == std::process::id());
    let watchdog = if is_for_this { number::<u64>(WATCHDOG_TIME, A_TIME, vars)? } else { None };
    match watchdog {
        Some(0 | u64::MAX) => {
            Err(invalid(WATCHDOG_TIME, &vars(WATCHDOG_TIME).unwrap_or_default(), "not a limit", A_TIME))
        }
        watchdog => Ok((Some(Notifier::new(socket)), watchdog.map(Duration::from_micros))),
    }
}

fn number<N: FromStr<Err: Display>>(name: &str, wanted: &str, vars: Vars<'_>) -> Result<Option<N>, String> {
    let Some(value) = vars(name) else { return Ok(None) };
    match value.to_string_lossy().parse() {
        Ok(number) => Ok(Some(number)),
        Err(error) => Err(invalid(name, &value, error, wanted)),
    }
}

fn invalid(name: &str, value: &OsString, reason: impl Display, wanted: &str) -> String {
    format!("{name}={value:?} in the environment: {reason}; set it to {wanted}, or unset it")
}
