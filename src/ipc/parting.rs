//! A stop that other machines must know of: the parent has its monitor tell them, and waits for its end.

use core::time::Duration;

use crate::ipc::legal::Power;
use crate::ipc::told::Told;

/// The longest time that a slave is waited for after its goodbye: the most that its `halt-time` can be.
pub const LONGEST_HALT: Duration = Duration::from_secs(600);
/// What a monitor may need beside all that.
const SLACK: Duration = Duration::from_secs(5);

/// What the monitor has to tell other machines before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Masters: this machine goes down.
    Goodbye,
    /// That, and slaves: shut down, the load will be cut.
    Shutdown,
}

impl Call {
    /// As it stands in the page that the jail reads; 0 is none.
    pub fn number(self) -> u64 {
        match self {
            Call::Goodbye => 1,
            Call::Shutdown => 2,
        }
    }

    /// From there.
    pub fn from_number(number: u64) -> Option<Call> {
        [Call::Goodbye, Call::Shutdown].into_iter().find(|call| call.number() == number)
    }
}

/// What became of the slaves, as the state file says it for `-k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slaves {
    /// They were not told to shut down, or have not all gone yet.
    Waiting,
    /// All that count have gone.
    Served,
    /// The wait is over, and some have not.
    Missing,
}

impl Slaves {
    /// As it stands in the file.
    pub fn word(self) -> &'static str {
        match self {
            Slaves::Waiting => "waiting",
            Slaves::Served => "served",
            Slaves::Missing => "missing",
        }
    }

    /// For a daemon that starts: init may start it again in runlevel 0, after its slaves have gone.
    pub fn at_start(runlevel: Option<u8>, recorded: Option<Slaves>) -> Slaves {
        let last = runlevel == Some(b'0');
        recorded.filter(|_| last).unwrap_or(Slaves::Waiting)
    }
}

/// Whether a stop is the machine's end. `runlevel`: init's, where it says so. Without it the last word that
/// init was told must do.
pub fn goes_down(runlevel: Option<u8>, told: Told) -> bool {
    match runlevel {
        Some(level) => level == b'0',
        None => matches!(told, Told::Low | Told::Final),
    }
}

/// What a machine that goes down has to tell. `feeds`: of each UPS whether it is a line of this machine, so that the
/// load may be cut by it, and what was last seen. That another machine's UPS is on battery is no reason to shut down
/// those that ask this one. `slaves`: what a daemon before this one recorded in the last runlevel; those that it saw go
/// are not there to be waited for again.
pub fn call(
    slaves: Option<Slaves>,
    feeds: impl IntoIterator<Item = (bool, Option<Power>)>,
) -> Call {
    let mut feeds = feeds.into_iter().filter(|_| slaves != Some(Slaves::Served));
    let battery = |power| matches!(power, Some(Power::Battery | Power::Low));
    let cut = feeds.any(|(line, power)| line && battery(power));
    if cut { Call::Shutdown } else { Call::Goodbye }
}

/// How long a parting can take: every limit of it is the parent's, not the monitor's.
pub fn longest(slave_wait: Duration) -> Duration {
    slave_wait.saturating_add(LONGEST_HALT).saturating_add(SLACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runlevel_0_is_the_end_whatever_was_told_and_any_other_is_a_restart() {
        for told in [Told::Ok, Told::Fail, Told::Low, Told::Final] {
            assert!(goes_down(Some(b'0'), told));
            assert!(!goes_down(Some(b'2'), told));
            assert!(!goes_down(Some(b'6'), told));
        }
    }

    #[test]
    fn only_the_last_runlevel_keeps_what_became_of_the_slaves() {
        let gone = Some(Slaves::Served);
        assert_eq!(Slaves::at_start(Some(b'0'), gone), Slaves::Served);
        assert_eq!(Slaves::at_start(Some(b'0'), Some(Slaves::Missing)), Slaves::Missing);
        assert_eq!(Slaves::at_start(Some(b'0'), None), Slaves::Waiting);
        assert_eq!(Slaves::at_start(Some(b'2'), gone), Slaves::Waiting);
        assert_eq!(Slaves::at_start(None, gone), Slaves::Waiting);
    }

    #[test]
    fn slaves_are_told_to_shut_down_for_a_ups_of_this_machine_only() {
        let (mains, battery, low) = (Some(Power::Mains), Some(Power::Battery), Some(Power::Low));
        let call =
            |feeds: &[(bool, Option<Power>)]| call(Some(Slaves::Waiting), feeds.iter().copied());
        for power in [battery, low] {
            assert_eq!(call(&[(true, mains), (true, power)]), Call::Shutdown);
            assert_eq!(call(&[(true, mains), (false, power)]), Call::Goodbye);
        }
        assert_eq!(call(&[(true, mains), (true, None)]), Call::Goodbye);
        assert_eq!(call(&[]), Call::Goodbye);
    }

    /// Else a daemon that init started again in runlevel 0 would wait for them, and record that they are missing.
    #[test]
    fn slaves_that_have_gone_are_not_waited_for_again() {
        let feeds = [(true, Some(Power::Low))];
        assert_eq!(call(Some(Slaves::Served), feeds), Call::Goodbye);
        for slaves in [None, Some(Slaves::Waiting), Some(Slaves::Missing)] {
            assert_eq!(call(slaves, feeds), Call::Shutdown);
        }
    }

    #[test]
    fn another_init_goes_down_when_it_was_told_to() {
        assert!(goes_down(None, Told::Low) && goes_down(None, Told::Final));
        assert!(!goes_down(None, Told::Ok) && !goes_down(None, Told::Fail));
    }
}
