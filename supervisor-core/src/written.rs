//! Deserializes settings in the form that people write: `"5s"` for a duration, `"infinity"` for no limit.
//!
//! Settings that a snapshot has can also have the form of `format`.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

const INFINITY: &str = "infinity";

/// A duration in the form that people write.
pub(crate) struct Written(pub(crate) Duration);

impl Written {
    pub(crate) fn parse<E: Error>(text: &str) -> Result<Duration, E> {
        if text == INFINITY {
            return Ok(Duration::MAX);
        }
        humantime::parse_duration(text).map_err(|error| {
            E::custom(format_args!("invalid duration {text:?}: {error}; write for example {EXAMPLES}"))
        })
    }
}

const EXAMPLES: &str = r#""500ms", "5s", "1m 30s" or "infinity""#;

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a duration with its unit: {EXAMPLES}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Written::parse(text).map(Written)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Deserializes an optional duration.
pub(crate) fn option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Written>::deserialize(deserializer)?.map(|written| written.0))
}

/// Deserializes an optional number that may be unlimited.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    Ok(Option::<Count>::deserialize(deserializer)?.map(|count| count.0))
}

/// A duration in the form of a snapshot.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Seconds(#[serde(with = "crate::format::seconds")] pub(crate) Duration);

/// A number that may be unlimited: `"infinity"`, or `null` in a snapshot.
pub(crate) struct Count(pub(crate) usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a number that is not negative, or "infinity""#)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Count, E> {
                usize::try_from(number).map(Count).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Count, E> {
                u64::try_from(number)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
                    .and_then(|number| self.visit_u64(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
                if text == INFINITY {
                    Ok(Count(usize::MAX))
                } else {
                    Err(E::invalid_value(Unexpected::Str(text), &self))
                }
            }

            fn visit_unit<E: Error>(self) -> Result<Count, E> {
                Ok(Count(usize::MAX))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// Sets a field. Fails if it is set already, also under another of its names.
pub(crate) fn set<T, E: Error>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}
