//! What an attacker would try with the connections of a monitor that watches a driver of NUT's or asks a server; and
//! what of it passes the list and gets nowhere.

use crate::common::jail::{Call, Outcome, Way, address, make, text};
use crate::common::{need_root, skip};
use crate::evil::refused;
use crate::ground::{Ground, local, six};
use crate::network::{control, loopback, loopback_six, one, path};
use crate::run;
use crate::who::Who;
use nix::libc::{self, c_long};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use upsentry::sys::confine::landlock_abi;

/// Of [`calls`] and the matrix: what a monitor may do that watches a driver ...
pub(crate) const WATCHES: [&str; 6] =
    ["socket local", "connect local", "read local", "write local", "close local", "fstat shown"];

/// ... or asks a server, a monitor of lines apart.
pub(crate) const POLLS: [&str; 7] = [
    "connect tcp v4",
    "connect tcp v6",
    "connect tcp to nowhere",
    "read tcp v4",
    "read tcp v6",
    "write tcp v4",
    "write tcp v6",
];

/// What comes with doing all at once: which of the numbers is a driver's, which a client's, no list can know.
pub(crate) const BESIDE: [&str; 4] =
    ["connect client", "read client", "shutdown local RD", "getrandom"];

/// The matrix's calls on the sockets and the directory.
pub(crate) fn calls(ground: &Ground) -> Vec<(&'static str, c_long, Vec<u64>)> {
    use libc::*;
    let fd = |fd: &dyn AsRawFd| fd.as_raw_fd() as u64;
    let (local, other) = (fd(&ground.local), fd(&ground.strange_local));
    let [four, six] = ground.tcp.each_ref().map(|tcp| fd(tcp));
    let (shown, strange) = (fd(&ground.shown), fd(&ground.strange_tcp));
    let (client, listener) = (fd(&ground.clients.0), fd(&ground.listener));
    let (tty, dir, syslog) = (fd(&ground.tty), fd(&ground.directory), fd(&ground.syslog));
    let word = address([0_u64; 64]);
    let (to, to_six, nowhere) = (loopback(9), loopback_six(9), address([0_u64; 2]));
    let driver = path("/nut/driver");
    let (dot, up, new) = (text("."), text(".."), text("new"));
    let vector = address(iovec { iov_base: word as *mut c_void, iov_len: 8 });
    let message = one(0, 0, &[]);
    let passing = one(0, 0, &control(SOL_SOCKET, SCM_RIGHTS, &(tty as c_int).to_ne_bytes()));
    const QUICK: c_int = SOCK_NONBLOCK | SOCK_CLOEXEC;
    const TAKEN: u64 = QUICK as u64;
    let socket = |family: c_int, kind: c_int, protocol: u64| {
        (SYS_socket, vec![family as u64, kind as u64, protocol])
    };
    let sockets = [
        ("socket local", socket(AF_UNIX, SOCK_STREAM | QUICK, 0)),
        ("socket local that waits", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        ("socket local that is inherited", socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)),
        ("socket local of a protocol", socket(AF_UNIX, SOCK_STREAM | QUICK, 1)),
        ("socket local of datagrams", socket(AF_UNIX, SOCK_DGRAM | QUICK, 0)),
        ("socket local of packets", socket(AF_UNIX, SOCK_SEQPACKET | QUICK, 0)),
        ("socket local raw", socket(AF_UNIX, SOCK_RAW | QUICK, 0)),
        ("socket TCP", socket(AF_INET, SOCK_STREAM | QUICK, 0)),
        ("socket TCP of IPv6", socket(AF_INET6, SOCK_STREAM | QUICK, 0)),
        ("socket MPTCP", socket(AF_INET, SOCK_STREAM | QUICK, 262)),
        ("socket SMC", socket(43, SOCK_STREAM | QUICK, 0)),
        ("socket of no family", socket(AF_UNSPEC, SOCK_STREAM | QUICK, 0)),
        ("socket of the kernel's ciphers", socket(AF_ALG, SOCK_SEQPACKET | QUICK, 0)),
        ("socket vsock that streams", socket(AF_VSOCK, SOCK_STREAM | QUICK, 0)),
        ("socket TIPC", socket(AF_TIPC, SOCK_STREAM | QUICK, 0)),
        ("socket Bluetooth", socket(AF_BLUETOOTH, SOCK_STREAM | QUICK, 3)),
        ("socketpair local", (SYS_socketpair, vec![1, (SOCK_STREAM | QUICK) as u64, 0, word])),
    ];
    let sockets = sockets.into_iter().map(|(name, (number, args))| (name, number, args));
    let calls = vec![
        // A driver's.
        ("connect local", SYS_connect, vec![local, driver, 110]),
        ("read local", SYS_read, vec![local, word, 8]),
        ("write local", SYS_write, vec![local, word, 8]),
        ("close local", SYS_close, vec![local]),
        ("connect another local", SYS_connect, vec![other, driver, 110]),
        ("read another local", SYS_read, vec![other, word, 8]),
        ("write another local", SYS_write, vec![other, word, 8]),
        ("close another local", SYS_close, vec![other]),
        ("connect client", SYS_connect, vec![client, driver, 110]),
        ("connect status", SYS_connect, vec![listener, driver, 110]),
        ("connect log", SYS_connect, vec![syslog, driver, 110]),
        ("connect tty", SYS_connect, vec![tty, driver, 110]),
        ("connect the directory", SYS_connect, vec![shown, driver, 110]),
        ("shutdown local RD", SYS_shutdown, vec![local, SHUT_RD as u64]),
        ("shutdown local WR", SYS_shutdown, vec![local, SHUT_WR as u64]),
        ("fstat local", SYS_fstat, vec![local, word]),
        ("readv local", SYS_readv, vec![local, vector, 1]),
        ("writev local", SYS_writev, vec![local, vector, 1]),
        ("preadv2 local", SYS_preadv2, vec![local, vector, 1, u64::MAX, 0, 0]),
        ("sendto local", SYS_sendto, vec![local, word, 1, MSG_DONTWAIT as u64, 0, 0]),
        ("recvfrom local", SYS_recvfrom, vec![local, word, 1, 0, 0, 0]),
        ("sendmsg local", SYS_sendmsg, vec![local, message, 0]),
        ("sendmsg passing a tty to a driver", SYS_sendmsg, vec![local, passing, 0]),
        ("sendmmsg passing a tty to a driver", SYS_sendmmsg, vec![local, passing, 1, 64]),
        ("recvmsg local", SYS_recvmsg, vec![local, message, MSG_DONTWAIT as u64]),
        ("recvmmsg local", SYS_recvmmsg, vec![local, message, 1, 64, 0]),
        ("bind local", SYS_bind, vec![local, path("/nut/mine"), 110]),
        ("bind local to an abstract name", SYS_bind, vec![local, path("\0mine"), 8]),
        ("listen local", SYS_listen, vec![local, 1]),
        ("accept4 local", SYS_accept4, vec![local, 0, 0, TAKEN]),
        ("dup local", SYS_dup, vec![local]),
        ("dup2 over a driver", SYS_dup2, vec![tty, local]),
        ("F_SETFL local", SYS_fcntl, vec![local, F_SETFL as u64, 0]),
        ("F_SETOWN local", SYS_fcntl, vec![local, F_SETOWN as u64, 1]),
        ("SO_PEERCRED local", SYS_getsockopt, vec![local, SOL_SOCKET as u64, 17, word, word]),
        ("SO_PEERPIDFD local", SYS_getsockopt, vec![local, SOL_SOCKET as u64, 77, word, word]),
        ("SO_PASSCRED local", SYS_setsockopt, vec![local, SOL_SOCKET as u64, 16, word, 4]),
        ("SO_PEEK_OFF local", SYS_setsockopt, vec![local, SOL_SOCKET as u64, 42, word, 4]),
        ("getpeername local", SYS_getpeername, vec![local, word, word]),
        ("FIONREAD of local", SYS_ioctl, vec![local, FIONREAD, word]),
        ("SIOCUNIXFILE local", SYS_ioctl, vec![local, 0x89e0, 0]),
        ("splice to local", SYS_splice, vec![fd(&ground.log.0), 0, local, 0, 1, 2]),
        ("sendfile to local", SYS_sendfile, vec![local, fd(&ground.stranger), 0, 1]),
        // The directory.
        ("fstat shown", SYS_fstat, vec![shown, word]),
        ("fstat directory", SYS_fstat, vec![dir, word]),
        ("newfstatat shown", SYS_newfstatat, vec![shown, text(""), word, AT_EMPTY_PATH as u64]),
        ("newfstatat in shown", SYS_newfstatat, vec![shown, up, word, 0]),
        ("statx shown", SYS_statx, vec![shown, text(""), AT_EMPTY_PATH as u64, 0xfff, word]),
        ("fstatfs shown", SYS_fstatfs, vec![shown, word]),
        ("openat shown", SYS_openat, vec![shown, dot, O_RDONLY as u64]),
        ("openat above shown", SYS_openat, vec![shown, up, O_PATH as u64]),
        ("openat new in shown", SYS_openat, vec![shown, new, (O_CREAT | O_WRONLY) as u64, 0o600]),
        ("openat2 shown", SYS_openat2, vec![shown, dot, word, 24]),
        ("fchdir shown", SYS_fchdir, vec![shown]),
        ("getdents64 shown", SYS_getdents64, vec![shown, word, 64]),
        ("read shown", SYS_read, vec![shown, word, 8]),
        ("write shown", SYS_write, vec![shown, word, 8]),
        ("close shown", SYS_close, vec![shown]),
        ("dup shown", SYS_dup, vec![shown]),
        ("mkdirat shown", SYS_mkdirat, vec![shown, new, 0o700]),
        ("mknodat shown", SYS_mknodat, vec![shown, new, 0o140_666, 0]),
        ("symlinkat shown", SYS_symlinkat, vec![text("/"), shown, new]),
        ("linkat shown", SYS_linkat, vec![shown, new, shown, text("newer"), 0]),
        ("unlinkat shown", SYS_unlinkat, vec![shown, new, 0]),
        ("renameat shown", SYS_renameat, vec![shown, new, shown, text("newer")]),
        ("fchmodat shown", SYS_fchmodat, vec![shown, dot, 0o777]),
        ("fchownat shown", SYS_fchownat, vec![shown, dot, 0, 0, 0]),
        ("readlinkat shown", SYS_readlinkat, vec![shown, new, word, 8]),
        ("faccessat shown", SYS_faccessat, vec![shown, dot, 0]),
        ("execveat shown", SYS_execveat, vec![shown, new, 0, 0, 0]),
        ("inotify_add_watch shown", SYS_inotify_add_watch, vec![shown, dot, 0xfff]),
        ("name_to_handle_at shown", SYS_name_to_handle_at, vec![shown, dot, word, word, 0]),
        ("open_tree shown", SYS_open_tree, vec![shown, dot, 1]),
        ("setns shown", SYS_setns, vec![shown, 0]),
        // A server's.
        ("connect tcp v4", SYS_connect, vec![four, to, 16]),
        ("connect tcp v6", SYS_connect, vec![six, to_six, 28]),
        ("connect tcp to nowhere", SYS_connect, vec![four, nowhere, 16]),
        ("read tcp v4", SYS_read, vec![four, word, 8]),
        ("read tcp v6", SYS_read, vec![six, word, 8]),
        ("write tcp v4", SYS_write, vec![four, word, 8]),
        ("write tcp v6", SYS_write, vec![six, word, 8]),
        ("connect another tcp", SYS_connect, vec![strange, to, 16]),
        ("read another tcp", SYS_read, vec![strange, word, 8]),
        ("write another tcp", SYS_write, vec![strange, word, 8]),
        ("close tcp", SYS_close, vec![four]),
        ("shutdown tcp", SYS_shutdown, vec![four, SHUT_RD as u64]),
        ("fstat tcp", SYS_fstat, vec![four, word]),
        ("readv tcp", SYS_readv, vec![four, vector, 1]),
        ("writev tcp", SYS_writev, vec![six, vector, 1]),
        ("sendto tcp", SYS_sendto, vec![four, word, 1, 64, 0, 0]),
        ("sendto tcp FASTOPEN", SYS_sendto, vec![four, word, 1, MSG_FASTOPEN as u64, to, 16]),
        ("sendto tcp OOB", SYS_sendto, vec![six, word, 1, MSG_OOB as u64, 0, 0]),
        ("recvfrom tcp", SYS_recvfrom, vec![four, word, 8, 0, 0, 0]),
        ("sendmsg tcp", SYS_sendmsg, vec![four, message, 64]),
        ("sendmmsg tcp", SYS_sendmmsg, vec![four, message, 1, 64]),
        ("recvmsg tcp", SYS_recvmsg, vec![six, message, 64]),
        ("recvmsg tcp ERRQUEUE", SYS_recvmsg, vec![six, message, MSG_ERRQUEUE as u64]),
        ("bind tcp", SYS_bind, vec![four, to, 16]),
        ("listen tcp", SYS_listen, vec![four, 1]),
        ("accept4 tcp", SYS_accept4, vec![four, 0, 0, TAKEN]),
        ("dup tcp", SYS_dup, vec![four]),
        ("F_SETFL tcp", SYS_fcntl, vec![four, F_SETFL as u64, 0]),
        ("TCP_REPAIR", SYS_setsockopt, vec![four, 6, 19, word, 4]),
        ("TCP_ULP", SYS_setsockopt, vec![four, 6, 31, text("tls"), 3]),
        ("TCP_CONGESTION", SYS_setsockopt, vec![four, 6, 13, text("reno"), 4]),
        ("TCP_INFO", SYS_getsockopt, vec![four, 6, 11, word, word]),
        ("SO_ERROR of tcp", SYS_getsockopt, vec![four, SOL_SOCKET as u64, 4, word, word]),
        ("getsockname tcp", SYS_getsockname, vec![four, word, word]),
        ("FIONREAD of tcp", SYS_ioctl, vec![four, FIONREAD, word]),
        ("SIOCATMARK of tcp", SYS_ioctl, vec![four, 0x8905, word]),
        ("splice to tcp", SYS_splice, vec![fd(&ground.log.0), 0, four, 0, 1, 2]),
        ("sendfile to tcp", SYS_sendfile, vec![four, fd(&ground.stranger), 0, 1]),
    ];
    sockets.chain(calls).collect()
}

