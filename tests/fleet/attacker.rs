//! Who sees everything on the wire, and can put anything on it.

use crate::common::net::Host;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto, socket,
};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One frame of the wire, from its Ethernet header on.
pub(crate) type Frame = Vec<u8>;

/// Records until it is dropped.
pub(crate) struct Attacker {
    wire: Arc<OwnedFd>,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    frames: Vec<Frame>,
    /// Of its network card.
    card: Option<LinkAddr>,
}

impl Attacker {
    /// On a host that has nothing else to do.
    pub(crate) fn on(host: &Host) -> Attacker {
        let wire = host.inside(|| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
        });
        let wire = Arc::new(wire.expect("a packet socket"));
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let thread = {
            let (wire, seen, stop) = (wire.clone(), seen.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while !stop.load(Ordering::Relaxed) {
                    match recvfrom::<LinkAddr>(wire.as_raw_fd(), &mut buffer) {
                        Ok((length, card)) => {
                            let mut seen = seen.lock().unwrap();
                            seen.frames.push(buffer[..length].to_vec());
                            seen.card = card.or(seen.card);
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(1)),
                    }
                }
            })
        };
        Attacker { wire, seen, stop, thread: Some(thread) }
    }

    /// Everything of this UDP port so far, each as it was on the wire.
    pub(crate) fn recorded(&self, port: u16) -> Vec<Frame> {
        let seen = self.seen.lock().unwrap();
        let of_port =
            |frame: &&Frame| ports(frame).is_some_and(|(from, to)| from == port || to == port);
        seen.frames.iter().filter(of_port).cloned().collect()
    }

    /// Puts a frame on the wire, with a checksum that is right: what was recorded has none yet, because no real
    /// wire was there to need one.
    pub(crate) fn inject(&self, frame: &[u8]) {
        let mut frame = frame.to_vec();
        sum(&mut frame);
        let card = self.seen.lock().unwrap().card.expect("something was heard before");
        // A full queue loses it, as a wire would.
        let _ = sendto(self.wire.as_raw_fd(), &frame, &card, MsgFlags::empty());
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Where the UDP header of a frame begins.
fn udp(frame: &[u8]) -> Option<usize> {
    match (frame.get(12..14)?, frame.get(23), frame.get(20)) {
        ([0x08, 0x00], Some(17), _) => Some(14 + usize::from(frame.get(14)? & 0x0f) * 4),
        ([0x86, 0xdd], _, Some(17)) => Some(14 + 40),
        _ => None,
    }
}

/// Makes the checksum of a UDP frame right.
fn sum(frame: &mut [u8]) {
    let Some(at) = udp(frame) else { return };
    frame[at + 6..at + 8].fill(0);
    // Over IPv4 none is needed.
    if at == 14 + 40 {
        let words = |bytes: &[u8]| -> u32 {
            let word = |pair: &[u8]| {
                u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))
            };
            bytes.chunks(2).map(word).sum()
        };
        let (addresses, rest) = (&frame[22..54], &frame[at..]);
        let mut total = words(addresses) + words(rest) + 17 + u32::try_from(rest.len()).unwrap();
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        let sum = u16::try_from(!total & 0xffff).unwrap();
        frame[at + 6..at + 8].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    }
}

/// Source and destination port of a UDP frame.
pub(crate) fn ports(frame: &[u8]) -> Option<(u16, u16)> {
    let header = frame.get(udp(frame)?..)?.first_chunk::<4>()?;
    let [a, b, c, d] = *header;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// What a UDP frame carries.
pub(crate) fn payload(frame: &[u8]) -> &[u8] {
    udp(frame).and_then(|at| frame.get(at + 8..)).unwrap_or_default()
}
