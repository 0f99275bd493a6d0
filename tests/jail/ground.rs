//! Descriptors of every kind that our processes have, and the walls around them.

use crate::common::jail::USERS;
use crate::common::nut::GROUP;
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{Gid, Uid};
use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use upsentry::monitor::filter as jail;
use upsentry::notifier::filter as notifier;
use upsentry::sys::confine::{Walls, confine};
use upsentry::sys::{bind, room};

/// Descriptors of every kind that our processes have, and one that none has: the `stranger`.
pub(crate) struct Ground {
    pub(crate) tty: OwnedFd,
    pub(crate) poke: EventFd,
    pub(crate) news: EventFd,
    pub(crate) listener: UnixListener,
    pub(crate) clients: (UnixStream, UnixStream),
    /// Of IPv4 and of IPv6.
    pub(crate) udp: [UdpSocket; 2],
    /// A UDP socket that no process of ours has.
    pub(crate) strange_udp: UdpSocket,
    /// A connection to a driver, not made yet, and a stream socket that no process of ours has.
    pub(crate) local: OwnedFd,
    pub(crate) strange_local: OwnedFd,
    /// The directory of NUT's drivers, as the room shows it, and where it is on this machine.
    pub(crate) shown: OwnedFd,
    pub(crate) drivers: PathBuf,
    /// For a server of NUT's, of IPv4 and IPv6, not connected; and one that no process of ours has.
    pub(crate) tcp: [OwnedFd; 2],
    pub(crate) strange_tcp: OwnedFd,
    pub(crate) events: (OwnedFd, OwnedFd),
    pub(crate) log: (OwnedFd, OwnedFd),
    pub(crate) link: UnixDatagram,
    pub(crate) children: SignalFd,
    pub(crate) fifo: (OwnedFd, OwnedFd),
    /// Process 1's command line.
    pub(crate) title: File,
    pub(crate) state: File,
    pub(crate) pid_file: File,
    pub(crate) syslog: UnixDatagram,
    pub(crate) directory: File,
    pub(crate) stranger: File,
    pub(crate) empty: PathBuf,
    pub(crate) scratch: PathBuf,
    _others: Vec<OwnedFd>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch =
            std::env::temp_dir().join(format!("upsentry-jail-{}-{number}", std::process::id()));
        let empty = scratch.join("empty");
        std::fs::create_dir_all(&empty).expect("a directory");
        std::fs::set_permissions(&empty, PermissionsExt::from_mode(0o555)).expect("a directory");
        let pipe = || nix::unistd::pipe().expect("a pipe");
        let pty = nix::pty::openpty(None, None).expect("a pty");
        let (link, far) = UnixDatagram::pair().expect("sockets");
        let (syslog, far_log) = UnixDatagram::pair().expect("sockets");
        let file = |name: &str| File::create(scratch.join(name)).expect("a file");
        let listener = UnixListener::bind(scratch.join("status")).expect("a listener");
        let drivers = scratch.join("drivers");
        std::fs::create_dir(&drivers).expect("a directory");
        std::os::unix::fs::chown(&drivers, None, Some(GROUP)).expect("as root");
        std::fs::set_permissions(&drivers, PermissionsExt::from_mode(0o770)).expect("its mode");
        listener.set_nonblocking(true).expect("a listener");
        Self {
            tty: pty.slave,
            listener,
            clients: UnixStream::pair().expect("sockets"),
            udp: [udp("127.0.0.1:0"), udp(if six() { "[::1]:0" } else { "[::]:0" })],
            strange_udp: udp("127.0.0.1:0"),
            local: local(),
            strange_local: local(),
            shown: opened(&drivers),
            drivers,
            tcp: [tcp("127.0.0.1:9"), tcp(if six() { "[::1]:9" } else { "127.0.0.1:9" })],
            strange_tcp: tcp("127.0.0.1:9"),
            title: File::open("/proc/1/cmdline").expect("process 1"),
            poke: EventFd::from_flags(EfdFlags::EFD_NONBLOCK).expect("an eventfd"),
            news: EventFd::from_flags(EfdFlags::EFD_NONBLOCK).expect("an eventfd"),
            events: pipe(),
            log: pipe(),
            link,
            children: SignalFd::new(&SigSet::empty()).expect("a signalfd"),
            fifo: pipe(),
            state: file("state"),
            pid_file: file("pid"),
            syslog,
            directory: File::open(&scratch).expect("a directory"),
            stranger: file("stranger"),
            empty,
            scratch,
            _others: vec![pty.master, far.into(), far_log.into()],
        }
    }

    pub(crate) fn jail_fds(&self) -> jail::Fds {
        jail::Fds {
            ttys: vec![self.tty.as_raw_fd()],
            poke: self.poke.as_fd().as_raw_fd(),
            events: self.events.1.as_raw_fd(),
            log: self.log.1.as_raw_fd(),
            news: self.news.as_fd().as_raw_fd(),
            ..Default::default()
        }
    }

    /// Of a monitor that serves the status.
    pub(crate) fn serving_fds(&self) -> jail::Fds {
        jail::Fds {
            status: Some(self.listener.as_raw_fd()),
            pool: vec![self.clients.0.as_raw_fd(), self.clients.1.as_raw_fd()],
            ..self.jail_fds()
        }
    }

    /// Of a monitor that serves the status and speaks to masters and slaves.
    pub(crate) fn speaking_fds(&self) -> jail::Fds {
        let udp = self.udp.each_ref().map(AsRawFd::as_raw_fd).to_vec();
        jail::Fds { udp, ..self.serving_fds() }
    }

    /// Of a monitor that watches a driver of NUT's.
    pub(crate) fn watching_fds(&self) -> jail::Fds {
        let (shown, pool) = (Some(self.shown.as_raw_fd()), vec![self.local.as_raw_fd()]);
        jail::Fds { shown, pool, ..self.jail_fds() }
    }

    /// Of one that asks a server of NUT's.
    pub(crate) fn polling_fds(&self) -> jail::Fds {
        jail::Fds { tcp: self.tcp.each_ref().map(AsRawFd::as_raw_fd).to_vec(), ..self.jail_fds() }
    }

    /// Of one that does both, under TLS, and serves the status.
    pub(crate) fn asking_fds(&self) -> jail::Fds {
        let jail::Fds { status, mut pool, .. } = self.serving_fds();
        pool.push(self.local.as_raw_fd());
        let shown = Some(self.shown.as_raw_fd());
        jail::Fds { status, pool, shown, tls: true, ..self.polling_fds() }
    }

    pub(crate) fn notifier_fds(&self) -> notifier::Fds {
        let link = self.link.as_raw_fd();
        notifier::Fds {
            read: vec![self.events.0.as_raw_fd(), self.log.0.as_raw_fd(), link],
            write: vec![link, self.news.as_fd().as_raw_fd(), self.fifo.1.as_raw_fd()],
            stat: vec![self.fifo.1.as_raw_fd()],
            pread: vec![self.title.as_raw_fd()],
            pwrite: vec![self.state.as_raw_fd()],
            truncate: vec![self.pid_file.as_raw_fd()],
            send: vec![self.syslog.as_raw_fd()],
            shutdown: vec![link],
        }
    }

    pub(crate) fn all(&self) -> Vec<RawFd> {
        let files =
            [&self.state, &self.pid_file, &self.directory, &self.stranger].map(AsRawFd::as_raw_fd);
        let ends =
            [&self.events, &self.log, &self.fifo].map(|(r, w)| [r.as_raw_fd(), w.as_raw_fd()]);
        let rest = [self.link.as_raw_fd(), self.syslog.as_raw_fd(), self.tty.as_raw_fd()];
        let events = [self.poke.as_fd().as_raw_fd(), self.news.as_fd().as_raw_fd()];
        let serving = [&self.clients.0, &self.clients.1].map(AsRawFd::as_raw_fd);
        let udp = [&self.udp[0], &self.udp[1], &self.strange_udp].map(AsRawFd::as_raw_fd);
        let nut = [&self.local, &self.strange_local, &self.shown, &self.strange_tcp];
        let nut = nut.into_iter().chain(&self.tcp).map(AsRawFd::as_raw_fd);
        let more = events.into_iter().chain([self.children.as_fd().as_raw_fd()]);
        let more = more.chain(serving).chain([self.listener.as_raw_fd(), self.title.as_raw_fd()]);
        [0, 1, 2]
            .into_iter()
            .chain(files)
            .chain(ends.into_iter().flatten())
            .chain(rest)
            .chain(more)
            .chain(udp)
            .chain(nut)
            .collect()
    }

    /// The same walls as the daemon's (compared by `the_evil_process_is_confined_as_the_real_one`), but no
    /// descriptor is closed: the list has to deny each by itself.
    pub(crate) fn walls(&self, user: u32, file_size: u64) -> Result<(), String> {
        let keep = self.all();
        let own = Walls::new(&keep, Uid::from_raw(user), Gid::from_raw(user));
        confine(&Walls { root: Some(&self.empty), file_size, ..own }).map(drop)
    }

    /// The same of a process that watches a driver of NUT's, in a room that shows the directory of the drivers; and may
    /// connect to these ports.
    pub(crate) fn room(&self, ports: &[u16]) -> Result<(), String> {
        room::enter(&self.empty, &self.drivers)?;
        let keep = self.all();
        let own = Walls::new(&keep, Uid::from_raw(USERS[0]), Gid::from_raw(USERS[0]));
        let groups = [Gid::from_raw(GROUP)];
        confine(&Walls { root: Some(Path::new("/")), groups: &groups, ports, ..own }).map(drop)
    }

    /// The same of one that only asks a server of NUT's, at these ports.
    pub(crate) fn ports(&self, ports: &[u16]) -> Result<(), String> {
        let keep = self.all();
        let own = Walls::new(&keep, Uid::from_raw(USERS[0]), Gid::from_raw(USERS[0]));
        confine(&Walls { root: Some(&self.empty), ports, ..own }).map(drop)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

/// This machine has IPv6's loopback address: not all containers have.
pub(crate) fn six() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

/// As a monitor makes one for a driver.
pub(crate) fn local() -> OwnedFd {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket")
}

fn tcp(to: &str) -> OwnedFd {
    bind::tcp(to.parse().expect("an address")).expect("a TCP socket")
}

/// As the room opens the directory that it shows.
fn opened(directory: &Path) -> OwnedFd {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(directory, flags, nix::sys::stat::Mode::empty()).expect("a directory")
}

/// A socket that reaches this machine only, and never waits.
fn udp(address: &str) -> UdpSocket {
    let udp = UdpSocket::bind(address).expect("a UDP socket");
    udp.set_nonblocking(true).expect("a UDP socket");
    udp
}
