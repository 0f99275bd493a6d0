//! System calls for which the crates that we use have no safe function. Nothing else in upsentry is
//! `unsafe`.
#![allow(unsafe_code)]

use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::libc::{self, c_int};
use nix::sys::signal::Signal;
use nix::unistd::ForkResult;
use serialport::TTYPort;

/// What is shared is one page, the smallest of any machine. Where pages are larger, the kernel refuses to give
/// back what is not aligned to one.
const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

mod ioctl {
    use nix::libc::{FIONREAD, TIOCGICOUNT, TIOCMGET, TIOCMIWAIT, TIOCMSET, c_int};

    nix::ioctl_read_bad!(tiocmget, TIOCMGET, c_int);
    nix::ioctl_write_ptr_bad!(tiocmset, TIOCMSET, c_int);
    nix::ioctl_write_int_bad!(tiocmiwait, TIOCMIWAIT);
    nix::ioctl_read_bad!(fionread, FIONREAD, c_int);
    nix::ioctl_read_bad!(tiocgicount, TIOCGICOUNT, [c_int; 20]);
}

/// The modem lines of a tty, as TIOCM bits.
///
/// # Errors
/// ENOTTY: it has none; EIO, ENXIO, ENODEV: the device is gone.
pub fn modem_get(tty: BorrowedFd<'_>) -> nix::Result<c_int> {
    let mut bits = 0;
    // SAFETY: TIOCMGET writes one int, and `bits` is one that lives through the call.
    unsafe { ioctl::tiocmget(tty.as_raw_fd(), &raw mut bits) }.map(|_| bits)
}

/// Drives DTR and RTS to exactly these TIOCM bits, both in one call.
///
/// # Errors
/// As [`modem_get`].
pub fn modem_set(tty: BorrowedFd<'_>, bits: c_int) -> nix::Result<()> {
    // SAFETY: TIOCMSET reads one int, and `bits` is one that lives through the call.
    unsafe { ioctl::tiocmset(tty.as_raw_fd(), &raw const bits) }.map(drop)
}

/// Sleeps until one of the lines in `mask` (TIOCM bits) changes.
///
/// # Errors
/// ENOTTY, EINVAL: the driver cannot do this; EIO: the device is gone; EINTR.
pub fn modem_wait(tty: BorrowedFd<'_>, mask: c_int) -> nix::Result<()> {
    // SAFETY: TIOCMIWAIT takes its argument by value and touches no memory of ours.
    unsafe { ioctl::tiocmiwait(tty.as_raw_fd(), mask) }.map(drop)
}

/// How often CTS, DSR, RNG and DCD changed since the driver was loaded, added up; it wraps.
///
/// # Errors
/// ENOTTY: the driver does not count.
pub fn modem_count(tty: BorrowedFd<'_>) -> nix::Result<c_int> {
    // `struct serial_icounter_struct`: cts, dsr, rng, dcd, then others and nine reserved: 20 ints.
    let mut counters: [c_int; 20] = [0; 20];
    // SAFETY: TIOCGICOUNT writes one serial_icounter_struct, which is exactly this array.
    unsafe { ioctl::tiocgicount(tty.as_raw_fd(), &raw mut counters) }?;
    Ok(counters.iter().take(4).fold(0, |sum: c_int, count| sum.wrapping_add(*count)))
}

