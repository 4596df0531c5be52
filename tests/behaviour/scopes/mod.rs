//! Scopes: workers that own children. Nothing of a scope outlives its owner, whatever way the owner ends.

mod ends;
mod failures;
mod held;
mod limits;
mod order;
mod seen;

use futures_lite::future::yield_now;
use supervisor_core::{ChildId, ChildSpec, SupervisorError, SupervisorHandle, process, worker};

use crate::actors::{Census, Strings};

/// An owner that opens its scope with these children, and then waits until it is asked or its string is pulled.
fn owner(
    name: &'static str,
    strings: &Strings,
    children: impl Fn(&SupervisorHandle) + Send + Sync + Clone + 'static,
) -> ChildSpec {
    let strings = strings.clone();
    worker(name, move |shutdown| {
        let (strings, children) = (strings.clone(), children.clone());
        async move {
            children(&process::scope()?);
            strings.hang(shutdown).await
        }
    })
}

fn spawn(scope: &SupervisorHandle, child: ChildSpec) {
    scope.spawn(child).expect("the scope is open");
}

/// A child that takes some turns to stop.
fn slow(name: &'static str, census: &Census) -> ChildSpec {
    let census = census.clone();
    worker(name, move |shutdown| {
        let present = census.enter();
        async move {
            let _present = present;
            shutdown.await;
            for _ in 0..10 {
                yield_now().await;
            }
        }
    })
}

fn owner_id(handle: &SupervisorHandle, name: &str) -> Result<ChildId, SupervisorError> {
    Ok(futures_lite::future::block_on(handle.find(name))?[0].id)
}
