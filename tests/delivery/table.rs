//! `upsentry -t`: the table of the manual.

use crate::common::sim::Setup;
use crate::common::{DAEMON, need_root};
use crate::rig::{LONG, POWER99, one};
use std::time::{Duration, Instant};

const HEAD: &str = "CTS  DSR  DCD  RNG    RxD  TxD    DTR  RTS    STATUS";

#[test]
fn a_row_for_each_change_under_the_manual_s_columns() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", "cts=1,dcd=1,rng=1");
    let conf = one(&setup, POWER99);
    let mut rig = setup.start(DAEMON, &["-c", conf.to_str().unwrap(), "-t"]);
    let script = [
        ("", "1    0    1    1      0    0      0    1      OK"),
        ("set a cts=0", "0    0    1    1      0    0      0    1      FAIL"),
        ("set a dcd=0", "0    0    0    1      0    0      0    1      LOW"),
        ("set a cts=1 dcd=1", "1    0    1    1      0    0      0    1      OK"),
        ("eio a on", "-    -    -    -      0    0      -    -      GONE"),
    ];
    let mut seen = 0;
    for (command, row) in script {
        if !command.is_empty() {
            rig.command(command);
        }
        let end = Instant::now() + LONG;
        // Under the columns of the head, the newest row, and not one of those before.
        loop {
            let text = rig.stdout();
            let lines: Vec<&str> = text.lines().collect();
            let column = lines.first().and_then(|head| head.find(HEAD));
            let rest = |line: &&str| column.and_then(|at| line.get(at..).map(str::to_owned));
            let rows: Vec<String> = lines.iter().skip(1).filter_map(rest).collect();
            if rows.len() > seen && rows.last().is_some_and(|last| last.trim_end() == row) {
                seen = rows.len();
                break;
            }
            assert!(Instant::now() < end, "no `{row}` in:\n{text}\n{}", rig.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    // It acts on nothing.
    assert_eq!(rig.inits(), []);
}