/// Bytes in a pipe that nobody has read yet; works on either end.
///
/// # Errors
/// Not a pipe.
pub fn unread(pipe: BorrowedFd<'_>) -> nix::Result<usize> {
    let mut bytes = 0;
    // SAFETY: FIONREAD writes one int, and `bytes` is one that lives through the call.
    unsafe { ioctl::fionread(pipe.as_raw_fd(), &raw mut bytes) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Takes a connection of a listening socket; non-blocking, and not inherited by a command.
///
/// # Errors
/// EAGAIN: none is there; EMFILE, ENFILE, ENOMEM.
pub fn accept(listener: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    use nix::sys::socket::{SockFlag, accept4};
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = accept4(listener.as_raw_fd(), flags)?;
    // SAFETY: it was just made, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Ends a connection, or the try to make one: the socket can be connected anew.
///
/// # Errors
/// EBADF, ENOTSOCK.
pub fn disconnect(socket: BorrowedFd<'_>) -> nix::Result<()> {
    let nowhere = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    let length = libc::socklen_t::try_from(size_of_val(&nowhere)).unwrap_or(0);
    // SAFETY: the kernel reads an address of this length, whose family, AF_UNSPEC, means none.
    let done = unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, length) };
    nix::errno::Errno::result(done).map(drop)
}

/// How many names a file or directory has; 0: it was removed. By the call that takes nothing but a descriptor: the
/// library's takes a path as well, which no list of calls can look at.
///
/// # Errors
/// EBADF.
pub fn links(fd: BorrowedFd<'_>) -> nix::Result<u64> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: on 64-bit machines the kernel's structure is the library's; zeroes are a value of it.
    let (done, stat) = unsafe {
        let done = libc::syscall(libc::SYS_fstat, fd.as_raw_fd(), stat.as_mut_ptr());
        (done, stat.assume_init())
    };
    nix::errno::Errno::result(done)?;
    #[allow(clippy::useless_conversion)] // A narrower number on some machines.
    Ok(u64::from(stat.st_nlink))
}

/// Closes a descriptor whose owner is never used again nor dropped, because the process goes on in a
/// function that does not return.
pub fn close(fd: BorrowedFd<'_>) {
    // SAFETY: the owner never uses it again, so the number cannot come to mean another file for that owner.
    unsafe { libc::close(fd.as_raw_fd()) };
}

/// Takes exclusive hold of an open tty: flock and TIOCEXCL. `Err` gives the descriptor back: somebody
/// else holds it.
///
/// # Errors
/// The port, not exclusive.
pub fn adopt(tty: OwnedFd) -> Result<TTYPort, TTYPort> {
    // SAFETY: the descriptor is open and ours alone; the port takes over its ownership.
    let port = unsafe { TTYPort::from_raw_fd(tty.into_raw_fd()) };
    if port.exclusive() { Ok(port) } else { Err(port) }
}

/// The descriptor of a port. Not by dropping the port: that gives up exclusiveness for everyone who
/// holds the tty (TIOCNXCL).
pub fn release(port: TTYPort) -> OwnedFd {
    // SAFETY: into_raw_fd gives up ownership without closing, so the descriptor is open and ours.
    unsafe { OwnedFd::from_raw_fd(port.into_raw_fd()) }
}

/// Forks. The child is a copy with one thread.
///
/// # Errors
/// EAGAIN, ENOMEM.
pub fn fork() -> nix::Result<ForkResult> {
    // SAFETY: no process of upsentry that forks has a second thread: threads are made only in the
    // monitor, whose filter denies fork. So no lock can be held by a thread that the child lacks.
    unsafe { nix::unistd::fork() }
}

/// Ends the process at once: no destructors, no handlers, one system call.
pub fn exit(status: c_int) -> ! {
    // SAFETY: _exit does not return and touches no memory of ours.
    unsafe { libc::_exit(status) }
}

/// Closes every descriptor but those in `keep`.
///
/// # Errors
/// The kernel refuses (older than 5.9).
pub fn close_all_but(keep: &[RawFd]) -> nix::Result<()> {
    let mut sorted: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    sorted.sort_unstable();
    let mut first = 0;
    for kept in sorted.into_iter().map(Some).chain([None]) {
        let last = kept.map_or(Some(u32::MAX), |kept| kept.checked_sub(1));
        if let Some(last) = last.filter(|last| first <= *last) {
            // SAFETY: the caller is a fresh child that goes on with `keep` only and ends by `exit`, so
            // no owner of a closed descriptor is ever used or dropped.
            let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            nix::errno::Errno::result(closed)?;
        }
        first = kept.map_or(u32::MAX, |kept| kept.saturating_add(1));
    }
    Ok(())
}

/// Closes what the caller left open above 2, before anything of ours is open. A kernel that cannot
/// (older than 5.9) fails the confinement later, loudly.
pub fn close_inherited() {
    // SAFETY: nothing in this process owns a descriptor above 2 yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}

/// Forgets the caller's environment: for getenv(3), so that no `RUST_BACKTRACE` changes what a panic
/// does, and in the block that the kernel made at exec, which /proc/PID/environ shows.
pub fn forget_environment() {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: no other thread exists yet, and nothing has borrowed from the environment. `environ` is
    // null or an array of writable strings that ends with a null pointer; each is overwritten up to its
    // own end only.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            core::ptr::write_bytes(*entry, 0, libc::strlen(*entry));
            entry = entry.add(1);
        }
        libc::clearenv();
    }
}

/// Marks every descriptor above 2 close-on-exec, so that a command run by us gets none.
///
/// # Errors
/// The kernel refuses (older than 5.11).
pub fn close_on_exec_above_2() -> nix::Result<()> {
    // SAFETY: CLOSE_RANGE_CLOEXEC closes nothing now.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    nix::errno::Errno::result(done).map(drop)
}

