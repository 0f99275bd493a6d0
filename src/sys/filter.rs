//! System call allow-lists: reviewed data in the modules that own them, compiled here.
//!
//! Anything that is not on a list kills the process, in every build.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// One argument of a system call: position (0..=5) and what it must be. The kernel looks at the low 32
/// bits of descriptors and ioctl commands, so that is what is compared.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// This argument is exactly this.
    Is(u8, u32),
    /// None of these bits is set in this argument.
    Without(u8, u32),
}

/// A list of allowed calls.
#[derive(Debug, Default)]
pub struct Allow {
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    error: Option<String>,
}

impl Allow {
    /// An empty list: everything kills.
    pub fn new() -> Allow {
        Allow::default()
    }

    /// Allows a call with any arguments.
    #[must_use]
    pub fn any(mut self, call: i64) -> Allow {
        self.rules.insert(call, Vec::new());
        self
    }

    /// Allows a call whose arguments all hold; several such rules for one call are alternatives.
    #[must_use]
    pub fn when(mut self, call: i64, arguments: &[Arg]) -> Allow {
        let conditions = arguments.iter().map(|argument| {
            let (index, operator, value) = match *argument {
                Arg::Is(index, value) => (index, SeccompCmpOp::Eq, value),
                Arg::Without(index, bits) => (index, SeccompCmpOp::MaskedEq(u64::from(bits)), 0),
            };
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, u64::from(value))
        });
        match conditions.collect::<Result<Vec<_>, _>>().and_then(SeccompRule::new) {
            Ok(rule) => self.rules.entry(call).or_default().push(rule),
            Err(error) => self.error = Some(error.to_string()),
        }
        self
    }

    /// Allows a call on each of these descriptors (its first argument), with more conditions.
    #[must_use]
    pub fn on(mut self, call: i64, descriptors: &[i32], arguments: &[Arg]) -> Allow {
        for fd in descriptors.iter().filter_map(|fd| u32::try_from(*fd).ok()) {
            let all: Vec<Arg> = [Arg::Is(0, fd)].iter().chain(arguments).copied().collect();
            self = self.when(call, &all);
        }
        self
    }

    /// The calls on the list, for the documentation and the tests.
    pub fn calls(&self) -> impl Iterator<Item = i64> {
        self.rules.keys().copied()
    }

    /// Takes a call off the list: the tests prove with it that no entry is idle.
    #[must_use]
    pub fn without(mut self, call: i64) -> Allow {
        self.rules.remove(&call);
        self
    }

    /// Compiles the list for this machine.
    ///
    /// # Errors
    /// A rule that makes no sense, an empty list, or an architecture without a compiler.
    pub fn compile(self) -> Result<BpfProgram, String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.rules.is_empty() {
            return Err("the list is empty".to_owned());
        }
        let arch =
            TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
        let kill = SeccompAction::KillProcess;
        let filter = SeccompFilter::new(self.rules, kill, SeccompAction::Allow, arch);
        let filter = filter.map_err(|error| error.to_string())?;
        BpfProgram::try_from(filter).map_err(|error| error.to_string())
    }
}

/// Installs a compiled list on all threads of this process. It cannot be taken off.
///
/// # Errors
/// The kernel refuses; the caller must not go on.
pub fn install(program: &BpfProgram) -> Result<(), String> {
    seccompiler::apply_filter_all_threads(program).map_err(|error| format!("seccomp: {error}"))
}
