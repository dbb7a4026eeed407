//! The measurements of earlier bases.

use std::path::PathBuf;

use crate::base::Base;
use crate::bench::cache_key as known;
use crate::bench::cache_key::{Circumstances, Known};
use crate::bench::machine;
use crate::bench::measure::Side;
use crate::bench::results::Results;
use crate::bench::session::Session;
use crate::host::{files, terminal};

/// More than these are of no use: bases move on.
const KEPT: usize = 32;

/// Where this base's measurement is, or will be.
pub(crate) struct Store {
    /// None where the base has nothing to measure.
    place: Option<Place>,
}

struct Place {
    file: PathBuf,
    circumstances: String,
}

impl Store {
    pub(crate) fn new(
        session: &Session<'_>,
        base: Option<&Side<'_>>,
        commit: &str,
    ) -> anyhow::Result<Store> {
        let Some(base) = base else { return Ok(Store { place: None }) };
        let circumstances = circumstances(session, base, commit)?;
        let file = session.dir.join("known").join(Known::file_name(&circumstances));
        Ok(Store { place: Some(Place { file, circumstances }) })
    }

    /// The results, with a line that says how old they are.
    pub(crate) fn find(&self, base: &Base) -> Option<Results> {
        let Place { file, circumstances } = self.place.as_ref()?;
        let text = files::read_text_if_exists(file, "the measurement").ok()??;
        let results = Known::parse(&text, circumstances)?;
        let age = files::age(file).map(|age| format!(" ({})", known::ago(age)));
        terminal::note(&format!(
            "note: {} was measured before{}; `--fresh` measures it again",
            base.name,
            age.unwrap_or_default()
        ));
        Some(results)
    }

    /// Keeps what was measured; a store that cannot be written only costs time.
    pub(crate) fn keep(&self, runs: &[Results]) {
        let Some(Place { file, circumstances }) = &self.place else { return };
        let known = Known { circumstances: circumstances.clone(), results: Results::middle(runs) };
        let Some(dir) = file.parent() else { return };
        let written = files::create_private_dir(dir)
            .and_then(|()| files::write_atomically(file, known.to_text().as_bytes()));
        if let Err(error) = written {
            terminal::say(&format!("warning: the base is measured again next time: {error:#}"));
        }
        files::keep_newest(dir, KEPT);
    }
}

fn circumstances(session: &Session<'_>, base: &Side<'_>, commit: &str) -> anyhow::Result<String> {
    let cx = session.cx;
    let lock_file = base.sh.current_dir().join("Cargo.lock");
    let lock_file = files::read_text_if_exists(&lock_file, "Cargo.lock")?;
    let config = ["config", "config.toml"]
        .map(|name| files::read_text(&cx.cargo_home().join(name), name).unwrap_or_default());
    let variables = cx.environment().iter().filter(|(name, _)| known::matters(name));
    let circumstances = Circumstances {
        commit,
        package: base.selection.package.as_deref(),
        features: base.selection.features.as_deref(),
        compiler: &base.compiler,
        lock_file: lock_file.as_deref().unwrap_or_default(),
        cargo_config: &config.join("\n"),
        machine: &machine::description(),
        missing_submodules: &base.missing_submodules,
        variables: variables.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    };
    Ok(circumstances.text())
}
