//! Carries out one row. Callgrind counts its instructions.

fn main() {
    supervision_instructions::alone::main();
}
