#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, reason = "what must fail is tried")]

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;

use super::*;

#[test]
fn the_reader_sees_what_was_written_and_is_told() {
    let (board, notices) = make().expect("a page");
    let view = View::new(notices.map().expect("a view"), notices.news);
    assert_eq!([view.get(0), view.get(511), view.get(512)], [0; 3]);
    assert_eq!(nix::unistd::read(view.news(), &mut [0; 8]), Err(Errno::EAGAIN));
    board.put(&[7, 8, 9]);
    assert_eq!([view.get(0), view.get(1), view.get(2), view.get(3)], [7, 8, 9, 0]);
    assert_eq!(nix::unistd::read(view.news(), &mut [0; 8]), Ok(8));
    assert_eq!(nix::unistd::read(view.news(), &mut [0; 8]), Err(Errno::EAGAIN));
}

/// Without any filter and as root: nobody who holds the descriptor can write, by any way.
#[test]
fn the_descriptor_allows_nothing_but_reading() {
    let (board, notices) = make().expect("a page");
    board.put(&[7]);
    let page = notices.page.as_raw_fd();
    let map = |access, flags| unsafe {
        let at = libc::mmap(core::ptr::null_mut(), 4096, access, flags, page, 0);
        if at == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(at) }
    };
    let both = libc::PROT_READ | libc::PROT_WRITE;
    assert_eq!(map(both, libc::MAP_SHARED), Err(Errno::EPERM));
    assert_eq!(map(libc::PROT_WRITE, libc::MAP_SHARED), Err(Errno::EPERM));
    assert_eq!(map(both, libc::MAP_SHARED_VALIDATE), Err(Errno::EPERM));
    let seen = map(libc::PROT_READ, libc::MAP_SHARED).expect("a mapping to read");
    let protect = unsafe { Errno::result(libc::mprotect(seen, 4096, both)) };
    assert_eq!(protect, Err(Errno::EACCES));
    assert_eq!(nix::unistd::write(&notices.page, &[1; 8]), Err(Errno::EPERM));
    assert_eq!(nix::sys::uio::pwrite(&notices.page, &[1; 8], 0), Err(Errno::EPERM));
    assert_eq!(nix::unistd::ftruncate(&notices.page, 0), Err(Errno::EPERM));
    assert_eq!(nix::unistd::ftruncate(&notices.page, 8192), Err(Errno::EPERM));
    let hole = nix::fcntl::FallocateFlags::FALLOC_FL_PUNCH_HOLE
        | nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
    assert_eq!(nix::fcntl::fallocate(&notices.page, hole, 0, 4096), Err(Errno::EPERM));
    // Opened anew it is the same file, with the same seals.
    let again = std::fs::File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{page}"))
        .expect("opened anew");
    assert_eq!(nix::unistd::write(again.as_fd(), &[1; 8]), Err(Errno::EPERM));
    let seals = nix::fcntl::fcntl(&notices.page, nix::fcntl::FcntlArg::F_GET_SEALS);
    let all = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
    assert_eq!(seals, Ok(all | libc::F_SEAL_FUTURE_WRITE));
    // A copy of its own may be written: nobody else sees it.
    let own = map(both, libc::MAP_PRIVATE).expect("a private copy");
    unsafe { own.cast::<u64>().write(8) };
    assert_eq!(notices.map().map(|words| words.get(0)), Ok(7));
}

/// The writable mapping stays behind at a fork; the view that was made to be read goes along.
#[test]
fn a_child_has_no_writable_mapping() {
    let (board, notices) = make().expect("a page");
    let view = View::new(notices.map().expect("a view"), notices.news);
    board.put(&[7]);
    let (from, to) = nix::unistd::pipe().expect("a pipe");
    let there = |at: *const AtomicU64| unsafe { libc::write(to.as_raw_fd(), at.cast(), 8) == 8 };
    assert!(there(board.words.as_ptr()), "the parent has it");
    // The child makes nothing but system calls.
    let child = match unsafe { nix::unistd::fork() }.expect("fork") {
        ForkResult::Child => {
            let gone = !there(board.words.as_ptr()) && Errno::last() == Errno::EFAULT;
            let read = view.get(0) == 7;
            unsafe { libc::_exit(i32::from(!gone) | (i32::from(!read) << 1)) }
        }
        ForkResult::Parent { child } => child,
    };
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    drop(from);
}
