//! From what the parent opened, by the configuration, to what the jail needs.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use upsentry::config::{Config, NutServer, Ups, Watch};
use upsentry::fleet::master::Listed;
use upsentry::fleet::seal::Keyring;
use upsentry::monitor::{
    About, Distant, Fed, Label, Line, Network, Plan, Secured, Serving, Source, Together, Upsd,
    power, warden,
};
use upsentry::notifier::{Jail, Net};
use upsentry::nut::server;
use upsentry::status::report::fit;
use upsentry::sys::cage::Reach;
use upsentry::sys::text::complain;
use upsentry::sys::udp::Udp;
use upsentry::sys::{at, bind, raw, room};

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
    let Jail { ttys, set_at, mut net, mut cage } = jail;
    let lines = config.ups.iter().zip(ttys).filter(|(ups, _)| matches!(ups.watch, Watch::Line(_)));
    let lines = lines.map(|(ups, tty)| Line {
        name: ups.name.clone(),
        tty,
        settings: power::Settings::new(ups, set_at),
    });
    let distant =
        config.ups.iter().enumerate().filter_map(|(index, ups)| distant(config, ups, index, &net));
    let (lines, distant): (Vec<_>, Vec<_>) = (lines.collect(), distant.collect());
    let fed =
        config.ups.iter().enumerate().filter_map(|(index, ups)| fed(config, ups, index, &net));
    let fed = fed.collect::<nix::Result<Vec<_>>>().map_err(at("TCP socket"))?;
    cage.reach = reach(config, &fed)?;
    let together = Together { need: config.need, host_sync: config.host_sync };
    let alone = distant.is_empty() && !config.is_master();
    let network = if alone { None } else { Some(network(config, &mut net)?) };
    let first = config.ups.first().map_or(String::new(), |ups| ups.name.clone());
    let status = net.status.take();
    let about = about(config, &net.host);
    let rules = config.rules.clone();
    Ok(Plan { first, lines, distant, fed, together, rules, network, status, about, cage })
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
    let of = |kind: fn(&Watch) -> bool| config.ups.iter().filter(move |ups| kind(&ups.watch));
    let lines = of(|watch| matches!(watch, Watch::Line(_)));
    let masters = of(|watch| matches!(watch, Watch::Master(_)));
    let nut = of(|watch| matches!(watch, Watch::Driver(_) | Watch::Server(_)));
    let all: Vec<&Ups> = lines.chain(masters).chain(nut).collect();
    let number = |ups: &&Ups| config.ups.iter().position(|one| core::ptr::eq(one, *ups));
    About {
        host: fit(host),
        labels: all.iter().copied().map(label).collect(),
        numbers: all.iter().filter_map(number).collect(),
    }
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

/// A UPS that NUT watches.
fn fed(config: &Config, ups: &Ups, index: usize, net: &Net) -> Option<nix::Result<Fed>> {
    let wanted: Vec<String> = config.rules.wanted(index).map(str::to_owned).collect();
    let asked = match &ups.watch {
        Watch::Line(_) | Watch::Master(_) => return None,
        Watch::Driver(driver) => Ok(Source::Driver(format!(
            "/{}/{}",
            room::NAME,
            // Nothing has such a name.
            driver.socket().unwrap_or_else(|| "?".to_owned())
        ))),
        Watch::Server(server) => {
            upsd(ups, server, index, net, wanted.clone()).map(Box::new).map(Source::Server)
        }
    };
    Some(asked.map(|asked| Fed {
        name: ups.name.clone(),
        source: ups.watch.to_string(),
        feeds: ups.power > 0,
        deadtime: ups.deadtime,
        treat: ups.nut.treat,
        wanted,
        settings: power::Settings::distant(ups),
        asked,
    }))
}

fn upsd(
    ups: &Ups,
    server: &NutServer,
    index: usize,
    net: &Net,
    wanted: Vec<String>,
) -> nix::Result<Upsd> {
    let addresses = net.masters.get(index).cloned().unwrap_or_default();
    let families = [SocketAddr::is_ipv4, SocketAddr::is_ipv6];
    let families = families.into_iter().filter_map(|family| addresses.iter().find(|to| family(to)));
    let sockets = families.map(|to| bind::tcp(*to)).collect::<nix::Result<_>>()?;
    let tls = server.tls.then(|| Secured {
        anchors: net.trust.get(index).cloned().flatten(),
        pin: ups.nut.pin,
        host: server.host.clone(),
        made: None,
    });
    let settings = server::Settings {
        user: server.user.clone(),
        password: ups.nut.login.clone(),
        ups: server.ups.clone(),
        primary: ups.nut.primary,
        starttls: server.tls,
        poll: ups.nut.poll,
        deadtime: ups.deadtime,
        wanted,
    };
    Ok(Upsd { addresses, sockets, settings, tls })
}

/// What the jail may reach: NUT's directory, by the groups that it and its sockets belong to, and servers' ports. A
/// directory that is not there yet is waited for elsewhere.
fn reach(config: &Config, fed: &[Fed]) -> Result<Reach, String> {
    let mut reach = Reach::default();
    let servers = config.ups.iter().filter_map(|ups| match &ups.watch {
        Watch::Server(server) => Some(server.port),
        _ => None,
    });
    reach.ports = servers.collect();
    if fed.iter().any(Fed::is_driver) && config.state_path.is_dir() {
        let sockets = config.ups.iter().filter_map(|ups| match &ups.watch {
            Watch::Driver(driver) => driver.socket(),
            _ => None,
        });
        reach.groups = room::groups(&config.state_path, sockets)?;
        reach.shown = Some(config.state_path.clone());
    }
    Ok(reach)
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
