//! Which lines of an inittab init runs for a power event: for `check`.

/// One line: `id:runlevels:action:process`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Line number, from 1.
    pub line: usize,
    /// `powerfail`, `powerwait`, `powerfailnow` or `powerokwait`.
    pub action: &'a str,
    /// What is run.
    pub process: &'a str,
}

/// The entries with one of these actions, in the order in which init looks at them.
pub fn entries<'a>(text: &'a str, actions: &'a [&'a str]) -> impl Iterator<Item = Entry<'a>> {
    text.lines().enumerate().filter_map(move |(index, line)| {
        let mut fields = line.trim_start().splitn(4, ':');
        let id = fields.next().filter(|id| !id.starts_with('#'))?;
        let (_, action, process) = (fields.next()?, fields.next()?, fields.next()?);
        let found = !id.is_empty() && actions.contains(&action);
        found.then_some(Entry { line: index + 1, action, process: process.trim() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# pf:x:powerwait:/no\nid:2:initdefault:\n\
        pf::powerwait:/etc/init.d/powerfail start\n pn::powerfailnow:/a:b now\npx::powerfail\n";

    #[test]
    fn power_lines_are_found_with_their_numbers() {
        let found: Vec<_> = entries(TEXT, &["powerwait", "powerfailnow", "powerfail"]).collect();
        let wait = Entry { line: 3, action: "powerwait", process: "/etc/init.d/powerfail start" };
        let now = Entry { line: 4, action: "powerfailnow", process: "/a:b now" };
        assert_eq!(found, [wait, now]);
    }
}
