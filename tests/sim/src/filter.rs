//! The seccomp filter: which calls the simulator is asked about. Pure.

use nix::libc;

/// Reads modem lines.
pub const TIOCMGET: u32 = 0x5415;
/// Raises outputs.
pub const TIOCMBIS: u32 = 0x5416;
/// Lowers outputs.
pub const TIOCMBIC: u32 = 0x5417;
/// Sets outputs.
pub const TIOCMSET: u32 = 0x5418;
/// Waits for an edge.
pub const TIOCMIWAIT: u32 = 0x545C;
/// Reads the edge counters.
pub const TIOCGICOUNT: u32 = 0x545D;
/// Break on.
pub const TIOCSBRK: u32 = 0x5427;
/// Break off.
pub const TIOCCBRK: u32 = 0x5428;
/// Break for a quarter of a second, or drain.
pub const TCSBRK: u32 = 0x5409;
/// Break for so many tenths of a second.
pub const TCSBRKP: u32 = 0x5425;
/// Exclusive use: watched only, so that it can end with the last close as on a real port.
pub const TIOCEXCL: u32 = 0x540C;
/// Settings, in the six forms that there are: watched only, for what speed 0 does to the outputs.
pub const TCSETS: [u32; 6] = [0x5402, 0x5403, 0x5404, 0x402C_542B, 0x402C_542C, 0x402C_542D];

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;

/// Every request that the filter hands over.
pub fn requests(icount: bool) -> Vec<u32> {
    let mut all = vec![
        TIOCMIWAIT, TIOCMGET, TIOCMBIS, TIOCMBIC, TIOCMSET, TIOCSBRK, TIOCCBRK, TCSBRK, TCSBRKP,
        TIOCEXCL,
    ];
    all.extend(TCSETS);
    if icount {
        all.push(TIOCGICOUNT);
    }
    all
}

/// The program: native ioctl calls with one of `requests` are handed over, and all of `calls`; all else is
/// allowed.
pub fn program(requests: &[u32], calls: &[libc::c_long]) -> Vec<libc::sock_filter> {
    let load = |at| line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let equal = |k, yes, no| line(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, yes, no, k);
    let leave = |k| line(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let ioctl = u32::try_from(libc::SYS_ioctl).unwrap_or(u32::MAX);
    let low = if cfg!(target_endian = "big") { 28 } else { 24 };
    // seccomp_data: nr at 0, arch at 4, the low half of the second argument at 24.
    let mut all = vec![load(4), equal(ARCH, 1, 0), leave(libc::SECCOMP_RET_ALLOW), load(0)];
    for call in calls.iter().filter_map(|call| u32::try_from(*call).ok()) {
        all.extend([equal(call, 0, 1), leave(libc::SECCOMP_RET_USER_NOTIF)]);
    }
    all.push(equal(ioctl, 1, 0));
    all.extend([leave(libc::SECCOMP_RET_ALLOW), load(low)]);
    for request in requests {
        all.extend([equal(*request, 0, 1), leave(libc::SECCOMP_RET_USER_NOTIF)]);
    }
    all.push(leave(libc::SECCOMP_RET_ALLOW));
    all
}

fn line(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the few instructions that the program is made of.
    fn run(program: &[libc::sock_filter], nr: u32, arch: u32, request: u64) -> u32 {
        let halves = [(request & 0xffff_ffff) as u32, (request >> 32) as u32];
        let (mut at, mut word) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match u32::from(step.code) {
                0x20 => {
                    word = match step.k {
                        0 => nr,
                        4 => arch,
                        24 => halves[0],
                        28 => halves[1],
                        _ => panic!(),
                    }
                }
                0x15 => at += usize::from(if word == step.k { step.jt } else { step.jf }),
                0x06 => return step.k,
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn only_the_requests_of_native_ioctls_are_handed_over() {
        let known = requests(false);
        let program = program(&known, &[]);
        let ioctl = u32::try_from(libc::SYS_ioctl).unwrap();
        for request in 0x5400..0x5500u32 {
            let want = if known.contains(&request) {
                libc::SECCOMP_RET_USER_NOTIF
            } else {
                libc::SECCOMP_RET_ALLOW
            };
            assert_eq!(run(&program, ioctl, ARCH, request.into()), want, "{request:#x}");
            // The kernel ignores the upper half of the request, and so must we.
            assert_eq!(run(&program, ioctl, ARCH, u64::from(request) | 1 << 32), want);
            assert_eq!(run(&program, ioctl, 0x4000_0003, request.into()), libc::SECCOMP_RET_ALLOW);
            assert_eq!(run(&program, ioctl + 1, ARCH, request.into()), libc::SECCOMP_RET_ALLOW);
        }
        let write = libc::SYS_write;
        let faulty = super::program(&known, &[write]);
        let number = u32::try_from(write).unwrap();
        assert_eq!(run(&faulty, number, ARCH, 0), libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(run(&program, number, ARCH, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(run(&faulty, ioctl, ARCH, TIOCMGET.into()), libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(run(&faulty, ioctl, ARCH, 0x5401), libc::SECCOMP_RET_ALLOW);
        assert!(!known.contains(&TIOCGICOUNT) && requests(true).contains(&TIOCGICOUNT));
    }
}
