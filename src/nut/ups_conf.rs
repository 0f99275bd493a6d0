//! ups.conf.

/// What the file says.
#[derive(Debug, Default)]
pub struct UpsConf {
    /// Global `statepath`.
    pub state_path: Option<String>,
    /// Global `driverpath`.
    pub driver_path: Option<String>,
    /// In file order.
    pub sections: Vec<Section>,
    /// Line and message.
    pub warnings: Vec<(usize, String)>,
}

/// A UPS.
#[derive(Debug, Default)]
pub struct Section {
    /// In brackets.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// Its program.
    pub driver: Option<String>,
}

impl UpsConf {
    /// As clients ask.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name.eq_ignore_ascii_case(name))
    }
}

/// Reads it.
#[must_use]
pub fn read(text: &[u8]) -> UpsConf {
    let mut conf = UpsConf::default();
    for (line, number) in String::from_utf8_lossy(text).lines().zip(1..) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            conf.sections.push(Section { name: name.to_owned(), line: number, driver: None });
        } else if let Some((key, value)) = line.split_once('=') {
            let value = Some(value.trim().trim_matches('"').to_owned());
            match (key.trim(), conf.sections.last_mut()) {
                ("driver", Some(section)) => section.driver = value,
                ("statepath", None) => conf.state_path = value,
                ("driverpath", None) => conf.driver_path = value,
                _ => {}
            }
        }
    }
    conf
}

/// The socket's name.
#[must_use]
pub fn socket_name(driver: &str, ups: &str) -> Option<String> {
    let name = format!("{driver}-{ups}");
    (!name.contains('/') && "/nut/".len() + name.len() <= 107).then_some(name)
}
