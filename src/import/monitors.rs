//! MONITOR lines of upsmon.conf: whom upsmon asks, as whom, and what depends on it.

use super::lines::Line;
use super::output::{Draft, MOST, Section, number, shown, takes};

const PORT: &str = "3493";
/// Powers that upsentry takes.
const MOST_POWER: i64 = 1000;
/// Characters of a user's name.
const LONGEST_USER: usize = 63;

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
            other.ups.eq_ignore_ascii_case(&ups)
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

    /// A section for each.
    pub(super) fn sections(&self, draft: &mut Draft, sealing: &Sealing) {
        for one in &self.all {
            let mut name = draft.name(&one.ups);
            let taken = |name: &str, draft: &Draft| {
                draft.sections.iter().any(|other| other.name.eq_ignore_ascii_case(name))
            };
            if taken(&one.ups, draft) {
                // The same UPS name on another server.
                name = draft.name(&format!("{}-{}", one.ups, one.host));
            }
            let lines = lines(draft, one, sealing);
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

fn lines(draft: &mut Draft, one: &Monitor, sealing: &Sealing) -> Vec<String> {
    let Monitor { line, ups, host, port, .. } = one;
    let mut note = |why: String| draft.note(*line, "MONITOR", why);
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let mut name = ups.clone();
    if !takes(&format!("watch nut://localhost/{name}")) {
        name = ups.chars().map(|c| if fits(c) { c } else { '_' }).take(63).collect();
        if name.is_empty() {
            "ups".clone_into(&mut name);
        }
        note(format!(
            "`{}' is not a name here; call it `{name}' in the server's ups.conf, too",
            shown(ups)
        ));
    }
    let mut user = one.user.clone();
    if !takes(&format!("watch nut://{user}@localhost/x\npassword x")) {
        user = user.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST_USER).collect();
        if user.is_empty() {
            "upsmon".clone_into(&mut user);
        }
        note(format!("its user's name cannot be said here; call it `{user}' in upsd.users, too"));
    }
    let mut password = one.password.as_str();
    if !takes(&format!("watch nut://x@localhost/x\npassword {password}")) {
        password = "CHANGE-ME";
        note("upsentry cannot say its password: choose another in upsd.users, one plain word without \" # = \\".to_owned());
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
    if host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]" {
        let instead = if one.primary {
            "`watch', `password' and `primary'"
        } else {
            "`watch' and `password'"
        };
        lines.push(format!(
            "# Or this for {instead}: it needs no upsd and no password. No other machine may log in then."
        ));
        lines.push(format!("# watch driver:{name}"));
    }
    lines
}
