use std::time::Duration;

use serde::Deserialize;

use super::{AutoShutdown, Backoff, RestartStrategy, RestartType};
use crate::shutdown::{ShutdownOrder, ShutdownStrategy};

/// The settings of a child in a configuration file, for [`ChildSpec::with_config`](crate::ChildSpec::with_config).
///
/// `serde` deserializes it. A setting that is missing stays as the specification has it. An unknown setting is an error. A
/// duration is a text with its unit (`"500ms"`, `"5s"`, `"1m 30s"`), and `"infinity"` means no limit:
///
/// ```
/// use supervision::{worker, ChildConfig};
///
/// # fn main() -> Result<(), toml::de::Error> {
/// let config: ChildConfig = toml::from_str(r#"
///     restart = "transient"       # or "permanent", "temporary"
///     shutdown = "30s"            # or "infinity", "brutal"
///     start_timeout = "10s"
///     backoff = { kind = "exponential", initial = "100ms", max = "30s" }
/// "#)?;
/// let importer = worker("importer", |shutdown| shutdown).with_config(&config);
/// # let _ = importer;
///
/// let error = toml::from_str::<ChildConfig>(r#"restrat = "transient""#).unwrap_err();
/// assert!(error.to_string().contains("unknown field `restrat`, expected one of `restart`, `shutdown`"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ChildConfig {
    /// `"permanent"`, `"transient"` or `"temporary"`.
    pub restart: Option<RestartType>,
    /// The time that it has to stop, `"infinity"` or `"brutal"`.
    pub shutdown: Option<ShutdownStrategy>,
    /// Whether it is significant, so that its end can end its supervisor.
    pub significant: Option<bool>,
    /// The time in which it has to become ready.
    #[serde(deserialize_with = "super::reading::start_timeout")]
    pub start_timeout: Option<Duration>,
    /// The delays of its restarts: `{ kind = "exponential", initial = "100ms", max = "30s" }`, where `factor`, `jitter` and
    /// `reset_after` may follow, or `{ kind = "constant", delay = "1s" }`.
    pub backoff: Option<Backoff>,
    /// The time in which it has to send the next heartbeat.
    #[serde(deserialize_with = "super::reading::watchdog")]
    pub watchdog: Option<Duration>,
    /// Whether its scope stops before it is asked to stop itself.
    pub children_first: Option<bool>,
    /// Whether it counts for the readiness of its supervisor.
    pub readiness: Option<bool>,
}

/// The settings of a supervisor in a configuration file, for
/// [`Supervisor::with_config`](crate::Supervisor::with_config). The rules of [`ChildConfig`] hold.
///
/// ```
/// use supervision::{Supervisor, SupervisorConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config: SupervisorConfig = toml::from_str(r#"
///     strategy = { mode = "rest_for_one", intensity = 10, period = "1m" }
///     backoff = { kind = "constant", delay = "250ms" }
///     shutdown_budget = "20s"
///     max_children = 1000
/// "#)?;
/// let root = Supervisor::new("root")?.with_config(&config);
/// # let _ = root;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SupervisorConfig {
    /// The restart strategy: `{ mode = "one_for_one", intensity = 1, period = "5s" }`, or the mode alone: `"one_for_one"`,
    /// `"one_for_all"` or `"rest_for_one"`. The intensity may be `"infinity"`.
    pub strategy: Option<RestartStrategy>,
    /// The backoff of children without their own.
    pub backoff: Option<Backoff>,
    /// `"never"`, `"any_significant"` or `"all_significant"`.
    pub auto_shutdown: Option<AutoShutdown>,
    /// `"reverse"` or `"concurrent"`.
    pub shutdown_order: Option<ShutdownOrder>,
    /// The time that its complete stop may take.
    #[serde(deserialize_with = "crate::written::option")]
    pub shutdown_budget: Option<Duration>,
    /// The time that an aborted child may take to yield.
    #[serde(deserialize_with = "super::reading::abort_grace")]
    pub abort_grace: Option<Duration>,
    /// The number of children that it may have.
    #[serde(deserialize_with = "crate::written::count")]
    pub max_children: Option<usize>,
    /// Whether no two children may have the same name.
    pub unique_names: Option<bool>,
}
