//! Snapshots from the bytes of the socket. The daemon's jail may have been taken over: nothing here trusts it.

use crate::status::report::{Broken, Head, LARGEST, Message, Rule, Slave, State, Ups, Way, decode};

/// UPSs in a snapshot.
const MOST_UPS: usize = 64;
/// Variables of a UPS.
const MOST_VARIABLES: usize = 300;
/// Rules.
const MOST_RULES: usize = 10_000;
/// Slaves.
const MOST_SLAVES: usize = 20_000;

/// A UPS and its variables.
pub type WithVariables = (Ups<'static>, Vec<(String, String)>);

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The machine, and the daemon.
    pub head: Head<'static>,
    /// In the daemon's order.
    pub ups: Vec<WithVariables>,
    /// In no order.
    pub slaves: Vec<Slave<'static>>,
    /// In the configuration's order.
    pub rules: Vec<Rule<'static>>,
}

impl Snapshot {
    /// The same so many ms later, if nothing has happened since.
    #[must_use]
    pub fn later(mut self, by: u64) -> Snapshot {
        let older = |age: &mut u64| *age = age.saturating_add(by);
        let head = &mut self.head;
        older(&mut head.up);
        head.told_ago.iter_mut().chain(&mut head.replaced_ago).for_each(older);
        for (ups, _) in &mut self.ups {
            older(&mut ups.since);
            if let Way::Master(Some(age)) | Way::Nut(Some(age)) = &mut ups.way {
                older(age);
            }
            if matches!(ups.state, State::Battery | State::Low) {
                older(&mut ups.spent);
            }
            if let Some(left) = &mut ups.left {
                *left = left.saturating_sub(by);
            }
            if let Some([_, ago]) = &mut ups.outage {
                older(ago);
            }
        }
        for left in self.rules.iter_mut().filter_map(|rule| rule.left.as_mut()) {
            *left = left.saturating_sub(by);
        }
        for slave in &mut self.slaves {
            if let Some((_, age)) = &mut slave.heard {
                older(age);
            }
        }
        self
    }
}

/// Takes bytes, gives snapshots.
#[derive(Debug, Default)]
pub struct Collector {
    bytes: Vec<u8>,
    begun: Option<Snapshot>,
}

impl Collector {
    /// Takes what came; `whole` gets each snapshot that it completes.
    ///
    /// # Errors
    /// It is no report: nothing that comes after it is worth anything.
    pub fn take(&mut self, bytes: &[u8], whole: &mut dyn FnMut(Snapshot)) -> Result<(), Broken> {
        self.bytes.extend_from_slice(bytes);
        let mut rest = self.bytes.as_slice();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes(*length));
            if length.saturating_add(2) > LARGEST {
                return Err(Broken::Shape);
            }
            let Some((body, after)) = after.split_at_checked(length) else { break };
            if let Some(snapshot) = push(&mut self.begun, decode(body)?)? {
                whole(snapshot);
            }
            rest = after;
        }
        let used = self.bytes.len().saturating_sub(rest.len());
        self.bytes.drain(..used);
        Ok(())
    }
}

fn push(
    begun: &mut Option<Snapshot>,
    message: Message<'static>,
) -> Result<Option<Snapshot>, Broken> {
    if let Message::Head(head) = message {
        if begun.is_some() {
            return Err(Broken::Shape);
        }
        *begun = Some(Snapshot { head, ..Snapshot::default() });
        return Ok(None);
    }
    let snapshot = begun.as_mut().ok_or(Broken::Shape)?;
    match message {
        Message::Ups(ups) if snapshot.ups.len() < MOST_UPS => snapshot.ups.push((ups, Vec::new())),
        Message::Slave(slave) if snapshot.slaves.len() < MOST_SLAVES => snapshot.slaves.push(slave),
        Message::Rule(rule) if snapshot.rules.len() < MOST_RULES => snapshot.rules.push(rule),
        Message::Variable(name, value) => {
            let (_, variables) = snapshot.ups.last_mut().ok_or(Broken::Shape)?;
            if variables.len() >= MOST_VARIABLES {
                return Err(Broken::TooMuch);
            }
            variables.push((name.into_owned(), value.into_owned()));
        }
        Message::End => return Ok(begun.take()),
        Message::Head(_) | Message::Ups(_) | Message::Slave(_) | Message::Rule(_) => {
            return Err(Broken::TooMuch);
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
