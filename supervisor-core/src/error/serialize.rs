//! The serialized form of a failure: its own message, those of its sources from the outside in, and the place of the panic.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Failure, PanicLocation, details::PanicSite};

#[derive(Serialize, Deserialize)]
#[serde(rename = "Failure")]
struct Form<'a> {
    message: Cow<'a, str>,
    chain: Vec<Cow<'a, str>>,
    #[serde(default)]
    location: Option<PanicLocation>,
    #[serde(default, rename = "final", skip_serializing_if = "is_false")]
    is_final: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what `skip_serializing_if` calls")]
fn is_false(is_final: &bool) -> bool {
    !is_final
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut messages = self.messages().map(Cow::from);
        let message = messages.next().unwrap_or_default();
        Form { message, chain: messages.collect(), location: self.location().cloned(), is_final: self.is_final() }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Form { message, chain, location, is_final } = Form::deserialize(deserializer)?;
        let failure = Self::from_messages(&message, chain.iter().map(|message| &**message))
            .with_site(PanicSite { location, backtrace: None });
        Ok(if is_final { failure.with_finality() } else { failure })
    }
}
