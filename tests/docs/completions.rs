//! What a shell completes is what `upsentry --help` has, both ways; asked of the shells themselves where they are there.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use crate::common::{DAEMON, skip};
use crate::{Scratch, helped, read, root, set};

/// Lines to complete the last word of: of the program, and of each command.
fn beginnings() -> Vec<String> {
    let commands = helped().into_iter().filter(|word| !word.starts_with('-'));
    let mut lines = vec!["upsentry ".to_owned(), "upsentry -".to_owned(), "upsentry --".to_owned()];
    for command in commands {
        lines.extend([format!("upsentry {command} -"), format!("upsentry {command} --")]);
    }
    lines
}

fn said(command: &mut Command) -> String {
    let done = command.current_dir(root("")).output().expect("the shell runs");
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

fn there(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip(&format!("needs {shell}"));
    }
    found
}

fn bash(line: &str) -> BTreeSet<String> {
    let script = ". packaging/completions/upsentry.bash\ncomplete -p upsentry >/dev/null || exit\n\
                  COMP_WORDS=($1)\n[ \"${1% }\" = \"$1\" ] || COMP_WORDS+=('')\n\
                  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_upsentry\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let text = said(Command::new("bash").args(["--norc", "-c", script, "bash", line]));
    set(text.lines().filter(|word| !word.is_empty()))
}

fn fish(line: &str) -> BTreeSet<String> {
    let script = "source packaging/completions/upsentry.fish; complete -C $argv[1]";
    let home = Scratch::new("fish");
    let text = said(Command::new("fish").env("HOME", &home.0).args([
        "--no-config",
        "-c",
        script,
        "--",
        line,
    ]));
    set(text.lines().filter_map(|row| row.split('\t').next()))
}

fn all(complete: fn(&str) -> BTreeSet<String>) -> BTreeSet<String> {
    beginnings().iter().flat_map(|line| complete(line)).collect()
}

#[test]
fn bash_completes_what_there_is() {
    if !there("bash") {
        return;
    }
    assert_eq!(all(bash), helped());
    assert_eq!(bash("upsentry rules "), set(["check", "replay"]));
    assert_eq!(bash("upsentry -f --log "), set(["stderr", "syslog"]));
    assert_eq!(bash("upsentry -c packaging/upsentry.c"), set(["packaging/upsentry.conf"]));
    assert_eq!(bash("upsentry rules check packaging/upsentry.c"), set(["packaging/upsentry.conf"]));
    assert_eq!(bash("upsentry models -"), set([]));
    if there("shellcheck") {
        let file = "packaging/completions/upsentry.bash";
        assert_eq!(said(Command::new("shellcheck").arg(file)), "");
    }
}

/// As somebody types: in a bash with a terminal, with the program that is built.
#[test]
fn a_word_that_is_begun_at_a_bash_s_prompt_is_completed() {
    if !there("bash") || !there("script") {
        return;
    }
    let home = Scratch::new("bash");
    let typed = home.0.join("typed");
    let program = home.0.join("upsentry");
    std::os::unix::fs::symlink(DAEMON, program).expect("a link");
    let lines =
        ". packaging/completions/upsentry.bash\nupsentry mod\t | head -n 1 >$HOME/out\nexit\n";
    fs::write(&typed, lines).expect("a file");
    let path = format!("{}:{}", home.0.display(), std::env::var("PATH").unwrap_or_default());
    let done = Command::new("script")
        .args(["-qec", "bash --norc --noprofile -i", "/dev/null"])
        .env("HOME", &home.0)
        .env("PATH", path)
        .env("TERM", "dumb")
        .current_dir(root(""))
        .stdin(fs::File::open(&typed).expect("the file"))
        .output()
        .expect("it runs");
    let models = Command::new(DAEMON).arg("models").output().expect("it runs");
    let models = String::from_utf8(models.stdout).expect("text");
    let out = fs::read_to_string(home.0.join("out")).unwrap_or_default();
    let screen = String::from_utf8_lossy(&done.stdout);
    assert_eq!(out.lines().next(), models.lines().next(), "{screen}");
}

#[test]
fn fish_completes_what_there_is() {
    if !there("fish") {
        return;
    }
    assert_eq!(all(fish), helped());
    assert_eq!(fish("upsentry rules "), set(["check", "replay"]));
    assert_eq!(fish("upsentry --log "), set(["stderr", "syslog"]));
    assert_eq!(fish("upsentry models -"), set([]));
}

/// Zsh shows what it completes on a terminal only; so this reads the file: each word in quotes that an explanation
/// follows.
#[test]
fn zsh_is_told_of_what_there_is() {
    let text = read("packaging/completions/_upsentry");
    let quoted = text.split('\'').skip(1).step_by(2);
    let mut words = BTreeSet::new();
    for one in quoted.clone() {
        let one = one.strip_prefix("(- *)").unwrap_or(one);
        let end = if one.starts_with('-') { '[' } else { ':' };
        if let Some((word, _)) = one.split_once(end).filter(|(word, _)| word.len() > 1) {
            words.insert(word.to_owned());
        }
    }
    // Two of one meaning: {-h,--help}.
    let braces = text.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let braces = braces.filter(|inner| inner.starts_with('-')).flat_map(|inner| inner.split(','));
    words.extend(braces.map(str::to_owned));
    assert_eq!(words, helped());
    if there("zsh") {
        let text = said(Command::new("zsh").args(["-n", "packaging/completions/_upsentry"]));
        assert_eq!(text, "");
    }
}
