//! init's end of the FIFO.

use crate::LONG;
use crate::common::need_root;
use crate::common::sim::{Rig, Setup};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

/// A request as init's own tools write it.
fn request(cmd: u32, level: u8, data: &[u8]) -> Vec<u8> {
    let words = [0x0309_1969, cmd, u32::from(level), 5];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect();
    bytes.extend_from_slice(data);
    bytes.resize(384, 0);
    bytes
}

fn writer(rig: &Rig) -> std::io::Result<fs::File> {
    OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(rig.setup().initctl())
}

#[test]
fn init_decodes_what_it_is_told() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().start("sleep", &["60"]);
    let mut fifo = writer(&rig).unwrap();
    let mut both = request(6, 0, b"INIT_HALT=POWEROFF\0");
    both.extend(request(1, b'0', b""));
    fifo.write_all(&both).unwrap();
    rig.expect("init setenv cmd=6 runlevel=- sleep=5 env=INIT_HALT=POWEROFF size=384");
    rig.expect("init runlevel cmd=1 runlevel=0 sleep=5 size=384");
    fifo.write_all(b"short").unwrap();
    rig.expect("init bogus size=5");
    let inits = rig.inits();
    let names: Vec<&str> = inits.iter().map(|init| init.name.as_str()).collect();
    assert_eq!(names, ["setenv", "runlevel", "bogus"]);
    assert_eq!((inits[0].env[0].as_str(), inits[1].runlevel.as_str()), ("INIT_HALT=POWEROFF", "0"));
}

#[test]
fn init_stops_closes_and_moves_as_a_real_one() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().start("sleep", &["60"]);
    let mut fifo = writer(&rig).unwrap();
    rig.command("stop-init");
    rig.expect("init stop");
    let full = (0..).find_map(|count| {
        fifo.write_all(&request(2, 0, b"")).err().map(|error| (count, error.kind()))
    });
    assert_eq!(full, Some((160, std::io::ErrorKind::WouldBlock)));
    rig.command("start-init");
    assert_eq!(rig.wait_inits(160, LONG).len(), 160);

    rig.command("close-init");
    rig.expect("init close");
    assert_eq!(
        fifo.write_all(&request(2, 0, b"")).unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    assert_eq!(writer(&rig).unwrap_err().raw_os_error(), Some(nix::libc::ENXIO));
    rig.command("open-init");
    rig.expect("init open");
    fifo.write_all(&request(4, 0, b"")).unwrap();
    rig.expect("init powerok cmd=4 runlevel=- sleep=5 size=384");

    rig.command("unlink-init");
    rig.command("open-init");
    rig.expect("init open");
    assert_eq!(
        fifo.write_all(&request(4, 0, b"")).unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    writer(&rig).unwrap().write_all(&request(3, 0, b"")).unwrap();
    rig.expect("init powerfailnow cmd=3 runlevel=- sleep=5 size=384");
}
