//! Outputs: what the program drives, and what a driver does by itself.

use crate::common::need_root;
use crate::common::sim::{Event, Kind, Rig, Setup, tool};
use crate::{LONG, ends, probe};

/// What a UPS's kill line sees: levels by who drove them, and the settings at that moment.
fn outputs(rig: &mut Rig) -> Vec<String> {
    let outs = rig.log().iter().filter(|event| matches!(event.kind, Kind::Out { .. }));
    outs.map(|event| event.text.trim_start_matches("a out ").to_owned()).collect()
}

#[test]
fn outputs_move_at_open_and_close_unless_speed_is_zero_and_hupcl_off() {
    if !need_root() {
        return;
    }
    let steps = "speed=0 hupcl=0 set=rts bis=dtr bic=rts";
    let setup = Setup::new().port("a", "");
    let tty = setup.tty("a").to_str().unwrap().to_owned();
    let mut rig = setup.start("sh", &["-s"]);
    let probe = tool("probe");
    rig.input(&format!(
        "{} {tty} {steps}; {} {tty} get speed=9600; exit",
        probe.display(),
        probe.display()
    ));
    assert_eq!(rig.wait_exit(LONG), Some(0));
    assert!(rig.stdout().contains("get: cts=0 dsr=0 dcd=0 rng=0 dtr=1 rts=0"), "{}", rig.stdout());
    assert_eq!(
        outputs(&mut rig),
        [
            "dtr=1 rts=1 by=open speed=9600 clocal=1 hupcl=1",
            "dtr=0 rts=0 by=speed speed=0 clocal=1 hupcl=1",
            "dtr=0 rts=1 by=set speed=0 clocal=1 hupcl=0",
            "dtr=1 rts=1 by=bis speed=0 clocal=1 hupcl=0",
            "dtr=1 rts=0 by=bic speed=0 clocal=1 hupcl=0",
            // Closed with hupcl off and opened at speed 0: nothing moved until the speed did.
            "dtr=1 rts=1 by=speed speed=9600 clocal=1 hupcl=0",
        ]
    );
    let opens = rig.log().iter().filter(|event| event.is("a open")).count();
    let closes = rig.log().iter().filter(|event| event.is("a close")).count();
    assert_eq!((opens, closes), (2, 2), "{}", rig.log_text());
}

#[test]
fn hupcl_lowers_the_outputs_at_the_last_close() {
    if !need_root() {
        return;
    }
    let mut rig = probe(Setup::new().port("a", ""), "get");
    assert_eq!(rig.wait_exit(LONG), Some(0));
    let last = outputs(&mut rig).pop();
    assert_eq!(last.as_deref(), Some("dtr=0 rts=0 by=close speed=9600 clocal=1 hupcl=1"));
}

#[test]
fn exclusive_use_ends_with_the_last_close() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", "");
    let tty = setup.tty("a").to_str().unwrap().to_owned();
    let mut rig = setup.start("sh", &["-s"]);
    let probe = tool("probe");
    // An unprivileged program must be able to open the tty again: root always can.
    rig.input(&format!("{} {tty} excl", probe.display()));
    rig.expect("a close");
    rig.input(&format!(
        "chmod 666 {tty}; setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'exec 3<>{tty}'"
    ));
    rig.expect("a open");
    rig.close_input();
    assert_eq!(rig.wait_exit(LONG), Some(0), "{}", rig.stderr());
}

#[test]
fn breaks_are_logged_and_a_timed_one_takes_its_time() {
    if !need_root() {
        return;
    }
    let mut rig = probe(Setup::new().port("a", ""), "break=on break=off sendbreak");
    ends(&mut rig, &["break=on: ok", "break=off: ok", "sendbreak: ok"]);
    let breaks: Vec<Event> = rig
        .log()
        .iter()
        .filter(|event| matches!(event.kind, Kind::Break { .. }))
        .cloned()
        .collect();
    let texts: Vec<&str> = breaks.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["a break on", "a break off", "a break on", "a break off"]);
    let long = breaks[3].nanos - breaks[2].nanos;
    assert!((250_000_000..500_000_000).contains(&long), "{long}");
}