/// A socket in the file system, of this group, that its group may connect to.
fn listens(place: &Path, group: u32, mode: u32) -> UnixListener {
    let listener = UnixListener::bind(place).expect("a socket");
    chown(place, None, Some(group)).expect("as root");
    std::fs::set_permissions(place, PermissionsExt::from_mode(mode)).expect("its mode");
    listener.set_nonblocking(true).expect("a socket");
    listener
}

/// No path can be filtered. There is none but those of the drivers' sockets: not by a link that a driver made, not
/// upwards, not of what has a name and no path.
///
/// Seen to fail with the room's old root left in place, and, for the abstract name, with `scoped: false`.
#[test]
fn a_watcher_reaches_what_is_in_the_room() {
    if !need_root() {
        return;
    }
    let mut ground = Ground::new();
    let drivers = ground.drivers.clone();
    let inside = |name: &str| drivers.join(name);
    let group = crate::common::nut::GROUP;
    let driver = listens(&inside("driver"), group, 0o660);
    let _roots = listens(&inside("roots"), 0, 0o660);
    let outside = listens(&ground.scratch.join("outside"), 0, 0o666);
    let depth = "../".repeat(16);
    let away = ground.scratch.join("outside");
    symlink("driver", inside("same")).expect("a link");
    symlink(&away, inside("away")).expect("a link");
    symlink("../outside", inside("up")).expect("a link");
    symlink(format!("{depth}{}", away.display()), inside("deep")).expect("a link");
    symlink("/proc/self/root", inside("proc")).expect("a link");
    symlink("loop", inside("loop")).expect("a link");
    std::fs::create_dir(inside("below")).expect("a directory");
    let to = |text: &str| (libc::SYS_connect, vec![path(text), 110]);
    // A socket can be connected once.
    let mut each = |calls: Vec<(c_long, Vec<u64>)>, with: &[i32]| {
        for (number, args) in calls {
            ground.local = local();
            let args = [vec![ground.local.as_raw_fd() as u64], args].concat();
            refused(Who::Watching, &ground, vec![(number, args)], with);
        }
    };
    let good = ["/nut/driver", "nut/driver", "/nut/same", "/nut/../nut/driver"];
    each(good.iter().map(|text| to(text)).collect(), &[0]);
    assert_eq!(std::iter::from_fn(|| driver.accept().ok()).count(), 4, "not where it should be");
    let scratch = drivers.parent().expect("a directory above").display();
    let bad = [
        "/nut/away".to_owned(),
        "/nut/up".to_owned(),
        "/nut/deep".to_owned(),
        "/nut/proc/tmp".to_owned(),
        "/nut/loop".to_owned(),
        "/nut/../outside".to_owned(),
        "/nut/below/../../outside".to_owned(),
        format!("{depth}{}", away.display()),
        away.display().to_string(),
        format!("{scratch}/status"),
        format!("{scratch}/drivers/driver"),
        "/dev/log".to_owned(),
        "/run/initctl".to_owned(),
        "/nut".to_owned(),
        "/".to_owned(),
        ".".to_owned(),
    ];
    let bad = bad.iter().filter(|text| text.len() < 108).map(|text| to(text)).collect();
    let errors = [libc::ENOENT, libc::ENOTDIR, libc::ELOOP, libc::ECONNREFUSED, libc::EACCES];
    each(bad, &errors);
    assert!(outside.accept().is_err(), "it left the room");
    each(vec![to("/nut/roots")], &[libc::EACCES]);
    if landlock_abi().unwrap_or(0) >= 6 {
        let name = format!("upsentry-{}", std::process::id());
        let named = SocketAddr::from_abstract_name(&name).expect("a name");
        let _named = UnixListener::bind_addr(&named).expect("a socket");
        let length = 2 + 1 + name.len() as u64;
        let to = vec![path(&format!("\0{name}")), length];
        each(vec![(libc::SYS_connect, to.clone())], &[libc::EPERM]);
        ground.local = local();
        let args = [vec![ground.local.as_raw_fd() as u64], to].concat();
        let call = Way::Native(Call::new(libc::SYS_connect, &args));
        assert_eq!(make(&[call], &|| Ok(())), [Outcome::Returned(0)], "nobody could");
    } else {
        skip("this kernel's Landlock does not know abstract sockets");
    }
    // The connection of a client stays one.
    let client = ground.clients.0.as_raw_fd() as u64;
    let again = vec![(libc::SYS_connect, vec![client, path("/nut/driver"), 110])];
    refused(Who::Asking, &ground, again, &[libc::EISCONN, libc::EINVAL]);
}

