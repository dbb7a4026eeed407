//! Pure. The platforms and hypervisors that the CI machines have.

use std::fmt;

use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::nearest;

/// A platform that a step can run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Platform {
    X86_64,
    Aarch64,
    Riscv64,
}

impl Platform {
    pub(crate) const ALL: [Platform; 3] = [Platform::X86_64, Platform::Aarch64, Platform::Riscv64];

    /// Where no platform file says otherwise.
    pub(crate) const DEFAULT: [Platform; 2] = [Platform::X86_64, Platform::Aarch64];

    /// Each by its name in files and labels, which is also Rust's name of the architecture.
    pub(crate) const NAMED: [(&str, Platform); 3] = [
        ("x86_64", Platform::X86_64),
        ("aarch64", Platform::Aarch64),
        ("riscv64", Platform::Riscv64),
    ];

    pub(crate) fn name(self) -> &'static str {
        Platform::NAMED[self as usize].0
    }

    /// The platform of that name, or why there is none.
    pub(crate) fn from_name(name: &str) -> Result<Platform, String> {
        nearest::choose("platform", name, &Platform::NAMED)
    }

    /// riscv64 has no machines of its own: its steps run in an emulated guest.
    pub(crate) fn is_emulated(self) -> bool {
        self == Platform::Riscv64
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The hypervisors that agents are tagged with, by name.
pub(crate) const HYPERVISORS: [(&str, &str); 2] = [("kvm", "kvm"), ("mshv", "mshv")];

/// Reads a platform file: one name a line, blank lines allowed.
pub(crate) fn parse_platform_file(source: &Source, found: &Diagnostics) -> Vec<Platform> {
    let mut platforms = Vec::new();
    for (start, line) in source.lines() {
        // Editors of another system put a byte order mark there, which cannot be seen.
        let rest = line.strip_prefix('\u{feff}').filter(|_| start == 0).unwrap_or(line);
        let at = start + line.len() - rest.trim_start().len();
        let name = rest.trim();
        match Platform::from_name(name) {
            _ if name.is_empty() => (),
            Ok(platform) if platforms.contains(&platform) => {
                found.push(source.warning(at, format!("`{name}` is already listed")));
            }
            Ok(platform) => platforms.push(platform),
            Err(message) => found.push(source.error(at, message)),
        }
    }
    if platforms.is_empty() && !found.has_errors() {
        let message = "no platform is listed: tests that name platforms give no step";
        found.push(source.warning(0, message));
    }
    platforms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<Platform>, String) {
        let found = Diagnostics::default();
        let platforms = parse_platform_file(&Source::new(".platform", text), &found);
        (platforms, found.headlines())
    }

    #[test]
    fn names_and_values_agree() {
        for (name, platform) in Platform::NAMED {
            assert_eq!((platform.name(), Platform::from_name(name)), (name, Ok(platform)));
        }
        assert!(HYPERVISORS.iter().all(|(name, hypervisor)| name == hypervisor));
    }

    #[test]
    fn a_platform_file_has_one_name_a_line() {
        let (platforms, found) = parse("x86_64\r\n\n  riscv64  ");
        assert_eq!(platforms, [Platform::X86_64, Platform::Riscv64]);
        assert_eq!(found, "");
    }

    #[test]
    fn every_unknown_line_is_reported_with_the_nearest_name() {
        let (_, found) = parse("x86-64\naarch64\nriscv\n");
        assert_eq!(
            found,
            ".platform:1:1: error: unknown platform `x86-64`, did you mean `x86_64`?\n\
             .platform:3:1: error: unknown platform `riscv`, did you mean `riscv64`?"
        );
    }
}
