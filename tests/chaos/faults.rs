use std::{sync::Arc, time::Duration};

use executor_sim::{Fault, Sim};
use fastrand::Rng;

use super::site::{Site, Turn};

const MOMENT: Duration = Duration::from_millis(1);

/// Sets faults on some of these workers, each with the site that it runs on. Returns the turns of those that are to block.
pub(crate) fn set(sim: &Sim, workers: Vec<(String, Arc<Site>)>) -> Vec<Turn> {
    let mut rng = Rng::with_seed(sim.seed());
    let mut turns = Vec::new();
    for (worker, site) in workers {
        let time = rng.u32(1..40) * MOMENT;
        let fault = match rng.u8(..16) {
            0 => Fault::panic(worker).within(time),
            1 => Fault::lose(worker).within(time),
            2 => Fault::refuse(worker).one_in(2),
            3 => Fault::fail_start(worker).until(time),
            4 => Fault::stall(worker).within(time).lasting(time),
            5 => Fault::delay_wakes(worker, 3 * MOMENT),
            6 => {
                let Some(turn) = site.turn() else { continue };
                turns.push(turn);
                Fault::block(worker).nth(1).within(time).lasting(10 * time)
            }
            _ => continue,
        };
        sim.fault(fault);
    }
    turns
}