/// A driver may send descriptors; they are gone when the bytes with them are read.
#[test]
fn no_descriptor_comes_from_a_driver() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    let (read, write) = nix::unistd::pipe().expect("a pipe");
    let rights = control(libc::SOL_SOCKET, libc::SCM_RIGHTS, &write.as_raw_fd().to_ne_bytes());
    let far = ground.clients.1.as_raw_fd() as u64;
    let send = Call::new(libc::SYS_sendmsg, &[far, one(0, 0, &rights), 0]);
    assert_eq!(make(&[Way::Native(send)], &|| Ok(())), [Outcome::Returned(0)]);
    drop(write);
    let hung_up = || {
        let mut fds = [PollFd::new(read.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).expect("a pipe");
        fds[0].revents().is_some_and(|flags| flags.contains(PollFlags::POLLHUP))
    };
    assert!(!hung_up(), "this test cannot see descriptors");
    let near = ground.clients.0.as_raw_fd() as u64;
    let take = Call::new(libc::SYS_read, &[near, address([0_u64; 8]), 64]);
    assert_eq!(run(Who::Asking, &ground, &[Way::Native(take)]), [Outcome::Returned(0)]);
    assert!(hung_up(), "a descriptor came in");
}

/// No address can be filtered: Landlock looks at the port. A connection that is let go is for none.
///
/// Seen to fail without `add_rules` in `sys::confine::landlock`, with another port there, and without the network's
/// rights in `deny_all`.
#[test]
fn one_that_asks_reaches_its_ports_only() {
    if !need_root() {
        return;
    }
    if landlock_abi().unwrap_or(0) < 4 {
        return skip("this kernel's Landlock does not know TCP");
    }
    let ground = Ground::new();
    let [server, other] = ["127.0.0.1:0"; 2].map(|to| TcpListener::bind(to).expect("a port"));
    let [port, other] =
        [&server, &other].map(|listener| listener.local_addr().expect("a port").port());
    let [four, six_] = ground.tcp.each_ref().map(|tcp| tcp.as_raw_fd() as u64);
    let nowhere = address([0_u64; 2]);
    let connect = |fd: u64, to: u64, length: u64| {
        Way::Native(Call::new(libc::SYS_connect, &[fd, to, length]))
    };
    let walls = || ground.ports(&[port]);
    let begun = [Outcome::Returned(0), Outcome::Returned(libc::EINPROGRESS)];
    let outcome = make(&[connect(four, loopback(port), 16)], &walls)[0];
    assert!(begun.contains(&outcome), "{outcome:?}");
    server.accept().expect("a connection");
    let peer = |fd: RawFd| nix::sys::socket::getpeername::<nix::sys::socket::SockaddrIn>(fd);
    assert!(peer(ground.tcp[0].as_raw_fd()).is_ok(), "not connected");
    assert_eq!(make(&[connect(four, nowhere, 16)], &walls), [Outcome::Returned(0)]);
    assert!(peer(ground.tcp[0].as_raw_fd()).is_err(), "still connected");
    let again = make(&[connect(four, loopback(port), 16)], &walls)[0];
    assert!(begun.contains(&again), "{again:?}");
    assert_eq!(make(&[connect(four, nowhere, 16)], &walls), [Outcome::Returned(0)]);
    let refused = Outcome::Returned(libc::EACCES);
    assert_eq!(make(&[connect(four, loopback(other), 16)], &walls), [refused]);
    if six() {
        assert_eq!(make(&[connect(six_, loopback_six(other), 28)], &walls), [refused]);
        let to_port = make(&[connect(six_, loopback_six(port), 28)], &walls)[0];
        assert!(
            matches!(to_port, Outcome::Returned(errno) if errno != libc::EACCES),
            "{to_port:?}"
        );
    }
    // Nor one of the same family's that is no TCP, nor anywhere without the walls' leave.
    let none = || ground.ports(&[]);
    assert_eq!(make(&[connect(four, loopback(port), 16)], &none), [refused]);
}
