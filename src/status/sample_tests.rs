//! Snapshots for the tests of what is shown.

use crate::status::collect::{Snapshot, WithVariables};
use crate::status::report::{Doubt, FORMAT, Head, Holds, Rule, Said, Slave, State, Ups, Way};

/// A line with nothing special about it.
pub(super) fn line(name: &'static str, state: State) -> Ups<'static> {
    Ups {
        name: name.into(),
        model: "power99".into(),
        source: "/dev/ttyS0".into(),
        way: Way::Lines(Some(0b10_0101)),
        state,
        lost: false,
        doubt: false,
        weight: 1,
        since: 252_000,
        spent: 0,
        limit: None,
        left: None,
        glitches: 0,
        outage: None,
    }
}

/// With the variable that each has.
pub(super) fn with_status(ups: Ups<'static>) -> WithVariables {
    let status = crate::status::text::nut(ups.state).to_owned();
    (ups, vec![("ups.status".to_owned(), status)])
}

/// On mains since days.
pub(super) fn calm() -> Snapshot {
    let day = 86_400_000;
    let head = Head {
        format: FORMAT,
        version: "0.1.0".into(),
        host: "mina.example".into(),
        machine: State::Mains,
        recorded: Some(Said::Ok),
        up: 41 * day,
        pids: [812, 9911],
        ..Head::default()
    };
    let ups = Ups { since: 3 * day, ..line("ups", State::Mains) };
    Snapshot { head, ups: vec![with_status(ups)], slaves: Vec::new(), rules: Vec::new() }
}

/// A master in an outage, with everything that there is to say.
pub(super) fn outage() -> Snapshot {
    let day = 86_400_000;
    let calm = calm();
    let head = Head {
        machine: State::Battery,
        told: Some(Said::Fail),
        told_ago: Some(252_000),
        recorded: Some(Said::Fail),
        replaced: 2,
        replaced_ago: Some(3 * day),
        dropped: 4,
        master: true,
        refused: Some([0, 0, 2, 0, 5, 1, 0]),
        ..calm.head
    };
    let ups = Ups {
        way: Way::Lines(Some(0b10_0100)),
        spent: 252_000,
        limit: Some(600_000),
        left: Some(348_000),
        glitches: 3,
        outage: Some([11_000, 22 * day]),
        ..line("ups", State::Battery)
    };
    let rack = Ups {
        model: "".into(),
        source: "serial.example".into(),
        way: Way::Master(Some(240)),
        weight: 0,
        ..line("rack", State::Mains)
    };
    let slave = |name: &'static str, last, ago, acknowledged, silent, leaving| Slave {
        name: name.into(),
        heard: Some((([192, 0, 2, last], 4386).into(), ago)),
        acknowledged,
        silent,
        leaving,
    };
    let mut variables = with_status(rack);
    variables.1.push(("battery.charge".to_owned(), "97.5".to_owned()));
    let slaves = vec![
        slave("nod1", 1, 200, true, false, false),
        slave("nod2", 2, 300, false, false, false),
        slave("nod3", 3, 241_000, false, true, false),
        slave("nod4", 4, 2_000, true, false, true),
        Slave {
            heard: None,
            silent: true,
            acknowledged: false,
            ..slave("nod5", 5, 0, false, true, false)
        },
    ];
    let rule =
        |name: &str, holds, why, left| Rule { name: name.to_owned().into(), holds, why, left };
    let rules = vec![
        rule("charge", Holds::No, Doubt::None, None),
        rule("hot", Holds::Unknown, Doubt::Missing("ups.temperature".into()), None),
        rule("over", Holds::Idle, Doubt::None, Some(348_000)),
    ];
    Snapshot { head, ups: vec![with_status(ups), variables], slaves, rules }
}
