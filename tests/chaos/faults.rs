use std::{sync::Arc, time::Duration};

use executor_sim::{Fault, Sim};
use fastrand::Rng;

use super::{
    draw::draw,
    site::{Site, Turn},
};

const MOMENT: Duration = Duration::from_millis(1);

/// The faults of workers, and how often they have them.
const FAULTS: [(Kind, u32); 8] = [
    (Kind::Panic, 1),
    (Kind::Loss, 1),
    (Kind::Refusal, 1),
    (Kind::FailedStart, 1),
    (Kind::Stall, 1),
    (Kind::LateWakes, 1),
    (Kind::Block, 1),
    (Kind::None, 9),
];

#[derive(Clone, Copy)]
enum Kind {
    Panic,
    Loss,
    Refusal,
    FailedStart,
    Stall,
    LateWakes,
    Block,
    None,
}

/// Sets faults on some of these workers, each with the site that it runs on. Returns the turns of those that are to block.
pub(crate) fn set(sim: &Sim, workers: Vec<(String, Arc<Site>)>) -> Vec<Turn> {
    let mut rng = Rng::with_seed(sim.seed());
    let mut turns = Vec::new();
    for (worker, site) in workers {
        let time = rng.u32(1..40) * MOMENT;
        let fault = match draw(&mut rng, &FAULTS) {
            Kind::Panic => Fault::panic(worker).within(time),
            Kind::Loss => Fault::lose(worker).within(time),
            Kind::Refusal => Fault::refuse(worker).one_in(2),
            Kind::FailedStart => Fault::fail_start(worker).until(time),
            Kind::Stall => Fault::stall(worker).within(time).lasting(time),
            Kind::LateWakes => Fault::delay_wakes(worker, 3 * MOMENT),
            Kind::Block => {
                let Some(turn) = site.turn() else { continue };
                turns.push(turn);
                Fault::block(worker).nth(1).within(time).lasting(10 * time)
            }
            Kind::None => continue,
        };
        sim.fault(fault);
    }
    turns
}
