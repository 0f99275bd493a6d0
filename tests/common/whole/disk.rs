//! What a whole machine is made of, and its disk.

use super::THREE_LINES;
use crate::common::guest::cpio::Archive;
use crate::common::guest::{SHELL, parts};
use crate::common::{need_root, skip};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Loads what the disk needs, and hands over to Debian's init.
const INIT: &str = "#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t tmpfs -o mode=755,nosuid run /run
for module in MODULES; do $b insmod /modules/$module.ko; done
$b ifconfig eth0 10.0.2.15
$b mount -o ro /dev/vda /root
for at in dev proc sys run; do $b mount --move /$at /root/$at; done
exec $b switch_root /root /sbin/init </root/dev/console >/root/dev/console 2>&1
";

/// In this order: each needs those before it.
const MODULES: [&str; 9] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
];

/// What there must be.
#[derive(Debug)]
pub(super) struct Needed {
    pub(super) kernel: PathBuf,
    busybox: PathBuf,
    modules: PathBuf,
    tree: PathBuf,
    package: PathBuf,
}

impl Needed {
    /// `None`: it cannot be done here; that has been said.
    pub(super) fn find() -> Option<Self> {
        if !need_root() {
            return None;
        }
        let names = [
            ("kernel", "vmlinuz"),
            ("busybox", "bin/busybox"),
            ("kernel", "modules"),
            ("debian", "etc/inittab"),
        ];
        let [kernel, busybox, modules, inittab] = parts(names)?;
        for command in ["qemu-img", "mke2fs"] {
            if Command::new(command).arg("-V").output().is_err() {
                skip(&format!("needs {command}: `tests/install` installs it"));
                return None;
            }
        }
        let tree = inittab.parent()?.parent()?.to_owned();
        let Some(package) = package() else {
            skip("the Debian package could not be built; `tests/install` installs what that needs");
            return None;
        };
        Some(Self { kernel, busybox, modules, tree, package })
    }

    /// The first file system.
    pub(super) fn initrd(&self) -> Vec<u8> {
        let mut archive = Archive::default();
        archive.executable("/bin/busybox", &fs::read(&self.busybox).expect("busybox"));
        archive.executable("/init", INIT.replace("MODULES", &MODULES.join(" ")).as_bytes());
        for module in MODULES {
            let name = format!("{module}.ko");
            let bytes = fs::read(self.modules.join(&name)).expect("a module of the kernel");
            archive.file(&format!("/modules/{name}"), &bytes);
        }
        for directory in ["/dev", "/proc", "/sys", "/run", "/root"] {
            archive.directory(directory);
        }
        archive.finish()
    }

    /// The name of the image made of just these.
    pub(super) fn image(&self) -> PathBuf {
        let mut hash = DefaultHasher::new();
        for path in [&self.package, &script(), &self.tree.join("var/lib/dpkg/status")] {
            fs::read(path).expect("what the image is made of").hash(&mut hash);
        }
        (INIT, SHELL, THREE_LINES).hash(&mut hash);
        directory().join(format!("{:016x}.qcow2", hash.finish()))
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script() -> PathBuf {
    top().join("tests/whole/image")
}

/// Where images are kept.
fn directory() -> PathBuf {
    top().join("target/whole")
}

/// The Debian package of this checkout as it is, with the program as it is given to others; built once.
fn package() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let target = top().join("target");
        let release = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--bin",
                "upsentry",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(top())
            .status();
        assert!(release.is_ok_and(|status| status.success()), "`cargo build --release` failed");
        let package = Command::new("sh")
            .arg(top().join("packaging/debian/build"))
            .args([&target.join("whole-deb"), Path::new("--tree")])
            .env("UPSENTRY_BINARY", target.join("release/upsentry"))
            .output()
            .expect("sh");
        if !package.status.success() {
            println!("{}", String::from_utf8_lossy(&package.stderr));
            return None;
        }
        Some(PathBuf::from(String::from_utf8_lossy(&package.stdout).trim()))
    });
    built.clone()
}

/// Runs a tool that must succeed.
fn tool(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A machine's disk, for QEMU; gone with this value.
#[derive(Debug)]
pub(super) struct Disk(pub(super) PathBuf);

impl Disk {
    /// A Debian without upsentry, in `image`'s directory; what is written goes elsewhere than the Debian itself.
    pub(super) fn bare(needed: &Needed, image: &Path) -> Self {
        fs::create_dir_all(directory()).expect("target/whole");
        for old in fs::read_dir(directory()).expect("target/whole").flatten() {
            let _ = fs::remove_file(old.path());
        }
        let shell = directory().join("shell");
        fs::write(&shell, SHELL).expect("the shell");
        let base = image.with_extension("img");
        let made = [&needed.tree, &needed.package, &shell, &needed.busybox, &base];
        tool(Command::new("sh").arg(script()).args(made));
        let new = image.with_extension("new");
        tool(
            Command::new("qemu-img")
                .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
                .args([&base, &new]),
        );
        Self(new)
    }

    /// One that holds what this image does.
    pub(super) fn copy(image: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let disk = Self(directory().join(format!("{}-{number}.run", std::process::id())));
        fs::copy(image, &disk.0).expect("a copy of the disk");
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
