//! What is said at the start beside what is wrong; for the log and `check`.

use crate::config::{Config, Via};
use crate::notifier::logging::{ALERT, NOTICE, WARNING, say};
use crate::notifier::open::Opened;
use crate::notifier::via::{Init, Route, name};

/// The log's first lines.
pub(super) fn greet(config: &Config, opened: &Opened) {
    let route = &opened.route;
    let chosen = if route.chosen { " (chosen)" } else { "" };
    let (version, ups) = (env!("CARGO_PKG_VERSION"), config.ups.len());
    say(NOTICE, format_args!("upsentry {version}: {ups} UPS, via {}{chosen}", name(route.via)));
    let doubts = doubts(config, &opened.init, route);
    for warning in config.warnings.iter().chain(&doubts).chain(&opened.net.doubts) {
        say(WARNING, format_args!("{warning}"));
    }
    if let Err(error) = &opened.history {
        say(WARNING, format_args!("{error}; no history is kept"));
    }
    for line in &opened.away {
        say(ALERT, format_args!("{line}"));
    }
}

/// What may not come true of a route on this machine; for `check` and the log.
pub(super) fn doubts(config: &Config, init: &Init, route: &Route) -> Vec<String> {
    let (via, process, way) = (route.via, &init.name, name(route.via));
    let (initctl, signal) = (via == Via::Initctl, via == Via::Signal);
    let idle = !config.halt.is_empty() && route.halt.is_empty();
    let deaf = format!("process 1 ({process}) does not catch SIGPWR: it would be lost");
    let unused =
        format!("`halt' is never run: with via {way} no action is `halt' (try `tell low halt')");
    let all = [
        (
            initctl && init.systemd,
            "process 1 is systemd, which takes no power requests from its FIFO",
        ),
        (initctl && init.fifo.is_none(), "init's FIFO is not there now"),
        (signal && !init.catches_sigpwr, &deaf),
        (idle, &unused),
    ];
    let path = config.path.display();
    let so = all.into_iter().filter(|(so, _)| *so);
    so.map(|(_, text)| format!("{path}: warning: {text}")).collect()
}
