//! One job server for every cargo that runs at the same time: without it each would start as many
//! compilers as there are processors.
//!
//! Source: <https://www.gnu.org/software/make/manual/html_node/POSIX-Jobserver.html>; cargo is a
//! client where `CARGO_MAKEFLAGS` names one.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::ensure;
use xshell::cmd;

use crate::context::Context;
use crate::host::directories::{self, Scratch};

/// A pipe with a token for each compiler that may run besides the one of each cargo. It is there as
/// long as this value.
#[derive(Debug)]
pub(crate) struct JobServer {
    path: PathBuf,
    /// Held open, so that the tokens stay in the pipe.
    _pipe: File,
    _scratch: Scratch,
}

impl JobServer {
    /// # Errors
    ///
    /// Fails if the pipe cannot be made, or if its path has a blank, which clients do not take.
    pub(crate) fn create(cx: &Context) -> anyhow::Result<JobServer> {
        let scratch = Scratch::new(&directories::temporary_dir(), "jobserver")?;
        let path = scratch.dir().join("fifo");
        ensure!(!path.to_string_lossy().contains(char::is_whitespace), "a blank in the path");
        cx.process(cmd!(cx.sh, "mkfifo {path}")).read()?;
        let mut pipe = File::options().read(true).write(true).open(&path)?;
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        pipe.write_all(&vec![b'+'; processors - 1])?;
        Ok(JobServer { path, _pipe: pipe, _scratch: scratch })
    }

    /// The value of `CARGO_MAKEFLAGS`.
    pub(crate) fn flags(&self) -> String {
        format!("-j --jobserver-auth=fifo:{}", self.path.display())
    }
}
