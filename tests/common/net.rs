//! Hosts that are network namespaces, on one wire that everybody hears: a bridge that learns no addresses.

use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Namespaces on a wire; gone with this value, or at the next start of a test if it was killed.
#[derive(Debug)]
pub struct Wire {
    tag: String,
    hosts: u8,
}

/// A host on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its namespace's name.
    pub netns: String,
    number: u8,
}

impl Wire {
    /// A wire with nobody on it.
    pub fn new() -> Wire {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let wire = Wire { tag: format!("upsn-{}-{number}", std::process::id()), hosts: 0 };
        ip(&format!("netns add {}-w", wire.tag));
        let in_switch = |words: &str| ip(&format!("-n {}-w {words}", wire.tag));
        in_switch("link add wire type bridge mcast_snooping 0 stp_state 0 forward_delay 0");
        in_switch("link set wire up");
        wire
    }

    /// One more host, with an address of each family.
    pub fn host(&mut self) -> Host {
        self.hosts += 1;
        let number = self.hosts;
        let host = Host { netns: format!("{}-{number}", self.tag), number };
        let (ns, tag) = (&host.netns, &self.tag);
        ip(&format!("netns add {ns}"));
        ip(&format!("-n {tag}-w link add p{number} type veth peer name eth0 netns {ns}"));
        ip(&format!("-n {tag}-w link set p{number} master wire up"));
        ip(&format!("-n {tag}-w link set p{number} type bridge_slave learning off flood on"));
        // No checks for duplicate addresses: the first datagram need not wait for them.
        let v6 = "/proc/sys/net/ipv6/conf/eth0/accept_dad";
        host.inside(move || fs::write(v6, "0")).expect("a setting of the namespace");
        ip(&format!("-n {ns} link set lo up"));
        ip(&format!("-n {ns} link set eth0 up"));
        ip(&format!("-n {ns} addr add {}/24 brd + dev eth0", host.four()));
        ip(&format!("-n {ns} addr add {}/64 dev eth0 nodad", host.six()));
        ip(&format!("-n {ns} route add 224.0.0.0/4 dev eth0"));
        host
    }

    /// Cuts a host off, or joins it again.
    pub fn cut(&self, host: &Host, cut: bool) {
        let state = if cut { "down" } else { "up" };
        ip(&format!("-n {}-w link set p{} {state}", self.tag, host.number));
    }

    /// Every datagram to and from this host is lost with this chance, in per cent.
    pub fn lossy(&self, host: &Host, percent: u8) {
        for hook in ["input", "output"] {
            for words in [
                "add table inet loss".to_owned(),
                format!("add chain inet loss {hook} {{ type filter hook {hook} priority 0 ; }}"),
                format!(
                    "add rule inet loss {hook} meta l4proto udp numgen random mod 100 < {percent} drop"
                ),
            ] {
                run("nsenter", &format!("--net={} nft {words}", host.path().display()));
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for number in 1..=self.hosts {
            forget(&format!("{}-{number}", self.tag));
        }
        forget(&format!("{}-w", self.tag));
    }
}

impl Host {
    /// Its address of IPv4.
    pub fn four(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, self.number)
    }

    /// Its address of IPv6.
    pub fn six(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, u16::from(self.number))
    }

    /// Its namespace as a file.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.netns)
    }

    /// Does something on this host, on a thread of its own; what it opens there stays there.
    pub fn inside<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> T {
        let file = File::open(self.path()).expect("the namespace");
        let thread = std::thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).expect("entering the namespace");
            what()
        });
        thread.join().expect("the thread in the namespace")
    }
}

fn ip(words: &str) {
    run("ip", words);
}

fn run(program: &str, words: &str) {
    let done = Command::new(program).args(words.split_whitespace()).output().expect("ip");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {words}: {said}");
}

fn forget(ns: &str) {
    let _ = Command::new("ip").args(["netns", "del", ns]).stderr(Stdio::null()).status();
}

/// Removes what a killed test has left.
fn sweep() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid =
            name.strip_prefix("upsn-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists()) {
            forget(&name);
        }
    }
}
