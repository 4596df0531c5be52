//! Carries out one sample: the name of a contestant, and a workload in JSON.

fn main() {
    supervision_benches::alone::main();
}
