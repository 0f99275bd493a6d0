//! What is asked when, and what follows from the answers.

use super::{
    Ask, COUNT, DIAL_LEAST, DIAL_MOST, Does, Duration, EACH_POLL, FSD_AGAIN, Known, LOGIN_AGAIN,
    POLL_LEAST, POLL_ON_BATTERY, Power, REPLY, Reply, Seen, Server, Stage, Trouble, Why, fmt,
    mains, read, tokens,
};

impl Server {
    pub(super) fn reset(&mut self) {
        self.values.clear();
        self.lines.clear();
        self.out.wipe();
        let Known { seen, trusted_at, .. } = self.known;
        self.known = Known { seen, trusted_at, ..Known::default() };
        self.fresh = false;
        self.stage = Stage::In;
        self.asked = None;
        self.hang = None;
        self.tls = false;
        self.polled = None;
        self.more = 0;
        self.refused = None;
        self.forced = false;
        (self.fsd_at, self.count_at) = (Duration::ZERO, Duration::ZERO);
        self.logins = None;
    }

    /// Where the talk begins, when it may.
    pub(super) fn entry(&self) -> Stage {
        if self.set.user.is_some() { Stage::Entry(Ask::User) } else { Stage::In }
    }

    pub(super) fn expire(&mut self, now: Duration, since: Duration) {
        if now >= since.saturating_add(REPLY) {
            self.hang = Some(Why::Timeout);
        }
    }

    fn on_battery(&self) -> bool {
        self.power > Some(Power::Mains) || self.known.seen.is_some_and(Seen::on_battery)
    }

    pub(super) fn dial_at(&self) -> Option<Duration> {
        let doublings = self.tries.saturating_sub(1).min(5);
        let pause = (DIAL_LEAST * (1 << doublings)).min(DIAL_MOST);
        let pause = if self.on_battery() { DIAL_LEAST } else { pause };
        Some(self.dialled?.saturating_add(pause))
    }

    /// Three polls fit into the time after which silence counts as a loss.
    pub(super) fn poll_at(&self) -> Option<Duration> {
        let pause = if self.on_battery() {
            self.set.poll.min(POLL_ON_BATTERY).min(self.set.deadtime / 9)
        } else {
            self.set.poll.min(self.set.deadtime / 3)
        };
        Some(self.polled?.saturating_add(pause.max(POLL_LEAST)))
    }

    /// When the next step of a forced shutdown is due.
    pub(super) fn force_at(&self) -> Option<Duration> {
        self.forcing.then_some(if self.forced { self.count_at } else { self.fsd_at })
    }

    /// On battery no connection is given up that works.
    pub(super) fn login_at(&self) -> Option<Duration> {
        let wanted = !self.on_battery() && !self.forcing && !self.leaving;
        self.refused.filter(|_| wanted).map(|refused| refused.saturating_add(LOGIN_AGAIN))
    }

    pub(super) fn choose(&mut self, now: Duration) -> Option<Ask> {
        if self.gone {
            return None;
        }
        match self.stage {
            Stage::Securing(_) => return None,
            // Before TLS not even this is said.
            Stage::Entry(Ask::StartTls) => return Some(Ask::StartTls),
            _ if self.leaving => return Some(Ask::Logout),
            Stage::Entry(ask) => return Some(ask),
            Stage::In => {}
        }
        let due = self.force_at().is_some_and(|at| now >= at);
        if due && !self.forced {
            self.fsd_at = now.saturating_add(FSD_AGAIN);
            return Some(Ask::Fsd);
        }
        if self.poll_at().is_none_or(|at| now >= at) {
            self.polled = Some(now);
            self.more = EACH_POLL;
            return Some(Ask::Variable(0));
        }
        if due {
            self.count_at = now.saturating_add(COUNT);
            return Some(Ask::Logins);
        }
        self.more = self.more.checked_sub(1)?;
        let last = self.values.names().count().saturating_sub(1);
        self.turn = if self.turn < last { self.turn + 1 } else { 1 };
        Some(Ask::Variable(self.turn))
    }

