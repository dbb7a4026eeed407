//! `help`: the text goes to standard output, because it is what was asked for.

use crate::host::terminal;
use crate::outcome::{OrUndetermined, Outcome};

pub(crate) fn run(text: &str) -> anyhow::Result<Outcome> {
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?)).or_undetermined()?;
    Ok(Outcome::Pass)
}
