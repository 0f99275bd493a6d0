//! Several UPSs, one machine: init hears only the fold's changes.

use crate::ipc::legal::Power;

/// Folds `(power weight, last seen)` of every UPS: LOW if the weight of those not low is under `need`;
/// else on battery if the weight of those on mains is; else mains.
///
/// Weights and `need` are as configured; the sum saturates.
pub fn fold(feeds: impl Iterator<Item = (u32, Power)>, need: u32) -> Power {
    let (mut mains, mut not_low) = (0_u32, 0_u32);
    for (weight, power) in feeds {
        if power == Power::Mains {
            mains = mains.saturating_add(weight);
        }
        if power != Power::Low {
            not_low = not_low.saturating_add(weight);
        }
    }
    if not_low < need {
        Power::Low
    } else if mains < need {
        Power::Battery
    } else {
        Power::Mains
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
