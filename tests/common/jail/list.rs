//! A second reading of compiled system call lists.

use nix::libc::{self, c_long};
use seccompiler::{BpfProgram, sock_filter};
use std::collections::BTreeSet;

/// A system call as a filter sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub number: u32,
    pub arch: u32,
    pub args: [u64; 6],
}

/// This machine's, in linux/audit.h.
#[cfg(target_arch = "x86_64")]
pub const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub const ARCH: u32 = 0xc000_00b7;

pub const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
pub const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

impl Call {
    pub fn new(number: c_long, args: &[u64]) -> Self {
        let mut all = [0; 6];
        all.iter_mut().zip(args).for_each(|(to, from)| *to = *from);
        let number = i32::try_from(number).expect("a call's number");
        Self { number: number as u32, arch: ARCH, args: all }
    }

    /// A word of `struct seccomp_data`.
    fn word(self, offset: u32) -> u32 {
        let half = |value: u64, high| if high { value >> 32 } else { value & 0xffff_ffff };
        let value = match offset {
            0 => u64::from(self.number),
            4 => u64::from(self.arch),
            // The instruction pointer: no list looks at it.
            8 | 12 => panic!("a list looks at the instruction pointer"),
            _ => half(self.args[(offset as usize - 16) / 8], offset % 8 == 4),
        };
        u32::try_from(value).expect("32 bits")
    }
}

/// What one list says: classic BPF, as far as lists use it.
pub fn verdict(program: &[sock_filter], call: Call) -> u32 {
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let step = &program[at];
        let jump = |yes| if yes { step.jt } else { step.jf };
        let over = match step.code {
            0x20 => {
                accumulator = call.word(step.k);
                0
            }
            0x54 => {
                accumulator &= step.k;
                0
            }
            0x05 => step.k as usize,
            0x15 => jump(accumulator == step.k).into(),
            0x25 => jump(accumulator > step.k).into(),
            0x35 => jump(accumulator >= step.k).into(),
            0x45 => jump(accumulator & step.k != 0).into(),
            0x06 => return step.k,
            other => panic!("instruction {other:#x} at {at}"),
        };
        at += 1 + over;
    }
}

/// What several lists say together: all have to allow.
pub fn allowed(programs: &[BpfProgram], call: Call) -> bool {
    programs.iter().all(|program| verdict(program, call) == ALLOW)
}

/// Every verdict that a list can come to for this number, whatever the arguments are: branches on
/// arguments are taken both ways.
pub fn verdicts(program: &[sock_filter], number: u32, arch: u32) -> BTreeSet<u32> {
    let call = Call { number, arch, args: [0; 6] };
    let mut verdicts = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut left = vec![(0, None)];
    while let Some((at, known)) = left.pop() {
        if !seen.insert((at, known)) {
            continue;
        }
        let step = &program[at];
        let next = at + 1;
        let (yes, no) = (next + usize::from(step.jt), next + usize::from(step.jf));
        let branch = match (step.code, known) {
            (0x20, _) => {
                left.push((next, (step.k < 8).then(|| call.word(step.k))));
                continue;
            }
            (0x54, _) => {
                left.push((next, known.map(|value: u32| value & step.k)));
                continue;
            }
            (0x05, _) => {
                left.push((next + step.k as usize, known));
                continue;
            }
            (0x06, _) => {
                verdicts.insert(step.k);
                continue;
            }
            (0x15, Some(value)) => Some(value == step.k),
            (0x25, Some(value)) => Some(value > step.k),
            (0x35, Some(value)) => Some(value >= step.k),
            (0x45, Some(value)) => Some(value & step.k != 0),
            (0x15 | 0x25 | 0x35 | 0x45, None) => None,
            (other, _) => panic!("instruction {other:#x} at {at}"),
        };
        if branch != Some(false) {
            left.push((yes, known));
        }
        if branch != Some(true) {
            left.push((no, known));
        }
    }
    verdicts
}

/// FNV-1a over the instructions: a list that changes has to be looked at, here too.
pub fn fingerprint(program: &[sock_filter]) -> u64 {
    let words = |step: &sock_filter| {
        let (code, k) = (step.code.to_le_bytes(), step.k.to_le_bytes());
        [code[0], code[1], step.jt, step.jf, k[0], k[1], k[2], k[3]]
    };
    program.iter().flat_map(words).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
