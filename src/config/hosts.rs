//! What names other machines, and how they reach this one: hosts, `slave`, `listen`, `status-socket`.

use std::net::IpAddr;
use std::path::PathBuf;

use super::diagnostic::Diagnostic;
use super::nut::LONGEST_SOCKET;
use super::types::{GroupSpec, StatusSocket};
use super::words::Word;

/// Who may connect to the status socket, if nothing else is said.
const STATUS_MODE: u32 = 0o660;

/// Whether a UPS can be called so.
pub(super) fn is_ups(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=63).contains(&name.len()) && name.bytes().all(fits)
}

/// A host: an address, in brackets or not, or a name to look up.
pub(super) fn host(word: &Word, text: &str) -> Result<String, Diagnostic> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return match address.is_unspecified() {
            true => Err(word.error(format!("`{text}' is no host's address"))),
            false => Ok(address.to_string()),
        };
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fits);
    let name = text.strip_suffix('.').unwrap_or(text);
    // What ends in a number would be read as an address, and not as the one that was meant.
    let number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if number || name.len() > 253 || name.starts_with('-') || !name.split('.').all(label) {
        return Err(word.error(format!("`{text}' is neither a host's name nor an address")));
    }
    Ok(text.to_ascii_lowercase())
}

/// An address of this machine, or of a group.
pub(super) fn address(word: &Word) -> Result<IpAddr, Diagnostic> {
    let text = word.text.as_str();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| {
        word.error(format!(
            "`{text}' is not an address; write it like `192.0.2.1', `::' or `ff02::1:5'"
        ))
    })
}

/// `none`, or `PATH [MODE [GROUP]]`.
pub(super) fn status_socket(
    arguments: &[Word],
    path: impl Fn(&Word) -> Result<PathBuf, Diagnostic>,
) -> Result<Option<StatusSocket>, Diagnostic> {
    let [first, rest @ ..] = arguments else {
        return Ok(Some(StatusSocket::default()));
    };
    let (mode, group, extra) = match rest {
        [] => (None, None, None),
        [mode] => (Some(mode), None, None),
        [mode, group] => (Some(mode), Some(group), None),
        [_, _, extra, ..] => (None, None, Some(extra)),
    };
    let none = first.text == "none";
    if let Some(extra) = extra.or(mode.filter(|_| none)) {
        let message =
            "one word too many; write it like `status-socket /run/upsentry/status 0660 adm'";
        return Err(extra.error(message));
    }
    if none {
        return Ok(None);
    }
    let path = path(first)?;
    if path.as_os_str().len() > LONGEST_SOCKET {
        return Err(first.error(format!("a socket's path has at most {LONGEST_SOCKET} bytes")));
    }
    let mode = mode.map_or(Ok(STATUS_MODE), bits)?;
    let group = group.map(group_spec).transpose()?;
    Ok(Some(StatusSocket { path, mode, group }))
}

impl Default for StatusSocket {
    fn default() -> StatusSocket {
        let path = PathBuf::from("/run/upsentry/status");
        StatusSocket { path, mode: STATUS_MODE, group: None }
    }
}

fn bits(word: &Word) -> Result<u32, Diagnostic> {
    let octal = (3..=4).contains(&word.text.len());
    match u32::from_str_radix(&word.text, 8) {
        Ok(bits) if octal && bits <= 0o777 && !word.text.starts_with('+') => Ok(bits),
        _ => Err(word.error(format!("`{}' is not a mode, like 0660", word.text))),
    }
}

fn group_spec(word: &Word) -> Result<GroupSpec, Diagnostic> {
    let name = word.text.as_str();
    let number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-$".contains(&b);
    match name.parse() {
        Ok(id) if number && id != u32::MAX => Ok(GroupSpec::Id(id)),
        _ if number
            || !(1..=32).contains(&name.len())
            || name.starts_with('-')
            || !name.bytes().all(fits) =>
        {
            Err(word.error(format!("`{name}' is neither a group's name nor a gid")))
        }
        _ => Ok(GroupSpec::Name(name.to_owned())),
    }
}
