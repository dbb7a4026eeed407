//! Pure. The release of Rust that a toolchain file names.

use crate::text::toml;

/// The release in a toolchain file if it is older than `oldest`, and the byte at which its line
/// starts. A file is TOML or the name of a channel alone.
pub(crate) fn old_release(file: &str, oldest: &str) -> Option<(usize, String)> {
    let statements = toml::statements(file).unwrap_or_default();
    let channel = statements.iter().find(|it| it.path == ["toolchain", "channel"]);
    let (at, channel) = if let Some(statement) = channel {
        (statement.start, toml::as_string(statement.value?)?)
    } else {
        let start = file.len() - file.trim_start().len();
        (start, file[start..].lines().next()?.trim_end().to_owned())
    };
    is_older(&channel, oldest).then_some((at, channel))
}

/// Whether a version or a channel is a release, and an older one; a channel that moves has no number.
pub(crate) fn is_older(version: &str, oldest: &str) -> bool {
    let number = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(['.', '-']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    number(version).zip(number(oldest)).is_some_and(|(version, oldest)| version < oldest)
}
