//! What the network needs while there is root: sockets bound, names looked up, keys read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, umask};
use nix::unistd::chown;

use crate::config::places::{self, Found};
use crate::config::{Config, Listen, StatusSocket, Ups, Watch};
use crate::fleet::keys::Key;
use crate::notifier::logging::{NOTICE, say};
use crate::notifier::names;
use crate::notifier::users;
use crate::sys::{bind, process};

/// How long another holder of a port may take to let go: a daemon that is just being restarted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Permission bits that a file with a secret must not have.
const PRIVATE: u32 = 0o077;
/// A bundle of certificates is smaller.
const LARGEST_TRUST: usize = 256 << 10;

/// What the jail gets of the network. Every socket is non-blocking and close-on-exec.
#[derive(Debug, Default)]
pub struct Net {
    /// As a master: UDP, one for each address that is served; may broadcast.
    pub serve: Vec<OwnedFd>,
    /// As a slave: UDP to ask with, any port.
    pub ask: Vec<OwnedFd>,
    /// As a slave: members of a group.
    pub hear: Vec<OwnedFd>,
    /// `slave` lines that are a host's, with all its addresses; none: it did not resolve.
    pub slaves: Vec<(String, Vec<IpAddr>)>,
    /// `slave` lines that are a broadcast or multicast address.
    pub groups: Vec<SocketAddr>,
    /// For each UPS of the configuration all addresses of its master or NUT server; empty where there is none,
    /// or where the name does not resolve now.
    pub masters: Vec<Vec<SocketAddr>>,
    /// For each UPS its `ca-file`, as it is; `None`: it has none.
    pub trust: Vec<Option<Vec<u8>>>,
    /// Of the key files, in their order.
    pub keys: Vec<Key>,
    /// Where `status` asks: a Unix stream socket that listens.
    pub status: Option<OwnedFd>,
    /// This machine's name, made fit: 1..=63 bytes of `[A-Za-z0-9._-]`.
    pub host: String,
    /// What does not stop the start, but is to be said.
    pub doubts: Vec<String>,
}

impl Net {
    /// Reads, binds and looks up what the configuration needs.
    ///
    /// # Errors
    /// A key file or a port cannot be had.
    pub(super) fn open(config: &Config) -> Result<Net, String> {
        let mut net = Net { host: process::host(), ..Net::default() };
        if let Some(socket) = &config.status_socket {
            let shown = socket.path.display();
            let refused = |why| format!("status-socket {shown}: {why}; no status is served");
            net.status = status(socket).map_err(|why| net.doubts.push(refused(why))).ok();
        }
        net.masters = config.ups.iter().map(|_| Vec::new()).collect();
        net.trust = config.ups.iter().map(trust).collect::<Result<_, _>>()?;
        if config.speaks() {
            let keys = config.key_files.iter().map(|path| key(path));
            net.keys = keys.collect::<Result<_, _>>()?;
            net.sockets(config)?;
        }
        let found = names::find(places::names(config.ups.iter(), &config.slaves));
        let found = found.map_err(|error| format!("looking up names: {error}"))?;
        net.find_masters(config, &found);
        (net.slaves, net.groups) = config.hosts(&found, bind::is_group);
        net.doubts.extend(places::unresolved(&net.slaves));
        Ok(net)
    }

    fn sockets(&mut self, config: &Config) -> Result<(), String> {
        let (path, port) = (config.path.display(), config.port);
        let taken =
            |place: String, error| places::taken(&place, port, &error, error == Errno::EADDRINUSE);
        let four = config.listen.iter().any(|listen| listen.address.is_ipv4());
        let is_heard = |listen: &Listen| !config.is_master() || bind::is_group(listen.address);
        let (heard, served): (Vec<Listen>, Vec<Listen>) =
            config.listen.iter().copied().partition(is_heard);
        for listen in &served {
            let place = format!("{path}:{}: listen {}", listen.line, listen.address);
            let to = SocketAddr::new(listen.address, port);
            let bound = patient(|| bind::udp(to, !four));
            let (fd, away) = bound.map_err(|error| taken(place.clone(), error))?;
            self.serve.push(fd);
            if away {
                self.doubts.push(format!("{place}: this machine does not have it yet"));
            }
        }
        if config.is_master() && served.is_empty() {
            let bound = patient(|| bind::everywhere(port));
            self.serve.push(bound.map_err(|error| taken(path.to_string(), error))?);
        }
        for listen in heard {
            let place = format!("{path}:{}: listen {}", listen.line, listen.address);
            match patient(|| bind::group(SocketAddr::new(listen.address, port), &self.serve)) {
                Ok(fd) => self.hear.push(fd),
                // Only sooner heard: each slave is told by itself as well.
                Err(error) => self.doubts.push(taken(place, error) + "; the group is not heard"),
            }
        }
        if config.ups.iter().any(|ups| matches!(ups.watch, Watch::Master(_))) {
            let bound = bind::everywhere(0);
            self.ask.push(bound.map_err(|error| format!("a UDP socket to ask with: {error}"))?);
        }
        Ok(())
    }

