//! The parent is made of what was opened, once it has no right left.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use landlock::RulesetStatus;
use nix::sys::signalfd::SignalFd;

use crate::config::{Action, Config, Watch};
use crate::ipc::guard::{Guard, first_state_within};
use crate::ipc::judge::{self, Feed, FeedSettings, Judge};
use crate::ipc::keeper::Keeper;
use crate::ipc::parting::Slaves;
use crate::ipc::record::Record;
use crate::ipc::told::{Told, Word};
use crate::notifier::chronicle::Chronicle;
use crate::notifier::doubts::greet;
use crate::notifier::farewell::{Farewell, level};
use crate::notifier::filter;
use crate::notifier::hook::Hook;
use crate::notifier::link::{Gate, Link};
use crate::notifier::logging::{NOTICE, Sink, say};
use crate::notifier::notice::Notice;
use crate::notifier::open::Opened;
use crate::notifier::parent::{Ends, Parent};
use crate::notifier::start::Mode;
use crate::notifier::supervisor::Supervisor;
use crate::notifier::teller::{Fifo, HandLink, Teller};
use crate::notifier::trouble;
use crate::notifier::via::Actions;
use crate::sys::board::Board;
use crate::sys::rest::Rest;
use crate::sys::{filter as seccomp, now, raw, unix_time};
use crate::sysvinit::lifeline::Lifeline;

/// The parent's ends of everything, and how it was started.
#[derive(Debug)]
pub(super) struct Forked {
    pub(super) link: OwnedFd,
    pub(super) events: OwnedFd,
    pub(super) log: OwnedFd,
    pub(super) board: Board,
    pub(super) hand: Option<OwnedFd>,
    pub(super) notify: Option<OwnedFd>,
    pub(super) started: Option<OwnedFd>,
    pub(super) pid_file: Option<File>,
    pub(super) signals: SignalFd,
    pub(super) sink: &'static Sink,
    pub(super) mode: Mode,
}

/// Makes the parent, and closes the list of its system calls. Comes confined by `start`.
///
/// # Errors
/// The state file cannot be written; the kernel refuses the list.
pub(super) fn begin(
    config: &Config,
    opened: Opened,
    forked: Forked,
    landlock: RulesetStatus,
) -> Result<Parent, String> {
    trouble::speak_of_panics();
    greet(config, &opened);
    trouble::say_confined(&opened.users.notifier.name, landlock);
    let fresh = opened.record.fresh;
    let mut parent = assemble(config, opened, forked);
    parent
        .begin()
        .map_err(|error| format!("state file {}: {error}", config.state_file.display()))?;
    if let Some(chronicle) = &mut parent.ends.chronicle {
        let halt = chronicle.begin((now(), unix_time()), fresh)?;
        if let (Some(halt), Some(hook)) = (halt, &mut parent.ends.hook) {
            hook.started(&halt);
        }
    }
    let list = filter::parent(&parent.descriptors()).compile()?;
    raw::give_back();
    seccomp::install(&list)?;
    Ok(parent)
}

fn assemble(config: &Config, opened: Opened, forked: Forked) -> Parent {
    let time = now();
    let actions = opened.route.actions;
    let Opened { fifo, state, record, history, title, .. } = opened;
    let names: Vec<String> = config.ups.iter().map(|ups| ups.name.clone()).collect();
    let chronicle = history.ok().map(|history| Chronicle::new(history, state.boot(), &names));
    let guard = Guard::new(config.ups.iter().map(|ups| (ups.name.as_str(), ups.settle)));
    let guard = guard.with_rules(config.rules.rules().iter().map(|rule| rule.name.as_str()));
    let judge = judge(config, &record, actions, time);
    let hook = forked.notify.map(|to| Hook::new(to, judge.feeds(), &config.rules));
    Parent {
        keeper: Keeper::new(guard, judge, time),
        ends: Ends {
            names,
            link: Link { fd: forked.link },
            events: forked.events,
            gate: Gate::new(forked.log),
            teller: Teller {
                actions,
                sleep_time: config.sleep_time,
                fifo: fifo.map(|fd| Fifo { fd, line: Lifeline::default() }),
                hand: forked.hand.map(HandLink::new),
            },
            state,
            chronicle,
            hook,
            slaves: config
                .is_master()
                .then(|| Slaves::at_start(title.as_ref().and_then(level), record.slaves)),
            notice: Notice::new(forked.board),
            supervisor: forked.mode.supervisor.map(Supervisor::new),
        },
        farewell: Farewell {
            title,
            wait: config.speaks().then_some(config.slave_wait),
            lines: config.ups.iter().map(|ups| !matches!(ups.watch, Watch::Master(_))).collect(),
            until: None,
        },
        pid_file: forked.pid_file,
        signals: forked.signals,
        sink: forked.sink,
        started: forked.started,
        restarted: forked.mode.foreground,
        linger: forked.mode.linger,
        remind_at: None,
        blind_at: None,
        began: time,
        rest: Rest::new(time),
    }
}

/// What is judged by, and what this boot's record says of before.
pub fn judge(config: &Config, record: &Record, actions: Actions, time: Duration) -> Judge {
    let settings = judge::Settings {
        need: config.need,
        low_is_final: matches!(actions.low, Action::Runlevel(_) | Action::Halt),
        insist: config.insist,
        low_is_told: actions.low != Action::None,
        shutdown_is_told: actions.shutdown != Action::None,
    };
    let feeds = config.ups.iter().map(|ups| {
        let grace = if ups.blind_grace_applies() { ups.cable_grace } else { Duration::ZERO };
        let settings = FeedSettings {
            weight: ups.power,
            blind_after: ups.blind_after,
            first_state: first_state_within(ups.settle),
            cable_grace: grace,
        };
        let seen = record.seen.iter().find(|(name, _)| *name == ups.name);
        Feed::new(settings, seen.map(|(_, power)| *power), time)
    });
    if record.told != Told::Ok {
        say(NOTICE, format_args!("init was told {:?} before this start", record.told));
    }
    let mut judge = Judge::new(settings, feeds, record.told);
    judge.recall(record.cause);
    if record.word == Word::Shutdown {
        judge.shut_down();
    }
    judge
}
