//! Deserializes a shutdown strategy, from the form that people write and from the form of a snapshot.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use super::ShutdownStrategy;
use crate::written::Written;

/// The form that a snapshot has.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Data {
    #[serde(with = "crate::format::limit")]
    Graceful(Duration),
    Brutal,
}

impl<'de> Deserialize<'de> for ShutdownStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrategyVisitor)
    }
}

struct StrategyVisitor;

impl<'de> Visitor<'de> for StrategyVisitor {
    type Value = ShutdownStrategy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a shutdown strategy: a duration such as "5s", "infinity", or "brutal""#)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ShutdownStrategy, E> {
        match text {
            "brutal" => Ok(ShutdownStrategy::Brutal),
            time => Written::parse(time).map(ShutdownStrategy::Graceful).map_err(|error| {
                // A word, such as "kill", is no attempt at a duration.
                let is_word = time.starts_with(char::is_alphabetic);
                if is_word { E::invalid_value(Unexpected::Str(time), &self) } else { error }
            }),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ShutdownStrategy, A::Error> {
        Ok(match Data::deserialize(MapAccessDeserializer::new(map))? {
            Data::Graceful(limit) => ShutdownStrategy::Graceful(limit),
            Data::Brutal => ShutdownStrategy::Brutal,
        })
    }
}
