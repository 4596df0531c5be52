//! Settings in the form that people write in a configuration file, and in the form of a snapshot.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use supervision::{
    AutoShutdown, Backoff, ChildConfig, InvalidSpec, RestartMode, RestartStrategy, RestartType, ShutdownOrder,
    ShutdownStrategy, Supervisor, SupervisorConfig, sim::Sim, worker,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn each_setting_of_a_child_is_read_from_toml() {
    let config: ChildConfig = toml::from_str(
        r#"
        restart = "transient"
        shutdown = "1m 30s"
        significant = true
        start_timeout = "infinity"
        watchdog = "500ms"
        children_first = true
        readiness = false

        [backoff]
        kind = "exponential"
        initial = "100ms"
        max = "30s"
        factor = 3
        jitter = false
        reset_after = "2m"
        "#,
    )
    .unwrap();
    let mut expected = ChildConfig::default();
    expected.restart = Some(RestartType::Transient);
    expected.shutdown = Some(ShutdownStrategy::Graceful(90_000 * MS));
    expected.significant = Some(true);
    expected.start_timeout = Some(Duration::MAX);
    expected.watchdog = Some(500 * MS);
    expected.children_first = Some(true);
    expected.readiness = Some(false);
    let backoff = Backoff::exponential(100 * MS, 30_000 * MS).with_factor(3.0).without_jitter();
    expected.backoff = Some(backoff.with_reset_after(120_000 * MS));
    assert_eq!(config, expected);
}

#[test]
fn each_setting_of_a_supervisor_is_read_from_toml() {
    let config: SupervisorConfig = toml::from_str(
        r#"
        strategy = { mode = "rest_for_one", intensity = 10, period = "1m" }
        backoff = { kind = "constant", delay = "250ms", reset_after = "1s" }
        auto_shutdown = "any_significant"
        shutdown_order = "concurrent"
        shutdown_budget = "20s"
        abort_grace = "infinity"
        max_children = 1000
        unique_names = true
        "#,
    )
    .unwrap();
    let mut expected = SupervisorConfig::default();
    expected.strategy = Some(RestartStrategy::rest_for_one().with_intensity_and_period(10, 60_000 * MS));
    expected.backoff = Some(Backoff::constant(250 * MS).with_reset_after(1000 * MS));
    expected.auto_shutdown = Some(AutoShutdown::AnySignificant);
    expected.shutdown_order = Some(ShutdownOrder::Concurrent);
    expected.shutdown_budget = Some(20_000 * MS);
    expected.abort_grace = Some(Duration::MAX);
    expected.max_children = Some(1000);
    expected.unique_names = Some(true);
    assert_eq!(config, expected);
}

