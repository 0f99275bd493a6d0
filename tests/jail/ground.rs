//! Descriptors of every kind that our processes have, and the walls around them.

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Gid, Uid};
use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use upsentry::monitor::filter as jail;
use upsentry::notifier::filter as notifier;
use upsentry::sys::confine::{Walls, confine};

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
        listener.set_nonblocking(true).expect("a listener");
        Self {
            tty: pty.slave,
            listener,
            clients: UnixStream::pair().expect("sockets"),
            udp: [udp("127.0.0.1:0"), udp(if six() { "[::1]:0" } else { "[::]:0" })],
            strange_udp: udp("127.0.0.1:0"),
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
        let more = events.into_iter().chain([self.children.as_fd().as_raw_fd()]);
        let more = more.chain(serving).chain([self.listener.as_raw_fd(), self.title.as_raw_fd()]);
        [0, 1, 2]
            .into_iter()
            .chain(files)
            .chain(ends.into_iter().flatten())
            .chain(rest)
            .chain(more)
            .chain(udp)
            .collect()
    }

    /// The same walls as the daemon's (compared by `the_evil_process_is_confined_as_the_real_one`), but no
    /// descriptor is closed: the list has to deny each by itself.
    pub(crate) fn walls(&self, user: u32, file_size: u64) -> Result<(), String> {
        let keep = self.all();
        let own = Walls::new(&keep, Uid::from_raw(user), Gid::from_raw(user));
        confine(&Walls { root: Some(&self.empty), file_size, ..own }).map(drop)
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

/// A socket that reaches this machine only, and never waits.
fn udp(address: &str) -> UdpSocket {
    let udp = UdpSocket::bind(address).expect("a UDP socket");
    udp.set_nonblocking(true).expect("a UDP socket");
    udp
}
