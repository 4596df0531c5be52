//! A tree whose settings are in a TOML file. Ends by itself.
//!
//! ```sh
//! cargo run --example configured --features serde
//! ```

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use serde::Deserialize;
use supervision::{ChildConfig, ChildSpec, Supervisor, SupervisorConfig, worker};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/configured.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    supervisor: SupervisorConfig,
    #[serde(default)]
    children: BTreeMap<String, ChildConfig>,
}

/// Returns a worker that fails twice, and then ends well.
fn importer() -> ChildSpec {
    let starts = Arc::new(AtomicU32::new(0));
    worker("importer", move |_| {
        let attempt = starts.fetch_add(1, Relaxed) + 1;
        async move {
            println!("importer: attempt {attempt}");
            if attempt < 3 { Err("connection refused") } else { Ok(()) }
        }
    })
}

/// Returns a worker that never ends. It has nothing to write back, so it can be stopped brutally.
fn cache() -> ChildSpec {
    worker("cache", |_| std::future::pending::<()>())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config: Config = toml::from_str(&fs::read_to_string(FILE)?)?;
    let mut root = Supervisor::new("root")?.with_config(&config.supervisor);
    for child in [importer(), cache()] {
        let settings = config.children.remove(child.name()).unwrap_or_default();
        root.add_worker(child.with_config(&settings));
    }
    // A name that no child has is also a mistake.
    if let Some(name) = config.children.keys().next() {
        return Err(format!("{FILE}: there is no child {name:?}").into());
    }

    let tree = supervision::start(root).await?;
    let mut events = tree.events();
    // The importer is transient, so it stays stopped when it has ended well.
    while let Some(event) = events.next().await {
        println!("{event}");
        if event.to_string() == "root.importer ended normally" {
            break;
        }
    }
    tree.shutdown().await?;

    // A mistake is an error with the place, and with what is expected.
    let error =
        toml::from_str::<Config>("[children.cache]\nwatchdog = \"5 parsecs\"\n").err().ok_or("it is not read")?;
    println!("{error}");
    Ok(())
}