/// A signal as a fresh program expects it: exec keeps what is ignored. Rust ignores SIGPIPE; a caller
/// that ignores SIGCHLD would leave us unable to wait for a child.
///
/// # Errors
/// The kernel refuses.
pub fn default_signal(signal: Signal) -> nix::Result<()> {
    use nix::sys::signal::SigHandler;
    // SAFETY: the default action is no handler of ours.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.map(drop)
}

/// One allocation arena for all threads, so that a second thread neither maps 64 MiB nor opens files
/// of /proc from `free`; and what is large is mapped by itself also when it is needed once more, where the library
/// would leave a hole of that size in the heap.
pub fn one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt sets an integer parameter of the allocator; no thread exists yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
    }
}

/// Lays in memory for the heap, which a process has to live on whose filter lets it ask for no more: all that is
/// allocated later comes out of these bytes, and what is freed stays. Nothing of them is touched, so until it is
/// used this costs no memory. A process that needs more is killed by its filter. All of that is so with the GNU C
/// library; musl's cannot be told, and there a filter must allow brk, mmap and munmap.
pub fn reserve_heap(bytes: usize) {
    // SAFETY: mallopt sets an integer parameter of the allocator. What malloc returns is freed, as it must be, and
    // nothing else is done with it; `black_box` keeps the pair of calls from being left out.
    unsafe {
        #[cfg(target_env = "gnu")]
        {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, c_int::MAX);
        }
        libc::free(core::hint::black_box(libc::malloc(bytes)));
    }
}

/// Unmaps every page of the program and its libraries that nobody writes. What runs on comes back by itself, from
/// the page cache, and what does not is no longer counted as ours. The first call allocates, and must come before a
/// process's list; later ones are calls of madvise and nothing else, also in a child.
///
/// A disk that has died is no more of a danger than before: the page cache keeps these pages, and the kernel
/// was always free to drop a clean page of a file and to read it again.
pub fn give_back() {
    static FIXED: OnceLock<Vec<(usize, usize)>> = OnceLock::new();
    for (page, length) in FIXED.get_or_init(fixed_segments) {
        // SAFETY: this is a file's, mapped private and never written: position-independent code is relocated
        // in segments with PF_W alone (what is read-only after that is part of one). So what is read there
        // later is what is there now. A failure changes nothing.
        unsafe {
            let page = core::ptr::with_exposed_provenance_mut(*page);
            libc::madvise(page, *length, libc::MADV_DONTNEED)
        };
    }
}

/// The segments of the program and its libraries that nobody writes: the first page, and so many bytes.
fn fixed_segments() -> Vec<(usize, usize)> {
    type Segments = Vec<(usize, usize)>;
    unsafe extern "C" fn each(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        found: *mut libc::c_void,
    ) -> c_int {
        // SAFETY: the C library passes a record that is valid during this call, with as many headers as it
        // says, and what it was given below, which nobody else uses meanwhile.
        let (base, headers, found) = unsafe {
            let info = &*info;
            let headers = core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
            (info.dlpi_addr, headers, &mut *found.cast::<Segments>())
        };
        for header in headers {
            if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
                continue;
            }
            let start = usize::try_from(base.wrapping_add(header.p_vaddr));
            let (Ok(start), Ok(size)) = (start, usize::try_from(header.p_memsz)) else { continue };
            let before = start % PAGE.get();
            found.push((start.saturating_sub(before), size.saturating_add(before)));
        }
        0
    }
    let mut found = Segments::new();
    // SAFETY: `each` is as the C library wants it, and `found` lives through the call.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut found).cast()) };
    found
}

/// Local time: year, month (1..=12), day, hour, minute, second. The C library reads the zone's file at the
/// first call only.
pub fn local(unix: i64) -> Option<[c_int; 6]> {
    let time = libc::time_t::try_from(unix).ok()?;
    // SAFETY: all of it is integers and a pointer that nobody follows, for which zero is a value.
    let mut parts: libc::tm = unsafe { core::mem::zeroed() };
    // SAFETY: both point to valid values of their types; the result is one of them or null.
    let done = unsafe { !libc::localtime_r(&raw const time, &raw mut parts).is_null() };
    let (year, month) = (parts.tm_year.checked_add(1900)?, parts.tm_mon.checked_add(1)?);
    done.then_some([year, month, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec])
}

