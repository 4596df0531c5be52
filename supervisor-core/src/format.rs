//! How numbers and times are serialized: durations as seconds, moments as milliseconds since 1970, and what has no limit as
//! `null`. `docs/guide/snapshot-format.md` says it to those who read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::text::limit;

fn to_duration<E: Error>(seconds: f64) -> Result<Duration, E> {
    Duration::try_from_secs_f64(seconds).map_err(E::custom)
}

/// A duration, in seconds. Exact to the nanosecond up to some fifty days.
pub(crate) mod seconds {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        limit(*time).map(|time| time.as_secs_f64()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Option::<f64>::deserialize(deserializer)?.map_or(Ok(Duration::MAX), to_duration)
    }
}

/// A duration where there may be none, in seconds.
pub(crate) mod seconds_or_none {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.and_then(limit).map(|time| time.as_secs_f64()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(deserializer)?.map(to_duration).transpose()
    }
}

/// The only value of a variant that is a duration.
pub(crate) mod limit {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Limit {
        #[serde(rename = "limit_seconds", with = "super::seconds")]
        limit: Duration,
    }

    pub(crate) fn serialize<S: Serializer>(limit: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Limit { limit: *limit }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Ok(Limit::deserialize(deserializer)?.limit)
    }
}

/// A number that may be without limit.
pub(crate) mod number {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(number: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        Some(*number).filter(|number| *number != usize::MAX).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(usize::MAX))
    }
}

/// A moment, in milliseconds since 1970.
pub(crate) mod unix_milliseconds {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        // No clock that is set is before 1970, or after the year 500,000,000.
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let since = Duration::from_millis(u64::deserialize(deserializer)?);
        UNIX_EPOCH.checked_add(since).ok_or_else(|| D::Error::custom("a time that no clock can tell"))
    }
}
