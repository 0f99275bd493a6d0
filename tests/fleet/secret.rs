//! The key is the jail's: the parent, which root has left, does not hold it any more.

use crate::common::memory::holds;
use crate::common::need_root;
use crate::rig::{Fleet, Machine, Plan, Proof};
use std::fs;
use upsentry::fleet::keys::Key;

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
        assert!(!holds(process(machine, "upsentry"), secret), "{}", machine.host.netns);
    }
    // The same search finds what is there.
    let name = secret.to_vec();
    assert!(holds(std::process::id(), &name), "the search is blind");
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
