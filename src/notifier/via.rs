//! What process 1 is, for the way that it hears of an outage.

use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::stat::{SFlag, stat};

pub use crate::config::route::{Actions, Init, Route, name, route};

impl Init {
    /// Looks at process 1. `fifo`: where the configuration says that the FIFO is.
    pub fn look(fifo: Option<&Path>) -> Init {
        let status = std::fs::read_to_string("/proc/1/status").unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let bit = 1_u64 << (Signal::SIGPWR as u32).saturating_sub(1);
        let name = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
        let is_fifo = |path: &Path| {
            stat(path)
                .is_ok_and(|meta| SFlag::from_bits_truncate(meta.st_mode).contains(SFlag::S_IFIFO))
        };
        let usual = ["/run/initctl", "/dev/initctl"].map(Path::new);
        let fifo = match fifo {
            Some(path) => is_fifo(path).then(|| path.to_owned()),
            None => usual.into_iter().find(|path| is_fifo(path)).map(Path::to_owned),
        };
        let systemctl = ["/usr/bin/systemctl", "/bin/systemctl"];
        let systemctl = systemctl.into_iter().find(|path| Path::new(path).exists());
        Init {
            name: name.trim().to_owned(),
            fifo,
            systemd: Path::new("/run/systemd/system").is_dir(),
            systemctl: systemctl.unwrap_or("/bin/systemctl").to_owned(),
            catches_sigpwr: caught.is_some_and(|mask| mask & bit != 0),
        }
    }
}

#[cfg(test)]
#[path = "via_tests.rs"]
mod tests;
