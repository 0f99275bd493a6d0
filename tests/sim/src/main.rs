//! The command; all that it does is in the library beside it.

use nix::sys::prctl;
use std::fs::{self, File};
use std::io;
use std::process::{Command, ExitCode, Stdio};
use upsim::log::Log;
use upsim::options::{self, Options};
use upsim::sim::Sim;
use upsim::{filter, script, sys};

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("upsim: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("upsim: {error}");
            ExitCode::from(125)
        }
    }
}

fn run(options: &Options) -> io::Result<u8> {
    let script = match &options.script {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| named(path.display(), &error))?;
            script::parse(&text)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?
        }
        None => Vec::new(),
    };
    let log = match &options.log {
        Some(path) => {
            Log::new(Box::new(File::create(path).map_err(|error| named(path.display(), &error))?))
        }
        None => Log::new(Box::new(io::stderr())),
    };
    let mut sim = Sim::new(options, log)?;
    // What daemonizes stays below us, so that nothing outlives the one who answers its calls.
    prctl::set_child_subreaper(true)?;
    let (name, arguments) =
        options.command.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let mut command = Command::new(name);
    command.args(arguments);
    if options.stdin {
        command.stdin(Stdio::null());
    }
    let program = filter::program(&filter::requests(options.icount), &options.faults);
    let (child, listener) = sys::spawn_filtered(&mut command, program).map_err(|error| {
        let hint = match error.raw_os_error() {
            Some(1 | 13) => " (the filter needs CAP_SYS_ADMIN)",
            Some(16) => " (already under such a filter?)",
            _ => "",
        };
        io::Error::new(error.kind(), format!("{}: {error}{hint}", name.to_string_lossy()))
    })?;
    sim.start(child.id(), listener, script)?;
    sim.run()
}

fn named(what: impl std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
