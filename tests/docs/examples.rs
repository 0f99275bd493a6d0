//! Configurations, scripts and inittabs that a page shows must work.

use std::fs;

use upsentry::sysvinit::inittab;

use crate::mdoc::displays;
use crate::{Scratch, UPSENTRY_8, UPSENTRY_CONF_5, markdown, read, run};

/// Each configuration that a page or the README shows, and what to call it.
fn examples() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in [UPSENTRY_8, UPSENTRY_CONF_5] {
        let displays = displays(page).into_iter();
        let displays: Vec<_> =
            displays.filter(|text| text.starts_with("# upsentry.conf")).collect();
        assert!(displays.len() >= 2, "{page}: only {} examples", displays.len());
        found.extend(displays.into_iter().map(|text| (page.to_owned(), text)));
    }
    for file in markdown() {
        let text = read(&file);
        let mut rest = text.as_str();
        while let Some((_, begun)) = rest.split_once("```upsentry\n") {
            let (block, after) = begun.split_once("```").expect("the block ends");
            found.push((file.clone(), block.to_owned()));
            rest = after;
        }
    }
    found
}

/// Where an example names a file of rules, that is what the page shows as one.
fn with_rules(scratch: &Scratch, place: &str, text: &str) -> String {
    let Some((_, rest)) = text.split_once("\nrules ") else { return text.to_owned() };
    let name = rest.split_whitespace().next().expect("a path");
    let page = read(place);
    let shown = page.split("```rules\n").nth(1).and_then(|rest| rest.split("```").next());
    let file = scratch.0.join("rules");
    fs::write(&file, shown.expect("the page shows rules")).expect("a file of ours");
    text.replace(name, file.to_str().expect("a plain path"))
}

#[test]
fn check_accepts_every_example() {
    let scratch = Scratch::new("examples");
    for (place, text) in examples() {
        let says = |name: &str| text.lines().any(|line| line.split(' ').next() == Some(name));
        // What init is here must not decide.
        let via = if says("via") || says("halt") { "" } else { "via initctl\n" };
        // Whatever NUT has here: the drivers that the example names.
        let drivers = text.lines().filter_map(|line| line.strip_prefix("watch driver:"));
        let drivers = drivers.filter_map(|rest| rest.split(' ').next());
        let drivers: String = drivers.map(|name| format!("[{name}]\ndriver = x\n")).collect();
        let ups_conf = scratch.0.join("ups.conf");
        fs::write(&ups_conf, drivers).expect("a file of ours");
        let ups_conf = format!("ups-conf {}\n", ups_conf.display());
        let text = with_rules(&scratch, &place, &text);
        let file = scratch.file("upsentry.conf", format!("{text}{via}{ups_conf}"));
        let done = run(&["check", "-c", file.to_str().expect("a plain path")]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{place}:\n{text}\n{said}");
    }
}

/// Nothing but comment, and right once the lines are uncommented that stand there for it: with each of the cables, and
/// with the lines in place of one.
#[test]
fn check_accepts_the_packaged_file_uncommented() {
    let text = read("packaging/upsentry.conf");
    assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
    let plain = text.lines().filter_map(|line| line.strip_prefix('#'));
    let plain = plain.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    let (models, rest): (Vec<_>, Vec<_>) = plain.partition(|line| line.starts_with("model "));
    let wired = |line: &&str| {
        ["fail ", "low ", "init ", "kill ", "sense "].iter().any(|word| line.starts_with(word))
    };
    let (lines, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(wired);
    assert!(models.len() >= 4 && lines.len() == 5 && rest.len() >= 4, "{text}");
    let scratch = Scratch::new("packaged");
    let ways = models.iter().map(|model| vec![*model]).chain([lines]);
    for way in ways {
        let path = scratch.file("upsentry.conf", [rest.as_slice(), &way].concat().join("\n"));
        let done = run(&["check", "-c", path.to_str().expect("a path")]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{way:?}: {said}");
    }
}

/// The entries of a text that init would take, without what they are called.
fn entries(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(':')).map(|(_, entry)| entry).collect()
}

#[test]
fn the_manual_s_inittab_is_the_package_s() {
    let displays = displays(UPSENTRY_8);
    let tab = displays.iter().find(|text| text.starts_with("# /etc/inittab")).expect("an inittab");
    assert_eq!(entries(tab), entries(&read("packaging/sysvinit/inittab")));
    assert_eq!(entries(tab).len(), 4);
    let table = inittab::Table::read(tab.as_bytes());
    assert_eq!(table.refused, []);
    let power = table.entries.iter().filter(|entry| entry.action.starts_with("power"));
    let order: Vec<&str> = power.map(|entry| entry.action.as_str()).collect();
    assert_eq!(order, ["powerfail", "powerokwait", "powerfailnow"]);
    let scripts = displays.iter().filter(|text| text.starts_with("#!"));
    assert_eq!(
        scripts.count(),
        0,
        "what the package ships is tested; a script in the manual is not"
    );
}
