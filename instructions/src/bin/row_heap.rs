//! Carries out one row, as `row` does, with a counting allocator. With the argument `task-box` it weighs that.

use std::{alloc::System, env};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    if env::args().nth(1).as_deref() == Some("task-box") {
        println!("{}", supervision_instructions::weigh::task_box());
    } else {
        supervision_instructions::alone::main();
    }
}
