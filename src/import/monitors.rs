//! MONITOR lines of upsmon.conf: whom upsmon asks, as whom, and what depends on it.

use super::lines::Line;
use super::output::{Draft, MOST, Section, number, shown, takes};

const PORT: &str = "3493";
/// Powers that upsentry takes.
const MOST_POWER: i64 = 1000;
/// Characters of a name.
const LONGEST: usize = 63;

/// One that could be read.
#[derive(Debug)]
pub(super) struct Monitor {
    pub line: usize,
    ups: String,
    host: String,
    port: String,
    pub power: i64,
    user: String,
    password: String,
    primary: bool,
}

impl Monitor {
    /// It is this machine that is asked.
    fn local(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || ["127.0.0.1", "[::1]"].contains(&&*self.host)
    }
}

/// Of CERTHOST.
#[derive(Debug)]
pub(super) struct CertHost {
    pub host: String,
    pub sealed: bool,
}

/// What is said of encryption.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    /// FORCESSL or CERTVERIFY: for every host that has no CERTHOST.
    pub always: bool,
    pub hosts: Vec<CertHost>,
    /// CERTPATH, as upsentry takes it.
    pub ca_file: Option<String>,
}

impl Sealing {
    fn of(&self, host: &str) -> bool {
        let own = self.hosts.iter().find(|one| one.host.eq_ignore_ascii_case(host));
        own.map_or(self.always, |one| one.sealed)
    }
}

/// What has become of the MONITOR lines.
#[derive(Debug, Default)]
pub(super) struct Monitors {
    all: Vec<Monitor>,
}

impl Monitors {
    /// Takes a line, or says why not. Its password is in no remark.
    pub(super) fn read(&mut self, draft: &mut Draft, line: &Line<'_>) {
        if !line.odd.is_empty() {
            draft.note(line.number, "MONITOR", line.odd);
        }
        let mut skip = |why: String| draft.leave_out(line.number, "MONITOR", why);
        let [_, system, power, user, password, kind, ..] = line.words else {
            return skip(format!("{}: needs five words", shown(line.word(1))));
        };
        let is = |names: [&str; 2]| names.iter().any(|name| kind.eq_ignore_ascii_case(name));
        let primary = is(["primary", "master"]);
        if !primary && !is(["secondary", "slave"]) {
            return skip(format!("{}: neither primary nor secondary", shown(system)));
        }
        let Some(power) = number(power) else {
            return skip(format!("{}: its power value is no number", shown(system)));
        };
        let (ups, at) = system.split_once('@').unwrap_or((system, "localhost"));
        let (host, port) = place(at);
        if !takes(&format!("watch nut://{host}:{port}/x")) {
            return skip(format!("{}: upsentry knows no such host", shown(system)));
        }
        let [ups, host, port, user, password] =
            [ups, host, port, user, password].map(str::to_owned);
        let same = |other: &Monitor| {
            fitted(&other.ups).eq_ignore_ascii_case(&fitted(&ups))
                && other.host.eq_ignore_ascii_case(&host)
                && other.port == port
        };
        if let Some(other) = self.all.iter().find(|other| same(other)) {
            let why = format_args!("{}: the same as in line {}", shown(system), other.line);
            return draft.note(line.number, "MONITOR", why);
        }
        if self.all.len() >= MOST {
            return skip(format!("{}: too many UPSs", shown(system)));
        }
        let line = line.number;
        self.all.push(Monitor { line, ups, host, port, power, user, password, primary });
    }

    /// Of all that feed this machine.
    pub(super) fn power(&self) -> i64 {
        self.all.iter().map(|one| one.power.clamp(0, MOST_POWER)).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether any of them is encrypted.
    pub(super) fn sealed(&self, sealing: &Sealing) -> bool {
        self.all.iter().any(|one| sealing.of(&one.host))
    }

    /// A section for each. `cuts`: this machine had the UPSs of its own cut.
    pub(super) fn sections(&self, draft: &mut Draft, sealing: &Sealing, cuts: bool) {
        for one in &self.all {
            let mut name = draft.name(&one.ups);
            let taken = |name: &str, draft: &Draft| {
                draft.sections.iter().any(|other| other.name.eq_ignore_ascii_case(name))
            };
            if taken(&one.ups, draft) {
                // The same UPS name on another server.
                name = draft.name(&format!("{}-{}", one.ups, one.host));
            }
            let lines = lines(draft, one, sealing, cuts);
            draft.sections.push(Section { name, lines });
        }
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn place(at: &str) -> (&str, &str) {
    match at.rsplit_once(':') {
        _ if at.ends_with(']') => (at, PORT),
        Some((host, port)) => (host, port),
        None if at.is_empty() => ("localhost", PORT),
        None => (at, PORT),
    }
}

/// A name like this, of a UPS or a user, that upsentry takes.
fn fitted(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fitted: String =
        name.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST).collect();
    if fitted.is_empty() { "ups".to_owned() } else { fitted }
}

fn lines(draft: &mut Draft, one: &Monitor, sealing: &Sealing, cuts: bool) -> Vec<String> {
    let Monitor { line, ups, host, port, .. } = one;
    let mut note = |why: String| draft.note(*line, "MONITOR", why);
    let name = fitted(ups);
    if name != *ups {
        note(format!(
            "`{}' is not a name here; call it `{name}' in the server's ups.conf, too",
            shown(ups)
        ));
    }
    let mut user = one.user.clone();
    if !takes(&format!("watch nut://{user}@localhost/x\npassword x")) {
        user = fitted(&user);
        note(format!("its user's name cannot be said here; call it `{user}' in upsd.users, too"));
    }
    let mut password = one.password.as_str();
    if !takes(&format!("watch nut://x@localhost/x\npassword {password}")) {
        password = "CHANGE-ME";
        note("upsentry cannot say its password: choose another in upsd.users, one plain word of letters and digits".to_owned());
    }
    if !(0..=MOST_POWER).contains(&one.power) {
        note(format!("a power of {} is none here", one.power));
    }
    let sealed = sealing.of(host);
    let scheme = if sealed { "nut+tls" } else { "nut" };
    let at = if port == PORT { host.clone() } else { format!("{host}:{port}") };
    let mut lines = vec![format!("watch {scheme}://{user}@{at}/{name}")];
    if sealed {
        let file = sealing.ca_file.as_deref().unwrap_or("/etc/upsentry/ca.pem");
        lines.push(format!("ca-file {file}"));
    }
    lines.push(format!("password {password}"));
    lines.push(format!("power {}", one.power.clamp(0, MOST_POWER)));
    if one.primary {
        lines.push("primary".to_owned());
    }
    if one.local() {
        if one.primary && cuts {
            lines.push(format!("kill-command /sbin/upsdrvctl shutdown {name}"));
        }
        lines.push(
            "# Or this for all of these but `power': it needs no upsd and no password. No other machine may log in then."
                .to_owned(),
        );
        lines.push(format!("# watch driver:{name}"));
    }
    lines
}
