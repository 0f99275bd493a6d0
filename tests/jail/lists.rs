//! What the lists can allow at all, read from the compiled programs, and that the kernel agrees.

use crate::common::jail::{ARCH, Call, KILL, Outcome, Way, allowed, verdict, verdicts};
use crate::common::need_root;
use crate::ground::Ground;
use crate::run;
use crate::who::{ALL, Who};
use nix::libc;
use std::collections::BTreeSet;
use upsentry::monitor::filter as jail;

/// Over all numbers, and whatever the arguments are, only what the design lists can be
/// allowed; nothing of another architecture or of x32.
#[test]
fn only_listed_numbers_can_be_allowed() {
    let ground = Ground::new();
    for who in ALL {
        let mut listed: BTreeSet<u32> = BTreeSet::new();
        let numbers = who.free().into_iter().chain(who.maps());
        let numbers = numbers.chain(who.rules(&ground).into_iter().map(|(number, _)| number));
        listed.extend(numbers.map(|number| u32::try_from(number).expect("a number")));
        for (index, program) in who.programs(&ground).iter().enumerate() {
            // The monitor also carries the warden's list, which allows more.
            let last = index + 1 == who.programs(&ground).len();
            for number in 0..=600 {
                let can = verdicts(program, number, ARCH).contains(&libc::SECCOMP_RET_ALLOW);
                if last {
                    assert_eq!(can, listed.contains(&number), "{who:?}: number {number}");
                }
                for strange in [number | 0x4000_0000, number | 0x8000_0000, u32::MAX - number] {
                    let verdicts = verdicts(program, strange, ARCH);
                    assert_eq!(verdicts, BTreeSet::from([KILL]), "{who:?}: number {strange:#x}");
                }
                for arch in [0x4000_0003, 0xc000_00b7, 0x4000_0028, ARCH ^ 0x4000_0000, 0] {
                    let verdicts = verdicts(program, number, arch);
                    assert_eq!(verdicts, BTreeSet::from([KILL]), "{who:?}: {number} of {arch:#x}");
                }
                let known = BTreeSet::from([KILL, libc::SECCOMP_RET_ALLOW]);
                assert!(verdicts(program, number, ARCH).is_subset(&known), "{who:?}: {number}");
            }
        }
    }
}

/// By reading: every pinned argument one off, every bit of it turned, the upper half set.
#[test]
fn each_pinned_argument_counts() {
    let ground = Ground::new();
    for who in ALL {
        let programs = who.programs(&ground);
        for (call, _) in mutants(who, &ground, 0..64) {
            let design = who.may(&ground, call);
            assert_eq!(allowed(&programs, call), design, "{who:?}: {call:x?}");
        }
    }
}

/// A rule's call with one argument changed, and that argument's place; first each as it is.
fn mutants(
    who: Who,
    ground: &Ground,
    bits: impl Iterator<Item = u32> + Clone,
) -> Vec<(Call, usize)> {
    let mut all = Vec::new();
    let maps = who.maps().into_iter().map(|number| (number, vec![(2, libc::PROT_READ as u64)]));
    for (number, arguments) in who.rules(ground).into_iter().chain(maps) {
        let mut call = Call::new(number, &[]);
        for (index, value) in &arguments {
            call.args[*index] = *value;
        }
        all.push((call, 0));
        for (index, value) in arguments {
            let turned = bits.clone().map(|bit| value ^ 1 << bit);
            for other in [value.wrapping_add(1), value.wrapping_sub(1)].into_iter().chain(turned) {
                let mut mutant = call;
                mutant.args[index] = other;
                all.push((mutant, index));
            }
        }
    }
    all
}

/// By doing: the kernel kills each mutant that the design does not let pass.
#[test]
fn the_kernel_looks_at_the_arguments_too() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    for who in ALL {
        let calls: Vec<Call> = mutants(who, &ground, [31, 32, 63].into_iter())
            .into_iter()
            .map(|(call, _)| call)
            .collect();
        let ways: Vec<Way> = calls.iter().map(|call| Way::Native(*call)).collect();
        for (call, outcome) in calls.into_iter().zip(run(who, &ground, &ways)) {
            let passes = who.may(&ground, call);
            assert!(
                if passes { outcome.passed() } else { outcome.denied() },
                "{who:?}: {call:x?} {outcome:?}"
            );
        }
    }
}

/// All numbers, made: the interpreter above and the kernel agree.
#[test]
fn the_kernel_agrees_over_all_numbers() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    for who in ALL {
        let calls: Vec<Call> = (0..=600).map(|number| Call::new(number, &[])).collect();
        let ways: Vec<Way> = calls.iter().map(|call| Way::Native(*call)).collect();
        for (call, outcome) in calls.into_iter().zip(run(who, &ground, &ways)) {
            let passes = who.may(&ground, call);
            // Since Linux 6.11 no filter sees uretprobe and uprobe, which anywhere but in the kernel's own
            // trampoline do nothing but fail.
            let harmless = [Outcome::Killed(libc::SIGILL), Outcome::Returned(libc::ENXIO)];
            let probe = matches!(call.number, 335 | 336) && harmless.contains(&outcome);
            let right = probe || if passes { outcome.passed() } else { outcome.denied() };
            assert!(right, "{who:?}: {call:?} {outcome:?}");
        }
    }
}

/// The second reading itself can tell right from wrong.
#[test]
fn the_interpreter_sees_a_hole() {
    let ground = Ground::new();
    let list = jail::monitor(&ground.jail_fds()).any(libc::SYS_openat).compile().expect("a list");
    let number = u32::try_from(libc::SYS_openat).expect("a number");
    assert_eq!(verdicts(&list, number, ARCH), BTreeSet::from([libc::SECCOMP_RET_ALLOW]));
    assert_eq!(verdict(&list, Call::new(libc::SYS_openat, &[])), libc::SECCOMP_RET_ALLOW);
    let list =
        jail::monitor(&ground.jail_fds()).without(libc::SYS_ppoll).compile().expect("a list");
    assert_eq!(verdict(&list, Call::new(libc::SYS_ppoll, &[])), KILL);
}
