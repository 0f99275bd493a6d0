//! The key is the jail's: the parent, which root has left, does not hold it any more.

use crate::common::need_root;
use crate::rig::{Fleet, Machine, Plan, Proof};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use upsentry::fleet::keys::Key;

/// How often these bytes stand in what a process can write to.
fn times(pid: u32, secret: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its maps");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (begin, end) =
            line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let [begin, end] =
            [begin, end].map(|hex| u64::from_str_radix(hex, 16).expect("an address"));
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap()];
        if memory.read_exact_at(&mut bytes, begin).is_ok() {
            found += bytes.windows(secret.len()).filter(|window| *window == secret).count();
        }
    }
    found
}

fn process(machine: &Machine, name: &str) -> u32 {
    let named = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    machine.rig.processes().into_iter().find(named).unwrap_or_else(|| panic!("no {name}"))
}

/// Fails with `forget_keys` left out of the start, and with the file's bytes left in the reader's memory.
fn only_in_the_jail(proof: Proof, secret: &[u8; 32]) {
    let fleet = Fleet::start(&Plan { slaves: 1, proof, ..Plan::default() });
    for machine in [&fleet.master, &fleet.slaves[0]] {
        assert_eq!(times(process(machine, "upsentry"), secret), 0, "{}", machine.host.netns);
    }
    // The same search finds what is there.
    let name = secret.to_vec();
    assert!(times(std::process::id(), &name) > 0, "the search is blind");
}

#[test]
fn a_key_file_is_forgotten_by_all_but_the_jail() {
    if need_root() {
        only_in_the_jail(Proof::Key, &[7; 32]);
    }
}

#[test]
fn a_password_s_key_is_forgotten_by_all_but_the_jail() {
    if need_root() {
        let key = Key::from_password("three words here").expect("memory");
        only_in_the_jail(Proof::Password, key.bytes());
    }
}
