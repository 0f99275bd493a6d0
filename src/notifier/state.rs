//! The state file: what init was told in this boot, for the scripts that init runs, for the next start,
//! and for a second instance, which its lock keeps out.

use core::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_NOFOLLOW;

use crate::ipc::legal::Power;
use crate::ipc::told::{Told, Word};
use crate::sys::process;

/// The largest file that is read.
const LARGEST: u64 = 64 << 10;
/// Room for one UPS's line, and for all else.
const PER_UPS: usize = 96;
const REST: usize = 1024;

/// What this boot is: a record of another one is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The kernel's boot id.
    pub id: String,
    /// When process 1 started, in ticks: tells containers apart, which share the kernel's boot.
    pub init: String,
}

impl Boot {
    /// Of this system.
    pub fn current() -> Boot {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let stat = read("/proc/1/stat");
        // After the command in parentheses, which may hold anything: field 22 of the whole.
        let init = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
        Boot {
            id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            init: init.unwrap_or("").to_owned(),
        }
    }

    /// In a word, for the history.
    pub fn tag(&self) -> String {
        format!("{}-{}", self.id.get(..8).unwrap_or("?"), self.init)
    }
}

/// What a state file of this boot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What init was last told.
    pub told: Told,
    /// A shutdown was decided, perhaps not told.
    pub shutdown: bool,
    /// Per UPS name, what was last seen of it.
    pub seen: Vec<(String, Power)>,
    /// Nothing was written in this boot before.
    pub fresh: bool,
}

impl Default for Record {
    fn default() -> Record {
        Record { told: Told::Ok, shutdown: false, seen: Vec::new(), fresh: true }
    }
}

/// Why there is no usable record, when there might have been one.
#[derive(Debug)]
pub enum Unusable {
    /// Written in another boot.
    OtherBoot,
    /// Torn, or not ours.
    Foreign,
}

/// The open, locked file.
#[derive(Debug)]
pub struct StateFile {
    file: Flock<File>,
    boot: Boot,
    size: usize,
}

/// What the file is to say.
#[derive(Debug)]
pub struct Entry<'a> {
    /// For scripts: what init is being told, or was last told.
    pub now: Word,
    /// What init has been told.
    pub told: Told,
    /// Wall-clock seconds since 1970.
    pub at: i64,
    /// Every UPS: name, last seen, and whether nobody sees it now.
    pub seen: &'a [(&'a str, Option<Power>, bool)],
}

/// Opens a file to read and write, making it if it is not there; it must be a plain file of root's.
pub(super) fn plain(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    let file = options.custom_flags(O_NOFOLLOW).open(path)?;
    let meta = file.metadata()?;
    let plain = meta.is_file() && meta.uid() == 0;
    plain.then_some(file).ok_or_else(|| io::Error::other("is not a plain file of root's"))
}

impl StateFile {
    /// Opens, locks and preallocates it, and reads what this boot left in it.
    ///
    /// # Errors
    /// It cannot be opened, is not root's plain file, or another instance holds it.
    pub fn open(path: &Path, ups: usize) -> Result<(StateFile, Result<Record, Unusable>), String> {
        let shown = path.display();
        let file = plain(path).map_err(|error| format!("state file {shown}: {error}"))?;
        let mut text = String::new();
        let readable = (&file).take(LARGEST).read_to_string(&mut text).is_ok();
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
            let holder = field(&text, "pid").unwrap_or("?");
            match error {
                Errno::EAGAIN => format!("already running (pid {holder} holds {shown})"),
                other => format!("state file {shown}: {other}"),
            }
        })?;
        let boot = Boot::current();
        let size = REST.saturating_add(PER_UPS.saturating_mul(ups));
        let record = if readable { Record::read(&text, &boot) } else { Err(Unusable::Foreign) };
        Ok((StateFile { file, boot, size }, record))
    }

    /// Reads again what another process with this file has written.
    ///
    /// # Errors
    /// It is not usable.
    pub fn reread(&self) -> Result<Record, Unusable> {
        let mut bytes = vec![0; self.size];
        self.file.read_exact_at(&mut bytes, 0).map_err(|_| Unusable::Foreign)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| Unusable::Foreign)?;
        Record::read(text, &self.boot)
    }

    /// Writes the first entry, and makes the file as long as every later one: a full /run can then not
    /// stop them.
    ///
    /// # Errors
    /// What pwrite(2) and ftruncate(2) say.
    pub fn begin(&self, entry: Entry<'_>) -> std::io::Result<()> {
        self.write(entry)?;
        self.file.set_len(u64::try_from(self.size).unwrap_or(LARGEST))
    }

    /// Writes the whole entry in one call.
    ///
    /// # Errors
    /// What pwrite(2) says.
    pub fn write(&self, entry: Entry<'_>) -> std::io::Result<()> {
        // Always the same length, so that no tail of an older entry is left.
        let mut bytes = entry.text(&self.boot).into_bytes();
        bytes.resize(bytes.len().max(self.size), b'\n');
        self.file.write_all_at(&bytes, 0)
    }

    /// The boot in a word, for the history.
    pub fn boot(&self) -> String {
        self.boot.tag()
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Entry<'_> {
    /// As it stands in the file.
    pub fn text(&self, boot: &Boot) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{}\ntold {}\nat {}\npid {}\nboot {}\ninit {}\n",
            self.now.text(),
            told_text(self.told),
            self.at,
            process::id(),
            boot.id,
            boot.init
        );
        for (name, power, blind) in self.seen {
            let power = power.map_or('?', Power::letter);
            let _ = writeln!(text, "ups {name} {power}{}", if *blind { " blind" } else { "" });
        }
        text.push_str("end\n");
        text
    }
}

fn told_text(told: Told) -> &'static str {
    match told {
        Told::Ok => "OK",
        Told::Fail => "FAIL",
        Told::Low => "LOW",
        Told::Final => "SHUTDOWN",
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

impl Record {
    /// Reads a record; an empty file is a record of nothing.
    ///
    /// # Errors
    /// It is not usable.
    pub fn read(text: &str, boot: &Boot) -> Result<Record, Unusable> {
        if text.is_empty() {
            return Ok(Record::default());
        }
        let foreign = Unusable::Foreign;
        if !text.lines().any(|line| line == "end") {
            return Err(foreign);
        }
        if field(text, "boot") != Some(&boot.id) || field(text, "init") != Some(&boot.init) {
            return Err(Unusable::OtherBoot);
        }
        let told = [Told::Ok, Told::Fail, Told::Low, Told::Final];
        let told = told.into_iter().find(|told| Some(told_text(*told)) == field(text, "told"));
        let seen = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix("ups ")?.split(' ');
            let (name, letter) = (words.next()?, words.next()?);
            let powers = [Power::Mains, Power::Battery, Power::Low];
            let power = powers.into_iter().find(|power| letter == power.letter().to_string())?;
            Some((name.to_owned(), power))
        });
        let shutdown = text.lines().next() == Some(Word::Shutdown.text());
        Ok(Record { told: told.ok_or(foreign)?, shutdown, seen: seen.collect(), fresh: false })
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