/// Fills the buffer from the kernel's random source; at most 256 bytes, which it gives whole or not at all.
///
/// # Errors
/// ENOSYS (older than 3.17); it was asked for more.
pub fn random(buffer: &mut [u8]) -> nix::Result<()> {
    // SAFETY: the call writes at most as many bytes as the buffer has.
    let filled = unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    match nix::errno::Errno::result(filled)? {
        filled if usize::try_from(filled) == Ok(buffer.len()) => Ok(()),
        _ => Err(nix::errno::Errno::EIO),
    }
}

/// The Landlock ABI of this kernel.
///
/// # Errors
/// ENOSYS, EOPNOTSUPP: none.
pub fn landlock_abi() -> nix::Result<c_int> {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with no attributes and this flag the call only answers a number.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, core::ptr::null::<u8>(), 0_usize, VERSION)
    };
    nix::errno::Errno::result(abi).map(|abi| c_int::try_from(abi).unwrap_or(c_int::MAX))
}

/// Zeros that this process and all its descendants share, at least so many words of them.
///
/// # Errors
/// ENOMEM.
pub fn shared_words(count: usize) -> nix::Result<&'static [AtomicU64]> {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
    let flags = MapFlags::MAP_SHARED;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let pages = count.saturating_mul(8).div_ceil(PAGE.get()).max(1);
    let length = PAGE.checked_mul(NonZeroUsize::new(pages).unwrap_or(NonZeroUsize::MIN));
    let length = length.ok_or(nix::errno::Errno::ENOMEM)?;
    // SAFETY: a new anonymous mapping, anywhere; it is never unmapped.
    let page = unsafe { mmap_anonymous(None, length, access, flags) }?;
    // SAFETY: the mapping is aligned, zeroed, of this length, lives for ever, and is only ever used as
    // atomics, also by the processes that share it.
    Ok(unsafe { core::slice::from_raw_parts(page.as_ptr().cast(), length.get() / 8) })
}

/// A page of zeros that only this process can write: the mapping stays behind at a fork, and the
/// descriptor can be mapped by others for reading only ([`read_page`]).
///
/// # Errors
/// ENOMEM; EINVAL: a kernel older than 5.1.
pub fn sealed_page() -> nix::Result<(&'static [AtomicU64], OwnedFd)> {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap};
    let page = memfd_create(c"upsentry", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    nix::unistd::ftruncate(&page, 4096)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, anywhere; it is never unmapped.
    let at = unsafe { mmap(None, PAGE, access, MapFlags::MAP_SHARED, &page, 0) }?;
    // SAFETY: only a child would miss the memory, and all that refers to it is the parent's `Board`, which
    // no child of ours uses.
    unsafe { madvise(at, PAGE.get(), MmapAdvise::MADV_DONTFORK) }?;
    let seals = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    let seals = seals | SealFlag::from_bits_retain(libc::F_SEAL_FUTURE_WRITE);
    fcntl(&page, FcntlArg::F_ADD_SEALS(seals))?;
    // SAFETY: the page is aligned, zeroed, 4096 bytes long for good (it is sealed), lives for ever, and is
    // only ever used as atomics, also by those who read it.
    Ok((unsafe { core::slice::from_raw_parts(at.as_ptr().cast(), PAGE.get() / 8) }, page))
}

/// Words that another process writes and this one can only read.
#[derive(Debug)]
pub struct ReadOnly(&'static [AtomicU64]);

impl ReadOnly {
    /// The word at this place; behind the end: 0.
    pub fn get(&self, place: usize) -> u64 {
        // On memory that cannot be written no other order is allowed.
        self.0.get(place).map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

/// Maps the page of [`sealed_page`] for reading.
///
/// # Errors
/// ENOMEM; EINVAL: not such a page.
pub fn read_page(page: BorrowedFd<'_>) -> nix::Result<ReadOnly> {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::mman::{MapFlags, ProtFlags, mmap};
    let seals = SealFlag::from_bits_retain(fcntl(page, FcntlArg::F_GET_SEALS)?);
    if !seals.contains(SealFlag::F_SEAL_SHRINK) || nix::sys::stat::fstat(page)?.st_size != 4096 {
        return Err(nix::errno::Errno::EINVAL);
    }
    // SAFETY: a new mapping, anywhere; it is never unmapped.
    let at = unsafe { mmap(None, PAGE, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, page, 0) }?;
    // SAFETY: aligned, 4096 bytes long for good (sealed, as was just seen), lives for ever, is used as
    // atomics by all, and `ReadOnly` does nothing with it but relaxed loads of a word's size.
    Ok(ReadOnly(unsafe { core::slice::from_raw_parts(at.as_ptr().cast(), PAGE.get() / 8) }))
}
