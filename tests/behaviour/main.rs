//! What a user of supervision trees may rely on, on every executor.

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;
mod accounting;
mod actors;
mod adding;
mod calls;
mod context;
mod crowd;
mod depth;
mod dynamic;
mod errors;
mod events;
mod final_errors;
mod handles;
mod inside;
mod local_workers;
mod lookup;
mod monitors;
mod processes;
mod readiness;
mod reloads;
mod reservations;
mod restarts;
mod retained;
mod running;
mod scopes;
mod set_ups;
mod signs;
mod snapshots;
mod specifications;
mod starts;
mod stops;
mod stuck;
mod surface;
