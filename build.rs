//! Hands `rest.ld` to the linker: what runs at rest lies together in the program. It decides where code lies, and
//! nothing else; nothing is made, read or run here.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=rest.ld");
    println!("cargo::rerun-if-changed=build.rs");
    let var = |name| env::var(name).unwrap_or_default();
    let flags = var("CARGO_ENCODED_RUSTFLAGS");
    // GNU ld and lld, one of which rustc takes by itself on Linux, know such a script; gold and mold refuse it, so
    // a linker that somebody chose is left alone.
    let chosen = ["fuse-ld", "linker="].iter().any(|word| flags.contains(word))
        || env::var_os("RUSTC_LINKER").is_some();
    // At rest a debug build is not measured, and how it is linked is no business of ours.
    if var("CARGO_CFG_TARGET_OS") == "linux" && var("PROFILE") == "release" && !chosen {
        println!("cargo::rustc-link-arg-bins=-T{}/rest.ld", var("CARGO_MANIFEST_DIR"));
    }
}
