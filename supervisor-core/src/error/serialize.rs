//! The serialized form of a failure: its own message, those of its sources from the outside in, and where it panicked.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Failure;

#[derive(Serialize, Deserialize)]
#[serde(rename = "Failure")]
struct Form<'a> {
    message: Cow<'a, str>,
    chain: Vec<Cow<'a, str>>,
    /// Always `null`: panics do not carry their location yet.
    #[serde(default)]
    location: Option<Cow<'a, str>>,
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut messages = self.messages().map(Cow::from);
        let message = messages.next().unwrap_or_default();
        Form { message, chain: messages.collect(), location: None }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Form { message, chain, .. } = Form::deserialize(deserializer)?;
        Ok(Self::from_messages(&message, chain.iter().map(|message| &**message)))
    }
}
