//! Deserializes a backoff and a strategy, from the form that people write and from the form of a snapshot.
//!
//! In the form that people write, an unknown field is an error, because a misspelled setting would otherwise have no effect. A
//! snapshot may be of a later release, so it may have more fields.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor},
};

use super::{Backoff, RestartMode, RestartStrategy, SupervisorSettings};
use crate::{
    error::InvalidSpec,
    written::{self, Count, Seconds, Written, set},
};

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Constant,
    Exponential,
}

const CONSTANT: &[&str] = &["kind", "delay", "reset_after"];
const EXPONENTIAL: &[&str] = &["kind", "initial", "max", "factor", "jitter", "reset_after"];
const DATA: &[&str] = &["initial_seconds", "max_seconds", "factor", "jitter", "reset_after_seconds"];

impl<'de> Deserialize<'de> for Backoff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Backoff", DATA, BackoffVisitor)
    }
}

struct BackoffVisitor;

impl<'de> Visitor<'de> for BackoffVisitor {
    type Value = Backoff;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a backoff, such as { kind = "exponential", initial = "100ms", max = "30s" }"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Backoff, A::Error> {
        let mut fields = BackoffFields::default();
        while let Some(key) = map.next_key::<String>()? {
            fields.names.push(key);
            let key = fields.names.last().map_or("", String::as_str);
            match key {
                "kind" => set(&mut fields.kind, "kind", map.next_value()?)?,
                "delay" => set(&mut fields.delay, "delay", map.next_value::<Written>()?.0)?,
                "initial" => set(&mut fields.initial, "initial", map.next_value::<Written>()?.0)?,
                "max" => set(&mut fields.max, "max", map.next_value::<Written>()?.0)?,
                "reset_after" => set(&mut fields.reset_after, "reset_after", map.next_value::<Written>()?.0)?,
                "initial_seconds" => set(&mut fields.initial, "initial_seconds", map.next_value::<Seconds>()?.0)?,
                "max_seconds" => set(&mut fields.max, "max_seconds", map.next_value::<Seconds>()?.0)?,
                "reset_after_seconds" => {
                    set(&mut fields.reset_after, "reset_after_seconds", map.next_value::<Seconds>()?.0)?;
                }
                "factor" => set(&mut fields.factor, "factor", map.next_value()?)?,
                "jitter" => set(&mut fields.jitter, "jitter", map.next_value()?)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        fields.check()
    }
}

#[derive(Default)]
struct BackoffFields {
    names: Vec<String>,
    kind: Option<Kind>,
    delay: Option<Duration>,
    initial: Option<Duration>,
    max: Option<Duration>,
    factor: Option<f64>,
    jitter: Option<bool>,
    reset_after: Option<Duration>,
}

impl BackoffFields {
    fn check<E: Error>(self) -> Result<Backoff, E> {
        let has = |name: &str| self.names.iter().any(|other| other == name);
        let Some(kind) = self.kind else {
            if !has("initial_seconds") {
                return Err(self.unknown(EXPONENTIAL).unwrap_or_else(|| E::missing_field("kind")));
            }
            return checked(Backoff {
                initial: required(self.initial, "initial_seconds")?,
                max: required(self.max, "max_seconds")?,
                factor: required(self.factor, "factor")?,
                jitter: required(self.jitter, "jitter")?,
                reset_after: required(self.reset_after, "reset_after_seconds")?,
            });
        };
        let known = match kind {
            Kind::Constant => CONSTANT,
            Kind::Exponential => EXPONENTIAL,
        };
        if let Some(error) = self.unknown(known) {
            return Err(error);
        }
        let backoff = match kind {
            Kind::Constant => Backoff::constant(required(self.delay, "delay")?),
            Kind::Exponential => Backoff::exponential(required(self.initial, "initial")?, required(self.max, "max")?),
        };
        checked(Backoff {
            factor: self.factor.unwrap_or(backoff.factor),
            jitter: self.jitter.unwrap_or(backoff.jitter),
            reset_after: self.reset_after.unwrap_or(backoff.reset_after),
            ..backoff
        })
    }

    fn unknown<E: Error>(&self, known: &'static [&'static str]) -> Option<E> {
        unknown(&self.names, known)
    }
}

fn checked<E: Error>(backoff: Backoff) -> Result<Backoff, E> {
    // B1: delays that shrink would give nothing the time to recover.
    if backoff.is_valid() { Ok(backoff) } else { Err(E::custom(InvalidSpec::BackoffFactor)) }
}

fn required<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
    field.ok_or_else(|| E::missing_field(name))
}

fn unknown<E: Error>(names: &[String], known: &'static [&'static str]) -> Option<E> {
    names.iter().find(|name| !known.contains(&name.as_str())).map(|name| E::unknown_field(name, known))
}

impl<'de> Deserialize<'de> for RestartStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrategyVisitor)
    }
}

struct StrategyVisitor;

impl<'de> Visitor<'de> for StrategyVisitor {
    type Value = RestartStrategy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a strategy, such as "one_for_one" or { mode = "one_for_all", intensity = 3, period = "10s" }"#)
    }

    fn visit_str<E: Error>(self, mode: &str) -> Result<RestartStrategy, E> {
        RestartMode::deserialize(mode.into_deserializer()).map(RestartStrategy::new)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RestartStrategy, A::Error> {
        const KNOWN: &[&str] = &["mode", "intensity", "period"];
        let (mut names, mut mode, mut intensity, mut period) = (Vec::new(), None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "mode" => set(&mut mode, "mode", map.next_value()?)?,
                "intensity" => set(&mut intensity, "intensity", map.next_value::<Count>()?.0)?,
                "period" => set(&mut period, "period", map.next_value::<Written>()?.0)?,
                "period_seconds" => set(&mut period, "period_seconds", map.next_value::<Seconds>()?.0)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            names.push(key);
        }
        if !names.iter().any(|name| name == "period_seconds") {
            if let Some(error) = unknown(&names, KNOWN) {
                return Err(error);
            }
        }
        // R8: a missing field has its default.
        let default = RestartStrategy::new(mode.unwrap_or_default());
        let strategy = default
            .with_intensity_and_period(intensity.unwrap_or(default.intensity()), period.unwrap_or(default.period()));
        // D4: with a period of zero, no two restarts would ever count together.
        if strategy.period().is_zero() { Err(Error::custom(InvalidSpec::PeriodZero)) } else { Ok(strategy) }
    }
}

/// Deserializes an optional time that is at least `least`. `reason` is what is wrong with a shorter one.
fn at_least<'de, D: Deserializer<'de>>(
    deserializer: D,
    least: Duration,
    reason: InvalidSpec,
) -> Result<Option<Duration>, D::Error> {
    // Refused here, where the error has the line. When the tree starts, it would name the child and no file.
    match written::option(deserializer)? {
        Some(time) if time < least => Err(Error::custom(reason)),
        time => Ok(time),
    }
}

/// Deserializes an optional start timeout.
pub(super) fn start_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    at_least(deserializer, Duration::from_nanos(1), InvalidSpec::StartTimeoutZero)
}

/// Deserializes the optional time of a watchdog.
pub(super) fn watchdog<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    at_least(deserializer, Duration::from_nanos(1), InvalidSpec::WatchdogZero)
}

/// Deserializes an optional abort grace.
pub(super) fn abort_grace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    at_least(deserializer, SupervisorSettings::SHORTEST_GRACE, InvalidSpec::AbortGraceTooShort)
}
