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
    pub(crate) const NAMES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

    /// Where no platform file says otherwise.
    pub(crate) const DEFAULT: [Platform; 2] = [Platform::X86_64, Platform::Aarch64];

    /// The name in files and labels, which is also Rust's name of the architecture.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Platform::X86_64 => "x86_64",
            Platform::Aarch64 => "aarch64",
            Platform::Riscv64 => "riscv64",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Platform> {
        Platform::ALL.into_iter().find(|platform| platform.name() == name)
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

/// The hypervisors that agents are tagged with.
pub(crate) const HYPERVISORS: [&str; 2] = ["kvm", "mshv"];

/// Why a name is not one of the platforms, with the nearest that is.
pub(crate) fn unknown_platform(name: &str) -> String {
    format!("unknown platform `{name}`{}", nearest::hint(name, &Platform::NAMES))
}

/// Why a name is not one of the hypervisors, with the nearest that is.
pub(crate) fn unknown_hypervisor(name: &str) -> String {
    format!("unknown hypervisor `{name}`{}", nearest::hint(name, &HYPERVISORS))
}

/// Reads a platform file: one name a line, blank lines allowed.
pub(crate) fn parse_platform_file(source: &Source, found: &mut Diagnostics) -> Vec<Platform> {
    let mut platforms = Vec::new();
    // Editors of another system put it there; nobody sees it.
    let mark = if source.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut offset = mark;
    for line in source.text[mark..].split_inclusive('\n') {
        let name = line.trim();
        match Platform::from_name(name) {
            _ if name.is_empty() => (),
            Some(platform) if platforms.contains(&platform) => {
                let at = offset + line.len() - line.trim_start().len();
                found.push(source.warning(at, format!("`{name}` is listed already")));
            }
            Some(platform) => platforms.push(platform),
            None => {
                let at = offset + line.len() - line.trim_start().len();
                found.push(source.error(at, unknown_platform(name)));
            }
        }
        offset += line.len();
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

    fn parse(text: &str) -> (Vec<Platform>, Vec<String>) {
        let mut found = Diagnostics::default();
        let platforms = parse_platform_file(&Source::new(".platform", text), &mut found);
        let first_line = |text: String| text.lines().next().unwrap().to_owned();
        (platforms, found.items.iter().map(|item| first_line(item.to_string())).collect())
    }

    #[test]
    fn a_platform_file_has_one_name_a_line() {
        let (platforms, found) = parse("x86_64\r\n\n  riscv64  ");
        assert_eq!(platforms, [Platform::X86_64, Platform::Riscv64]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn every_unknown_line_is_reported_with_the_nearest_name() {
        let (_, found) = parse("x86-64\naarch64\nriscv\n");
        assert_eq!(
            found,
            [
                ".platform:1:1: error: unknown platform `x86-64`, did you mean `x86_64`?",
                ".platform:3:1: error: unknown platform `riscv`, did you mean `riscv64`?",
            ]
        );
    }
}