fn child(text: &str) -> ChildConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_shutdown_strategy_is_a_time_or_a_word() {
    let shutdown = |text: &str| child(&format!("shutdown = {text}")).shutdown.unwrap();
    assert_eq!(shutdown(r#""5s""#), ShutdownStrategy::default());
    assert_eq!(shutdown(r#""infinity""#), ShutdownStrategy::UNLIMITED);
    assert_eq!(shutdown(r#""brutal""#), ShutdownStrategy::Brutal);
    assert_eq!(shutdown(r#"{ kind = "graceful", limit_seconds = 2.5 }"#), ShutdownStrategy::Graceful(2500 * MS));
}

#[test]
fn a_strategy_is_a_mode_or_more_than_that() {
    let strategy = |text: &str| {
        let config: SupervisorConfig = toml::from_str(&format!("strategy = {text}")).unwrap();
        config.strategy.unwrap()
    };
    assert_eq!(strategy(r#""one_for_all""#), RestartStrategy::new(RestartMode::OneForAll));
    assert_eq!(strategy("{}"), RestartStrategy::default());
    let unlimited = RestartStrategy::default().with_unlimited_restarts();
    assert_eq!(strategy(r#"{ intensity = "infinity" }"#), unlimited);
}

/// Checks that a serialized value is deserialized as it was, from a value and from a text.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) -> serde_json::Value {
    let json = serde_json::to_value(&value).unwrap();
    assert_eq!(serde_json::from_value::<T>(json.clone()).unwrap(), value, "{json}");
    assert_eq!(serde_json::from_str::<T>(&json.to_string()).unwrap(), value, "{json}");
    json
}

#[test]
fn a_setting_is_read_as_it_was_written() {
    for backoff in [
        Backoff::constant(MS),
        Backoff::exponential(Duration::ZERO, Duration::MAX).with_factor(1.5),
        Backoff::exponential(MS, 2 * MS).without_jitter().with_reset_after(Duration::MAX),
    ] {
        round_trip(backoff);
    }
    assert_eq!(
        round_trip(Backoff::constant(MS)),
        json!({"initial_seconds": 0.001, "max_seconds": 0.001, "factor": 1.0, "jitter": false, "reset_after_seconds": 60.0})
    );
    for mode in [RestartMode::OneForOne, RestartMode::OneForAll, RestartMode::RestForOne] {
        round_trip(RestartStrategy::new(mode).with_intensity_and_period(3, Duration::MAX));
    }
    assert_eq!(
        round_trip(RestartStrategy::default().with_unlimited_restarts()),
        json!({"mode": "one_for_one", "intensity": null, "period_seconds": 5.0})
    );
    for shutdown in [ShutdownStrategy::Brutal, ShutdownStrategy::default(), ShutdownStrategy::UNLIMITED] {
        round_trip(shutdown);
    }
    let _ = [RestartType::Permanent, RestartType::Transient, RestartType::Temporary].map(round_trip);
    let _ = [ShutdownOrder::Reverse, ShutdownOrder::Concurrent].map(round_trip);
    let _ = [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant].map(round_trip);
}

#[test]
fn the_form_of_a_snapshot_may_have_more_fields_later() {
    let mut json = serde_json::to_value(Backoff::constant(MS)).unwrap();
    json["added_later"] = json!([1]);
    assert_eq!(serde_json::from_value::<Backoff>(json).unwrap(), Backoff::constant(MS));
    let mut json = serde_json::to_value(RestartStrategy::one_for_all()).unwrap();
    json["added_later"] = json!([1]);
    assert_eq!(serde_json::from_value::<RestartStrategy>(json).unwrap(), RestartStrategy::one_for_all());
}

/// Returns the message of the error in a line of a configuration, and checks that the error has the place.
fn refused<T: DeserializeOwned + std::fmt::Debug>(line: &str) -> String {
    let error = toml::from_str::<T>(&format!("\n{line}\n")).expect_err(line);
    let text = error.to_string();
    assert!(text.contains("line 2, column "), "{text}");
    error.message().to_owned()
}

#[test]
fn an_error_says_what_is_wrong_and_what_would_be_right() {
    for (line, message) in [
        (
            "restrat = 1",
            "unknown field `restrat`, expected one of `restart`, `shutdown`, `significant`, `start_timeout`, `backoff`, `watchdog`, `children_first`, `readiness`",
        ),
        (r#"restart = "always""#, "unknown variant `always`, expected one of `permanent`, `transient`, `temporary`"),
        (
            "watchdog = 5",
            r#"invalid type: integer `5`, expected a duration with its unit: "500ms", "5s", "1m 30s" or "infinity""#,
        ),
        (
            r#"shutdown = "kill""#,
            r#"invalid value: string "kill", expected a shutdown strategy: a duration such as "5s", "infinity", or "brutal""#,
        ),
        (
            "shutdown = 5",
            r#"invalid type: integer `5`, expected a shutdown strategy: a duration such as "5s", "infinity", or "brutal""#,
        ),
        (
            r#"backoff = { kind = "exponential", initial = "1s", max = "2s", facto = 3 }"#,
            "unknown field `facto`, expected one of `kind`, `initial`, `max`, `factor`, `jitter`, `reset_after`",
        ),
        (
            r#"backoff = { kind = "constant", delay = "1s", factor = 3 }"#,
            "unknown field `factor`, expected one of `kind`, `delay`, `reset_after`",
        ),
        (r#"backoff = { kind = "linear" }"#, "unknown variant `linear`, expected `constant` or `exponential`"),
        (r#"backoff = { kind = "exponential", initial = "1s" }"#, "missing field `max`"),
        (r#"backoff = { initial = "1s", max = "2s" }"#, "missing field `kind`"),
        (
            r#"backoff = { kind = "exponential", initial = "1s", max = "2s", factor = 0.5 }"#,
            "the factor of the backoff is below 1, infinite, or not a number; give a finite factor of at least 1",
        ),
        (
            r#"backoff = { kind = "exponential", initial = "1s", initial_seconds = 1, max = "2s" }"#,
            "duplicate field `initial_seconds`",
        ),
        (
            "backoff = 3",
            r#"invalid type: integer `3`, expected a backoff, such as { kind = "exponential", initial = "100ms", max = "30s" }"#,
        ),
    ] {
        assert_eq!(refused::<ChildConfig>(line), message);
    }
    // What no child could meet is refused here, and not when the tree starts.
    for (line, reason) in
        [(r#"watchdog = "0s""#, InvalidSpec::WatchdogZero), (r#"start_timeout = "0ms""#, InvalidSpec::StartTimeoutZero)]
    {
        assert_eq!(refused::<ChildConfig>(line), reason.to_string());
    }
    assert_eq!(refused::<SupervisorConfig>(r#"abort_grace = "999us""#), InvalidSpec::AbortGraceTooShort.to_string());
    let message = refused::<ChildConfig>(r#"watchdog = "5x""#);
    assert!(message.starts_with(r#"invalid duration "5x": "#), "{message}");
    assert!(message.ends_with(r#"; write for example "500ms", "5s", "1m 30s" or "infinity""#), "{message}");
    for (line, message) in [
        (
            r#"strategy = { mode = "one_for_one", intensty = 3 }"#,
            "unknown field `intensty`, expected one of `mode`, `intensity`, `period`",
        ),
        (
            r#"strategy = "one_for_none""#,
            "unknown variant `one_for_none`, expected one of `one_for_one`, `one_for_all`, `rest_for_one`",
        ),
        ("max_children = -1", r#"invalid value: integer `-1`, expected a number that is not negative, or "infinity""#),
        (
            "strategy = { intensity = -1 }",
            r#"invalid value: integer `-1`, expected a number that is not negative, or "infinity""#,
        ),
        (
            r#"strategy = { period = "0s" }"#,
            "the restart period is zero; give a period above zero, or an intensity of zero to never restart",
        ),
        (
            "strategy = 3",
            r#"invalid type: integer `3`, expected a strategy, such as "one_for_one" or { mode = "one_for_all", intensity = 3, period = "10s" }"#,
        ),
    ] {
        assert_eq!(refused::<SupervisorConfig>(line), message);
    }
}

#[test]
fn what_a_configuration_leaves_out_stays_as_it_was() {
    let supervisor: SupervisorConfig = toml::from_str(r#"shutdown_budget = "infinity""#).unwrap();
    let root = Supervisor::new("root").unwrap().with_restart_strategy(RestartStrategy::rest_for_one());
    let mut root = root.with_max_children(7).with_config(&supervisor);
    let spec = worker("a", |shutdown| shutdown).with_watchdog(9 * MS).with_restart_type(RestartType::Transient);
    let id = root.add_worker(spec.with_config(&child(r#"shutdown = "brutal""#)));
    let sim = Sim::with_seed(1);
    let tree = sim.start(root).unwrap();
    let child = sim.run_until(tree.handle().child_spec(id)).unwrap();
    assert_eq!((child.restart, child.shutdown), (RestartType::Transient, ShutdownStrategy::Brutal));
    assert_eq!((child.watchdog, child.start_timeout), (Some(9 * MS), None));
    let supervisor = sim.run_until(tree.snapshot()).supervisor.unwrap();
    assert_eq!((supervisor.mode, supervisor.max_children), (RestartMode::RestForOne, Some(7)));
    assert_eq!(supervisor.shutdown_budget, None);
}

#[test]
fn a_configuration_says_who_is_asked_first() {
    let sim = Sim::with_seed(1);
    for (text, expected) in
        [("", [false, true]), ("children_first = true", [true; 2]), ("children_first = false", [false; 2])]
    {
        let mut root = Supervisor::new("root").unwrap();
        let plain = root.add_worker(worker("plain", |shutdown| shutdown).with_config(&child(text)));
        let first = worker("first", |shutdown| shutdown).with_children_first();
        let first = root.add_worker(first.with_config(&child(text)));
        let tree = sim.start(root).unwrap();
        let told = [plain, first].map(|id| sim.run_until(tree.handle().child_spec(id)).unwrap().children_first);
        assert_eq!(told, expected, "{text:?}");
    }
}

#[test]
fn a_configuration_says_who_counts_for_readiness() {
    let sim = Sim::with_seed(1);
    for (text, expected) in [("", [true, false]), ("readiness = true", [true; 2]), ("readiness = false", [false; 2])] {
        let mut root = Supervisor::new("root").unwrap();
        let plain = root.add_worker(worker("plain", |shutdown| shutdown).with_config(&child(text)));
        let poller = worker("poller", |shutdown| shutdown).with_readiness(false);
        let poller = root.add_worker(poller.with_config(&child(text)));
        let tree = sim.start(root).unwrap();
        let told = [plain, poller].map(|id| sim.run_until(tree.handle().child_spec(id)).unwrap().readiness);
        assert_eq!(told, expected, "{text:?}");
    }
}