    /// Takes over what was found of the masters; true: one that had no address has some.
    pub(super) fn find_masters(&mut self, config: &Config, found: &Found) -> bool {
        let mut news = false;
        let all = self.masters.iter_mut().zip(config.masters(found)).zip(&config.ups);
        for ((known, found), ups) in all.filter(|((known, _), _)| known.is_empty()) {
            if !found.is_empty() {
                say(NOTICE, format_args!("{}: {} is found", ups.name, ups.watch));
                (*known, news) = (found, true);
            }
        }
        news
    }
}

/// Binds, and waits for a port that is taken.
fn patient<T>(bind: impl Fn() -> nix::Result<T>) -> nix::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match bind() {
            Err(Errno::EADDRINUSE) if Instant::now() < deadline => sleep(Duration::from_millis(50)),
            other => return other,
        }
    }
}

/// The key in a file: 32 bytes that only root can have read or written.
///
/// # Errors
/// What is wrong with it.
fn key(path: &Path) -> Result<Key, String> {
    let failed = |why: io::Error| format!("key-file {}: {why}", path.display());
    let mut bytes = bytes(path, PRIVATE, 32).map_err(failed)?;
    let wrong = "is not 32 bytes long; `upsentry keygen' makes such a file";
    let key = Key::from_bytes(&bytes).ok_or_else(|| failed(io::Error::other(wrong)));
    bytes.fill(0);
    core::hint::black_box(&bytes);
    key
}

/// The bytes of a file of root's, and one more where it has more than `most`. `others`: permission bits that must
/// not be there.
///
/// # Errors
/// What is wrong with it.
fn bytes(path: &Path, others: u32, most: usize) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.uid() != 0 || meta.mode() & others != 0 {
        return Err(io::Error::other(match others {
            PRIVATE => "must be root's, and nobody else may read it; chown root and chmod 600 it",
            _ => "must be root's, and nobody else may write it; chown root and chmod 644 it",
        }));
    }
    // In one place, to be wiped: it may be a key.
    let mut bytes = Vec::with_capacity(most.saturating_add(1));
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Who may have signed a server's certificate: the file as it is, which the jail reads.
///
/// # Errors
/// It cannot be had.
fn trust(ups: &Ups) -> Result<Option<Vec<u8>>, String> {
    let Some(path) = &ups.nut.ca_file else { return Ok(None) };
    let failed = |why: io::Error| format!("ca-file {}: {why}", path.display());
    match bytes(path, 0o022, LARGEST_TRUST).map_err(failed)? {
        bytes if bytes.len() > LARGEST_TRUST => Err(failed(io::Error::other("over 256 KiB"))),
        bytes => Ok(Some(bytes)),
    }
}

/// Binds the status socket; nobody reaches it before it is as it should be.
///
/// # Errors
/// Why not.
fn status(socket: &StatusSocket) -> Result<OwnedFd, String> {
    let path = socket.path.as_path();
    let group = socket.group.as_ref().map(users::group).transpose()?;
    let bind = || -> io::Result<OwnedFd> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        let path = &steady(directory)?.join(path.file_name().unwrap_or_default());
        patient(|| remove_stale(path))?;
        let before = umask(Mode::from_bits_truncate(0o777));
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener?;
        chown(path, None, group)?;
        fs::set_permissions(path, fs::Permissions::from_mode(socket.mode))?;
        listener.set_nonblocking(true)?;
        Ok(listener.into())
    };
    bind().map_err(|error| error.to_string())
}

/// The same directory by a path that only root can lead elsewhere: what is bound there is then given to a group and
/// opened to it, by name.
///
/// # Errors
/// Somebody else can rename a part of it.
fn steady(directory: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(directory)?;
    for part in real.ancestors() {
        let meta = fs::symlink_metadata(part)?;
        // In a sticky one above it nobody renames what is root's.
        let sticky = meta.mode() & 0o1000 != 0 && part != real;
        if meta.uid() != 0 || (meta.mode() & 0o022 != 0 && !sticky) {
            let why = format!("{} must be root's, and nobody else may write in it", part.display());
            return Err(io::Error::other(why));
        }
    }
    Ok(real)
}

/// Removes a socket that nobody listens on any more.
fn remove_stale(path: &Path) -> nix::Result<()> {
    let errno = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(errno(error)),
        Ok(meta) if !meta.file_type().is_socket() => return Err(Errno::ENOTSOCK),
        Ok(_) => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let caller = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(caller.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(errno),
        _ => Err(Errno::EADDRINUSE),
    }
}

#[cfg(test)]
#[path = "net_tests.rs"]
mod tests;