    pub(super) fn ask(&mut self, ask: Ask) -> fmt::Result {
        let set = &self.set;
        let ups = set.ups.as_str();
        match ask {
            Ask::StartTls | Ask::Logout => self.out.put(ask.name(), &[]),
            Ask::User => self.out.put(ask.name(), &[set.user.as_deref().unwrap_or_default()]),
            Ask::Password => {
                let password = set.password.as_ref().map_or("", |secret| secret.expose());
                self.out.put(ask.name(), &[password])
            }
            Ask::Variable(number) => {
                let name = self.values.names().nth(number).unwrap_or_default();
                self.out.put(ask.name(), &[ups, name])
            }
            _ => self.out.put(ask.name(), &[ups]),
        }
    }

    pub(super) fn line(&mut self, now: Duration) {
        // An answer before the whole of its question is none.
        let unsent = !self.out.rest().is_empty();
        let Some((ask, since)) = self.asked.take().filter(|_| !unsent) else {
            self.hang = Some(Why::Unasked);
            return;
        };
        let number = if let Ask::Variable(number) = ask { number } else { 0 };
        let name = self.values.names().nth(number).unwrap_or_default();
        match read(ask, &self.set.ups, name, &self.lines) {
            Reply::Garbled => {
                self.hang = Some(if ask == Ask::StartTls { Why::Tls } else { Why::Garbled });
                return;
            }
            Reply::Error(token) => {
                let token = tokens::find(token);
                let fine = matches!((ask, token.does), (Ask::Variable(1..), Does::Absent));
                if !fine {
                    self.trouble = Some(Trouble { asked: ask, token });
                }
                self.failed(now, ask, token.does);
            }
            Reply::Value(value) => {
                let seen = (number == 0).then(|| Seen::read(value));
                self.values.set_nth(number, value);
                self.answered(ask);
                if let Some(seen) = seen {
                    self.status(since, seen);
                }
            }
            Reply::Count(count) => {
                self.answered(ask);
                self.logins = Some(count);
            }
            Reply::Ok => {
                self.answered(ask);
                self.done(now, ask);
            }
        }
        self.known.heard = true;
    }

    fn answered(&mut self, ask: Ask) {
        let same = |trouble: Trouble| match (trouble.asked, ask) {
            (Ask::Variable(_), Ask::Variable(0))
            | (Ask::User | Ask::Password, Ask::Login)
            | (Ask::Primary | Ask::Master, Ask::Primary | Ask::Master) => true,
            (one, other) => one == other,
        };
        if self.trouble.is_some_and(same) {
            self.trouble = None;
        }
    }

    fn status(&mut self, asked: Duration, seen: Seen) {
        self.tries = 0;
        self.fresh = !seen.is_silent();
        if self.fresh {
            self.power = mains(seen, self.power);
            self.known.seen = Some(seen);
            self.known.trusted_at = Some(asked);
        }
    }

    fn done(&mut self, now: Duration, ask: Ask) {
        match ask {
            Ask::StartTls => {
                self.tls = true;
                self.stage = Stage::Securing(now);
            }
            Ask::User if self.set.password.is_some() => self.stage = Stage::Entry(Ask::Password),
            Ask::User | Ask::Password => self.stage = Stage::Entry(Ask::Login),
            Ask::Login if self.set.primary => self.stage = Stage::Entry(Ask::Primary),
            Ask::Login | Ask::Primary | Ask::Master => self.stage = Stage::In,
            Ask::Fsd => self.forced = true,
            Ask::Logout => self.gone = true,
            Ask::Logins | Ask::Variable(_) => {}
        }
    }

    fn failed(&mut self, now: Duration, ask: Ask, does: Does) {
        match ask {
            Ask::StartTls => self.hang = Some(Why::Tls),
            Ask::User | Ask::Password | Ask::Login if does == Does::Holds => self.done(now, ask),
            Ask::User | Ask::Password | Ask::Login => {
                self.refused = Some(now);
                self.stage = Stage::In;
            }
            Ask::Primary => self.stage = Stage::Entry(Ask::Master),
            Ask::Master => self.stage = Stage::In,
            // Asked again when it is due.
            Ask::Fsd => {}
            // Not known is not none: whoever waits for the others then waits its whole time.
            Ask::Logins => self.logins = None,
            Ask::Variable(0) => {
                self.tries = 0;
                self.fresh = false;
                self.more = 0;
            }
            Ask::Variable(number) if does == Does::Absent => self.values.remove_nth(number),
            Ask::Variable(_) => {}
            Ask::Logout => self.gone = true,
        }
    }
}
