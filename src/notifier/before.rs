//! What is said at a start of what stands around the daemon: what init will run, and who else watches a UPS. In a child
//! without rights, because none of it needs one.

use std::fs::File;
use std::io;

use crate::config::Config;
use crate::config::route::{Init, route};
use crate::notifier::logging::{ALERT, Sink, WARNING, say};
use crate::notifier::rivals;
use crate::notifier::scripts::{Remark, Scripts};
use crate::sys::process;
use crate::sys::text::complain;

/// Says it in the log and, where that is another place, on standard error. `inittab`: opened by who may.
pub fn warn(config: &Config, init: &Init, inittab: io::Result<File>, stderr: bool) {
    process::remember_id();
    let sink = Sink::open(stderr);
    let mut said: Vec<(u8, String)> = Vec::new();
    // Without a route nothing is started, and that is said there.
    if let Ok(route) = route(config, init) {
        let remarks = Scripts::look(inittab).remarks(init, &route);
        let line = |one: Remark| (if one.error { ALERT } else { WARNING }, one.to_string());
        said.extend(remarks.into_iter().map(line));
    }
    let rivals = rivals::warnings(&rivals::rivals(), init.systemd);
    said.extend(rivals.into_iter().map(|line| (WARNING, format!("warning: {line}"))));
    for (severity, line) in said {
        say(severity, format_args!("{line}"));
        if !sink.uses_stderr() {
            complain(format_args!("upsentry: {line}"));
        }
    }
}
