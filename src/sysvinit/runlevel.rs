//! The runlevel, as init writes it into its own title: `init [2]`. Of /proc/1/cmdline, which an unprivileged
//! process with the open file can read at any time; utmp, where it stands as well, need not be there.

/// The longest title that is looked at, in bytes.
pub const LONGEST: usize = 64;

/// The runlevel in process 1's command line (NUL-separated words); `None`: it is not sysvinit, or does not say.
pub fn of_title(cmdline: &[u8]) -> Option<u8> {
    let title = cmdline.split(|byte| *byte == 0).next()?;
    let begin = title.iter().position(|byte| *byte == b'[')?;
    match title.get(begin..)?.trim_ascii_end() {
        [b'[', level @ (b'0'..=b'9' | b's' | b'S'), b']'] => Some(*level),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inits_title_names_the_runlevel() {
        assert_eq!(of_title(b"init [2]\0"), Some(b'2'));
        assert_eq!(of_title(b"init [0]  \0"), Some(b'0'));
        assert_eq!(of_title(b"init [S]"), Some(b'S'));
    }

    #[test]
    fn anything_else_is_no_runlevel() {
        for title in [
            &b""[..],
            b"/sbin/init\0",
            b"init [",
            b"init []",
            b"init [ab]",
            b"init [0] x",
            b"\0[0]",
            b"init [!]",
        ] {
            assert_eq!(of_title(title), None, "{title:?}");
        }
    }
}
