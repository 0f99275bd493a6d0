use std::path::Path;

use super::*;
use crate::config::{self, Action, Config, Purpose, Via};
use crate::notifier::doubts::doubts;

fn config(more: &str) -> Config {
    let text = format!("watch ttyS0\nfail cts 0\nlow dcd 0\n{more}\n");
    config::parse(Path::new("t.conf"), &text, Purpose::Run).unwrap()
}

fn sysvinit() -> Init {
    Init {
        name: "init".to_owned(),
        fifo: Some("/run/initctl".into()),
        systemd: false,
        systemctl: "/bin/systemctl".to_owned(),
        catches_sigpwr: true,
    }
}

/// The way chosen without `via`, or the beginning of the error.
fn chosen(more: &str, init: &Init) -> Result<Via, String> {
    let route = route(&config(more), init)?;
    assert!(route.chosen);
    Ok(route.via)
}

#[test]
fn without_via_it_is_what_process_1_understands() {
    let bare = Init { name: "tini".to_owned(), ..Init::default() };
    let systemd = Init { systemd: true, ..sysvinit() };
    let signal = Init { fifo: None, ..sysvinit() };
    let halt = "halt /sbin/shutdown -h -P now";
    assert_eq!(chosen("", &sysvinit()), Ok(Via::Initctl));
    assert_eq!(chosen(halt, &sysvinit()), Ok(Via::Initctl));
    assert_eq!(chosen("", &systemd), Ok(Via::Command), "its FIFO takes no power requests");
    assert_eq!(chosen(halt, &bare), Ok(Via::Command));
    assert_eq!(chosen(halt, &signal), Ok(Via::Command));
    assert_eq!(chosen("", &signal), Ok(Via::Signal));
    assert!(chosen("", &bare).unwrap_err().contains("halt /sbin/shutdown -h -P now"));
}

#[test]
fn systemd_runs_systemctl_unless_halt_is_given() {
    let systemd = Init { systemd: true, ..sysvinit() };
    let halt = |more: &str| route(&config(more), &systemd).unwrap().halt;
    assert!(halt("")[0].ends_with("/systemctl"));
    assert_eq!(halt("")[1], "poweroff");
    assert_eq!(halt("halt /sbin/poweroff"), ["/sbin/poweroff"]);
}

#[test]
fn the_default_rows_are_those_of_the_design() {
    let actions = |more: &str| route(&config(more), &sysvinit()).unwrap().actions.all();
    use Action::{Fail, Halt, Low, None, Ok, Runlevel};
    assert_eq!(actions("via initctl"), [Ok, Fail, Low, Runlevel(b'0')]);
    assert_eq!(actions("via signal"), [Ok, Fail, Low, Low]);
    assert_eq!(actions("via command\nhalt /sbin/poweroff"), [None, None, Halt, Halt]);
    let told = "tell fail none\ntell low runlevel 0\ntell ok fail\ntell shutdown low";
    assert_eq!(actions(told), [Fail, None, Runlevel(b'0'), Low]);
}

#[test]
fn a_halt_command_is_kept_only_where_an_action_runs_it() {
    let halt = "halt /sbin/poweroff";
    assert!(route(&config(halt), &sysvinit()).unwrap().halt.is_empty(), "no hand, so no root");
    let route = route(&config(&format!("{halt}\ntell low halt")), &sysvinit()).unwrap();
    assert_eq!((route.via, route.halt.len()), (Via::Initctl, 1));
}

#[test]
fn rows_that_do_not_fit_the_chosen_way_are_errors() {
    let signal = Init { fifo: None, ..sysvinit() };
    let error = route(&config("tell low runlevel 0"), &signal).unwrap_err();
    assert!(error.contains("runlevel does not go with via signal"), "{error}");
    let systemd = Init { systemd: true, ..Init::default() };
    let error = route(&config("tell fail fail"), &systemd).unwrap_err();
    assert!(error.contains("fail does not go with via command"), "{error}");
}

#[test]
fn what_may_not_come_true_is_doubted() {
    let said = |more: &str, init: &Init| {
        let config = config(more);
        let route = route(&config, init).unwrap();
        doubts(&config, init, &route).join("\n")
    };
    let systemd = Init { systemd: true, ..sysvinit() };
    let deaf = Init { catches_sigpwr: false, fifo: None, ..sysvinit() };
    assert_eq!(said("", &sysvinit()), "");
    assert!(said("via initctl", &systemd).contains("takes no power requests"));
    assert!(said("via initctl", &deaf).contains("FIFO is not there"));
    assert!(said("via signal", &deaf).contains("does not catch SIGPWR"));
    assert_eq!(said("via signal", &sysvinit()), "");
    assert!(said("halt /sbin/poweroff", &sysvinit()).contains("`halt' is never run"));
    assert_eq!(said("halt /sbin/poweroff\ntell low halt", &sysvinit()), "");
}
