//! Rustup's command lines: the one thing outside the repository that a run may add to.

use xshell::{Cmd, Shell, cmd};

pub(crate) fn add_component<'sh>(
    sh: &'sh Shell,
    component: &str,
    toolchain: Option<&str>,
) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("--toolchain={name}"));
    cmd!(sh, "rustup component add {toolchain...} {component}")
}

pub(crate) fn add_target<'sh>(sh: &'sh Shell, triple: &str, toolchain: Option<&str>) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("--toolchain={name}"));
    cmd!(sh, "rustup target add {toolchain...} {triple}")
}

/// Installs what a toolchain file or an override of this directory names.
pub(crate) fn install_active_toolchain(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "rustup toolchain install")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_added_to_the_toolchain_that_the_command_names() {
        let sh = Shell::new().unwrap();
        assert_eq!(
            add_component(&sh, "miri", Some("nightly")).to_string(),
            "rustup component add --toolchain=nightly miri"
        );
        assert_eq!(
            add_target(&sh, "x86_64-unknown-linux-musl", None).to_string(),
            "rustup target add x86_64-unknown-linux-musl"
        );
    }
}
