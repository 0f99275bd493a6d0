//! From what the parent opened, by the configuration, to what the jail needs.

use std::os::fd::OwnedFd;

use upsentry::config::{Config, Ups, Watch};
use upsentry::fleet::master::Listed;
use upsentry::fleet::seal::Keyring;
use upsentry::monitor::{About, Distant, Label, Line, Network, Plan, Serving, power, warden};
use upsentry::notifier::{Jail, Net};
use upsentry::status::report::fit;
use upsentry::sys::text::complain;
use upsentry::sys::udp::Udp;
use upsentry::sys::{at, raw};

/// The warden's process.
pub(crate) fn enter(config: &Config, jail: Jail) -> ! {
    match plan(config, jail) {
        Ok(plan) => warden::main(plan),
        Err(error) => {
            complain(format_args!("upsentry: warden: {error}"));
            raw::exit(1)
        }
    }
}

fn plan(config: &Config, jail: Jail) -> Result<Plan, String> {
    let Jail { ttys, set_at, mut net, cage } = jail;
    let lines = config.ups.iter().zip(ttys).filter(|(ups, _)| matches!(ups.watch, Watch::Line(_)));
    let lines = lines.map(|(ups, tty)| Line {
        name: ups.name.clone(),
        tty,
        settings: power::Settings::new(ups, set_at),
    });
    let distant =
        config.ups.iter().enumerate().filter_map(|(index, ups)| distant(config, ups, index, &net));
    let (lines, distant): (Vec<_>, Vec<_>) = (lines.collect(), distant.collect());
    let alone = distant.is_empty() && !config.is_master();
    let network = if alone { None } else { Some(network(config, &mut net)?) };
    let first = config.ups.first().map_or(String::new(), |ups| ups.name.clone());
    let status = net.status.take();
    let about = about(config, &net.host);
    Ok(Plan { first, lines, distant, network, status, about, cage })
}

/// What the status says of the configuration.
fn about(config: &Config, host: &str) -> About {
    let label = |ups: &Ups| Label {
        name: fit(&ups.name),
        model: ups.model.map_or(String::new(), |cable| fit(cable.name)),
        source: fit(&ups.watch.to_string()),
        weight: ups.power,
        shutdown_after: ups.shutdown_after.filter(|_| ups.power > 0),
    };
    let line = |ups: &&Ups| matches!(ups.watch, Watch::Line(_));
    let (lines, rest): (Vec<&Ups>, Vec<&Ups>) = config.ups.iter().partition(line);
    About { host: fit(host), labels: lines.into_iter().chain(rest).map(label).collect() }
}

/// A UPS of another machine's.
fn distant(config: &Config, ups: &Ups, index: usize, net: &Net) -> Option<Distant> {
    let Watch::Master(master) = &ups.watch else { return None };
    Some(Distant {
        name: ups.name.clone(),
        host: master.host.clone(),
        addresses: net.masters.get(index).cloned().unwrap_or_default(),
        ring: Keyring::new(&config.ring(&net.keys, ups.key.as_ref())),
        ups: master.ups.clone(),
        or_only: master.or_only,
        deadtime: ups.deadtime,
        feeds: ups.power > 0,
        settings: power::Settings::distant(ups),
    })
}

fn network(config: &Config, net: &mut Net) -> Result<Network, String> {
    let udp = |fds: Vec<OwnedFd>| {
        fds.into_iter().map(Udp::new).collect::<Result<Vec<_>, _>>().map_err(at("socket"))
    };
    let listed = core::mem::take(&mut net.slaves).into_iter();
    let listed = listed.map(|(name, addresses)| Listed { name, addresses });
    let master = config.is_master().then(|| Serving {
        ring: Keyring::new(&config.ring(&net.keys, config.fleet_key.as_ref())),
        listed: listed.collect(),
        groups: net.groups.clone(),
        wait: config.slave_wait,
    });
    Ok(Network {
        serve: udp(core::mem::take(&mut net.serve))?,
        ask: udp(core::mem::take(&mut net.ask))?,
        hear: udp(core::mem::take(&mut net.hear))?,
        master,
        host: net.host.clone(),
        halt_time: config.halt_time,
    })
}
