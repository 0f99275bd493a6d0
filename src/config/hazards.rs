//! What the wiring cannot tell apart, computed from the lines that a UPS uses.

use super::types::{Condition, Input, Kill, Outputs, Ups, time, words};
use super::wiring::{Pattern, Status, Wiring};

/// What a cable reads as when it is pulled and all its inputs fall to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Healthy, for ever.
    Mains,
    /// On battery.
    OnBattery,
    /// On battery and low: a shutdown.
    Low,
    /// Low while on mains: a notice.
    LowOnMains,
}

/// What such conditions say when every input is 0.
#[must_use]
pub fn pulled(fail: &[Condition], low: &[Condition]) -> Pulled {
    let (fail, low) = (Pattern::new(fail), Pattern::new(low));
    let wiring = Wiring { fail, low, sense: Pattern::default() };
    match wiring.status(Some(0)) {
        Status::Low => Pulled::Low,
        Status::Battery => Pulled::OnBattery,
        _ if wiring.low_on_mains(0) => Pulled::LowOnMains,
        _ => Pulled::Mains,
    }
}

impl Ups {
    /// Whether a jump from mains to all inputs 0 could be a pulled cable or an outage, so that
    /// `cable-grace` holds LOW back.
    #[must_use]
    pub fn blind_grace_applies(&self) -> bool {
        Wiring::new(self).cable_unsure()
    }
}

/// What to warn of in the wiring of a UPS.
#[must_use]
pub fn hazards(ups: &Ups) -> Vec<String> {
    let found = [pulled_cable(ups), raised_by_open(ups), always_killing(ups), ring(ups)];
    found.into_iter().flatten().collect()
}

fn pulled_cable(ups: &Ups) -> Option<String> {
    if !ups.sense.is_empty() {
        let unproven = Pattern::new(&ups.sense).holds(0);
        let sense = words(&ups.sense);
        return unproven
            .then(|| format!("`sense {sense}' holds without a cable, too: it proves nothing"));
    }
    let mut lines: Vec<String> = Vec::new();
    for condition in ups.fail.iter().chain(&ups.low) {
        let reading = format!("{} 0", condition.line.word().to_uppercase());
        if !lines.contains(&reading) {
            lines.push(reading);
        }
    }
    let meaning = match pulled(&ups.fail, &ups.low) {
        Pulled::Mains => "\"mains on\": an outage would go unnoticed".to_owned(),
        Pulled::LowOnMains => "\"mains on\", and low: an outage would go unnoticed".to_owned(),
        Pulled::OnBattery => "\"on battery\"".to_owned(),
        Pulled::Low if ups.cable_grace.is_zero() => {
            "\"low\": a shutdown at once (cable-grace 0s)".to_owned()
        }
        Pulled::Low => format!("\"low\": held back {} (cable-grace)", time(ups.cable_grace)),
    };
    Some(format!("a pulled cable reads {}, which is {meaning}; {}", lines.join(" "), cure(ups)))
}

/// How to make the cable prove that it is there: an output that is raised in normal operation, looped
/// back to an input that nothing else uses.
fn cure(ups: &Ups) -> String {
    let used =
        |line: Input| ups.fail.iter().chain(&ups.low).any(|condition| condition.line == line);
    let free = [Input::Dsr, Input::Dcd, Input::Cts].into_iter().find(|line| !used(*line));
    let raised = match ups.init {
        Outputs { dtr: Some(true), .. } => Some("DTR"),
        Outputs { rts: Some(true), .. } => Some("RTS"),
        _ => None,
    };
    match (raised, free) {
        (Some(output), Some(input)) => {
            let word = input.word();
            format!(
                "bridge {output} to {} in the plug and write `sense {word} 1' to tell the two apart",
                word.to_uppercase()
            )
        }
        _ => "no output is raised by `init' and no line is free, so nothing can tell the two apart"
            .to_owned(),
    }
}

/// Linux raises DTR and RTS at the first open after boot, before any program can lower them.
fn raised_by_open(ups: &Ups) -> Option<String> {
    let Kill { outputs: kill, .. } = ups.kill?;
    let mut raised = Vec::new();
    for (name, kill, init) in [("DTR", kill.dtr, ups.init.dtr), ("RTS", kill.rts, ups.init.rts)] {
        if kill == Some(true) && init != Some(true) {
            raised.push(format!("{name} 1"));
        }
    }
    (!raised.is_empty()).then(|| {
        format!(
            "the first open after boot raises DTR and RTS for a moment, and {} is the kill signal: a UPS that is still on battery then may cut the load",
            raised.join(" ")
        )
    })
}

/// `init` that already is the kill signal.
fn always_killing(ups: &Ups) -> Option<String> {
    let kill = ups.kill.filter(|kill| !kill.send_break && kill.outputs != Outputs::default())?;
    (kill.outputs.over(ups.init) == ups.init).then(|| {
        format!("the kill signal ({kill}) is what `init' sets: the UPS would be told to cut the load all the time")
    })
}

fn ring(ups: &Ups) -> Option<String> {
    let mut used = ups.fail.iter().chain(&ups.low).chain(&ups.sense);
    used.any(|condition| condition.line == Input::Rng)
        .then(|| "RNG interrupts on one edge only: this UPS is re-read each second".to_owned())
}
