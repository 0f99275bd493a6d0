use super::*;
use crate::status::sample::{calm, line, outage, with_status};

#[test]
fn on_mains_there_is_little_to_say() {
    assert_eq!(
        draw(&calm(), false),
        "\
mina.example: on mains        init was told: nothing
ups      power99 on /dev/ttyS0   CTS 1 DSR 0 DCD 1 RNG 0   DTR 0 RTS 1   on mains (OL) for 3d00h
daemon   up 41d00h, notifier 812, monitor 9911; version 0.1.0
"
    );
}

#[test]
fn a_master_in_an_outage() {
    assert_eq!(
        draw(&outage(), false),
        "\
mina.example: ON BATTERY for 4m12s        init was told: power fail, 4m12s ago
ups      power99 on /dev/ttyS0   CTS 0 DSR 0 DCD 1 RNG 0   DTR 0 RTS 1   ON BATTERY (OB) for 4m12s
         shutdown-after 10m: 5m48s left; last outage 11s, 22d00h ago; 3 glitches
rack     of serial.example   heard 0.2s ago   on mains (OL) for 4m12s
         watched only (power 0)
         battery.charge 97.5
slaves   3 told, 1 acknowledged: nod1 0.2s, nod2 0.3s not acknowledged;  nod3 SILENT for 4m01s not acknowledged;  nod5 NEVER HEARD;  nod4 going down
rules    hot: unknown (ups.temperature is not known);  over: armed, in 5m48s;  1 quiet
daemon   up 41d00h, notifier 812, monitor 9911 (replaced 2x, last 3d00h ago); 4 log lines lost; version 0.1.0
refused  2 version, 5 forged, 1 stale
"
    );
}

/// The first line says what somebody has to act on.
#[test]
fn first_lines() {
    let first = |snapshot: &Snapshot| draw(snapshot, false).lines().next().map(str::to_owned);
    let with = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = outage();
        change(&mut snapshot);
        first(&snapshot).expect("a line")
    };
    let low = with(&|s| (s.head.machine, s.ups[0].0.state) = (State::Low, State::Low));
    assert!(low.starts_with("mina.example: LOW, on battery for 4m12s "), "{low}");
    let blind = with(&|s| s.head.blind = true);
    assert!(blind.starts_with("mina.example: BLIND; last seen ON BATTERY for 4m12s "), "{blind}");
    let leaving = with(&|s| s.head.leaving = Some(Leaving::Shutdown));
    assert!(leaving.contains(": GOING DOWN, with its slaves; ON BATTERY"), "{leaving}");
    let decided = with(&|s| s.head.recorded = Some(Said::Shutdown));
    assert!(decided.ends_with("power fail, 4m12s ago; shutdown is decided"), "{decided}");
    let before = with(&|s| s.head.told_ago = None);
    assert!(before.ends_with("init was told: power fail"), "{before}");
}

#[test]
fn rows_of_a_ups_in_trouble() {
    let row = |ups| {
        let snapshot = Snapshot { ups: vec![with_status(ups)], ..calm() };
        draw(&snapshot, false).lines().skip(1).take(2).collect::<Vec<_>>().join("\n")
    };
    let lost = row(Ups { lost: true, doubt: true, ..line("ups", State::Battery) });
    assert!(lost.contains("   NO CONTACT; last seen ON BATTERY (OB) for 0.0s\n"), "{lost}");
    assert!(lost.ends_with("cable pulled or UPS switched off? low is held back"), "{lost}");
    let gone = row(Ups { way: Way::Lines(None), ..line("ups", State::Unknown) });
    assert!(gone.contains("/dev/ttyS0   the port is not there   not known yet\n"), "{gone}");
    let never = row(Ups { way: Way::Master(None), ..line("a-long-name", State::Unknown) });
    assert!(never.starts_with("a-long-name of /dev/ttyS0   has not answered yet"), "{never}");
}

/// A battery to be replaced is not to be seen in the power.
#[test]
fn flags_of_nut_are_shown_with_the_power() {
    let row = |status: &str| {
        let ups = Ups { way: Way::Nut(Some(0)), ..line("ups", State::Mains) };
        let variables = vec![("ups.status".to_owned(), status.to_owned())];
        draw(&Snapshot { ups: vec![(ups, variables)], ..calm() }, false)
    };
    assert!(row("OL RB").contains("\n         ups.status OL RB\n"), "{}", row("OL RB"));
    assert!(!row("OL").contains("ups.status"), "{}", row("OL"));
}

#[test]
fn many_slaves_are_counted_not_listed() {
    let mut snapshot = outage();
    let one = snapshot.slaves[0].clone();
    snapshot.slaves = vec![one; 10_000];
    let screen = draw(&snapshot, false);
    assert!(screen.contains("10000 told, 10000 acknowledged: nod1 0.2s, nod1"), "{screen}");
    assert!(screen.contains(", and 9992 more\n"), "{screen}");
    snapshot.slaves.clear();
    assert!(draw(&snapshot, false).contains("slaves   none has asked yet\n"));
}

#[test]
fn colour_is_for_terminals() {
    let plain = |text: &str| {
        let mut bare = String::new();
        let mut parts = text.split('\x1b');
        bare.push_str(parts.next().unwrap_or_default());
        for part in parts {
            bare.push_str(part.split_once('m').expect("a colour").1);
        }
        bare
    };
    for snapshot in [calm(), outage()] {
        let painted = draw(&snapshot, true);
        assert!(painted.contains('\x1b'));
        assert_eq!(plain(&painted), draw(&snapshot, false));
    }
}
