use std::sync::Arc;

use fastrand::Rng;
use supervisor_core::{RestartStrategy, SupervisorError, SupervisorHandle, process};

use super::{
    blueprint::{GRACE, SpecSettings},
    diary::Diary,
    draw::{one_in, pick},
    site::Site,
    worker::scripted,
};

/// How many scopes may be inside of each other.
const DEPTH: u32 = 2;

/// The scope that a worker opens in one of its lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScopePlan {
    seed: u64,
    /// How many scopes it is in.
    depth: u32,
    /// It is stopped by its owner, after what the owner does.
    pub(crate) is_drained: bool,
}

impl ScopePlan {
    /// Draws whether a worker in so many scopes opens one, and which.
    pub(crate) fn random(rng: &mut Rng, depth: u32) -> Option<Self> {
        let seed = rng.u64(..);
        (depth < DEPTH && one_in(rng, 3)).then(|| Self { seed, depth, is_drained: one_in(rng, 3) })
    }

    /// Opens the scope, and starts its children where the owner runs. Their names are those of the children of an earlier
    /// life, so that one beside them is seen.
    pub(crate) fn open(self, diary: &Diary, site: &Arc<Site>) -> Result<SupervisorHandle, SupervisorError> {
        let mut rng = Rng::with_seed(self.seed);
        let strategy = RestartStrategy::one_for_one();
        let strategy = strategy.with_intensity_and_period(*pick(&mut rng, &[0, 1, 3, 10]), GRACE);
        let scope = process::scope_with(|scope| {
            scope.with_restart_strategy(strategy).with_abort_grace(GRACE).with_max_children(8)
        })?;
        diary.opened();
        let path = process::current().expect("workers open scopes in their processes").path();
        for index in 0..rng.usize(1..4) {
            let (name, seed) = (format!("c{index}"), rng.u64(..));
            let spec = scripted(seed, self.depth + 1, diary, (name.clone(), &format!("{path}.{name}")), site.clone());
            // It may be about to stop: then not.
            let _ = scope.spawn(SpecSettings::random(&mut rng, true).apply_in_place(spec));
        }
        Ok(scope)
    }
}
