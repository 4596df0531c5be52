//! Errors are serialized as what they say, with their sources.

use serde::{Serialize, Serializer};

use super::{Failure, SupervisorError, tell::Story};

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.raw())
    }
}

impl Serialize for SupervisorError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Story(self))
    }
}
