//! The simulator's log as values.

use std::collections::BTreeMap;

/// One line of the simulator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// CLOCK_MONOTONIC.
    pub nanos: u64,
    /// What it says.
    pub kind: Kind,
    /// The line without its time.
    pub text: String,
}

/// What a line of the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The UPS moved its lines; `woke` calls of TIOCMIWAIT ended by it.
    In { port: String, cts: bool, dsr: bool, dcd: bool, rng: bool, woke: u32 },
    /// Outputs were driven: by `set`, `bis`, `bic`, or by the driver at `open`, `close`, `speed`.
    Out { port: String, dtr: bool, rts: bool, by: String, speed: String, clocal: bool, hupcl: bool },
    /// Break began or ended.
    Break { port: String, on: bool },
    /// Anything else about a port: `open`, `close`, `eio on`, `termios speed=0 …`
    Port { port: String, what: String },
    /// init read a request.
    Init(InitRequest),
    /// init's end of the FIFO: `stop`, `start`, `close`, `open`, `unlink`.
    InitState(String),
    /// The command runs, with this process id.
    Start(u32),
    /// The command ended: `0`, `1`, …, `signal 15`.
    Exit(String),
    /// Nothing runs any more.
    Gone,
    /// A `mark`.
    Mark(String),
    /// A command that the simulator did not understand, or could not do.
    Error(String),
}

/// A request as init would have taken it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InitRequest {
    /// CLOCK_MONOTONIC.
    pub nanos: u64,
    /// `powerfail`, `powerfailnow`, `powerok`, `runlevel`, `setenv` or `bogus`.
    pub name: String,
    /// The runlevel's character, `-` for none.
    pub runlevel: String,
    /// Seconds between TERM and KILL.
    pub sleep: u32,
    /// Strings of `setenv`.
    pub env: Vec<String>,
    /// Bytes read.
    pub size: u32,
}

impl Event {
    pub(super) fn parse(line: &str) -> Self {
        let (nanos, text) = line.split_once(' ').unwrap_or_else(|| panic!("log line {line:?}"));
        let nanos = nanos.parse().unwrap_or_else(|_| panic!("log line {line:?}"));
        Self { nanos, kind: Kind::parse(nanos, text), text: text.to_owned() }
    }

    /// True when init read a request of this name.
    pub fn init(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Init(request) if request.name == name)
    }

    /// True when the line is exactly this, its time apart.
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

impl Kind {
    fn parse(nanos: u64, text: &str) -> Self {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        let fields: BTreeMap<&str, &str> =
            rest.split(' ').filter_map(|word| word.split_once('=')).collect();
        let field = |name: &str| (*fields.get(name).unwrap_or(&"")).to_owned();
        let on = |name: &str| fields.get(name) == Some(&"1");
        match first {
            "init" if rest.contains("size=") => {
                let env = rest.split(' ').filter_map(|word| word.strip_prefix("env="));
                Self::Init(InitRequest {
                    nanos,
                    name: rest.split(' ').next().unwrap_or("").to_owned(),
                    runlevel: field("runlevel"),
                    sleep: field("sleep").parse().unwrap_or(0),
                    env: env.map(str::to_owned).collect(),
                    size: field("size").parse().unwrap_or(0),
                })
            }
            "init" => Self::InitState(rest.to_owned()),
            "start" => Self::Start(rest.parse().expect("a process id")),
            "exit" => Self::Exit(rest.to_owned()),
            "gone" => Self::Gone,
            "mark" => Self::Mark(rest.to_owned()),
            "error" => Self::Error(rest.to_owned()),
            _ => {
                let port = first.to_owned();
                match rest.split(' ').next() {
                    Some("in") => Self::In {
                        port,
                        cts: on("cts"),
                        dsr: on("dsr"),
                        dcd: on("dcd"),
                        rng: on("rng"),
                        woke: field("woke").parse().unwrap_or(0),
                    },
                    Some("out") => Self::Out {
                        port,
                        dtr: on("dtr"),
                        rts: on("rts"),
                        by: field("by"),
                        speed: field("speed"),
                        clocal: on("clocal"),
                        hupcl: on("hupcl"),
                    },
                    Some("break") => Self::Break { port, on: rest == "break on" },
                    _ => Self::Port { port, what: rest.to_owned() },
                }
            }
        }
    }
}
