//! `upsentry-tls`: upsentry with the library that speaks TLS. `upsentry` becomes it where a configuration watches
//! `nut+tls://`; whatever else it is asked it does the same.

#[path = "main.rs"]
mod program;

use std::process::ExitCode;

use upsentry::nut::tls;
use upsentry::sys::process;

fn main() -> ExitCode {
    tls::provide(tls::client);
    // In ps it is the daemon that everybody knows.
    process::name(c"upsentry");
    program::main()
}
