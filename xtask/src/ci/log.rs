//! The log of a test: everything in a file, the end in memory.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

use crate::host::files;
use crate::text::sanitize;

/// A log file holds no more than this, so that a test without an end does not fill the disk.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// The end of the output, from which the reason of a failure is read.
const MAX_TAIL_BYTES: usize = 256 << 10;
/// Without a line break a piece of this length counts as a line.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Where the output of one test goes.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    written: u64,
    /// With its colours.
    tail: Vec<u8>,
}

/// Where a log is, and its end with the colours.
#[derive(Debug)]
pub(crate) struct LogEnd {
    pub(crate) path: PathBuf,
    pub(crate) tail: String,
}

impl Log {
    /// Creates the file of a test; one of an earlier run is replaced.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be created (exit code 75).
    pub(crate) fn create(dir: &Path, label: &str) -> anyhow::Result<Log> {
        let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        let name: String = label.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let path = dir.join(format!("{name}.log"));
        files::create_dir(dir)?;
        let file =
            File::create(&path).with_context(|| format!("cannot create `{}`", path.display()));
        Ok(Log { file: file?, path, written: 0, tail: Vec::new() })
    }

    /// The end of what was written.
    pub(crate) fn end(&self) -> LogEnd {
        LogEnd { path: self.path.clone(), tail: String::from_utf8_lossy(&self.tail).into_owned() }
    }

    /// A disk that is full must not stop the test: what cannot be written is missing in the file.
    fn push(&mut self, line: &[u8]) {
        self.tail.extend_from_slice(line);
        if self.tail.len() > 2 * MAX_TAIL_BYTES {
            self.tail.drain(..self.tail.len() - MAX_TAIL_BYTES);
        }
        let plain = sanitize::without_escapes(&String::from_utf8_lossy(line));
        let room = MAX_FILE_BYTES.saturating_sub(self.written);
        if plain.len() as u64 <= room {
            let _ = self.file.write_all(plain.as_bytes());
        } else if room > 0 {
            let _ = writeln!(self.file, "[cut here: more than {} MiB]", MAX_FILE_BYTES >> 20);
            self.written = MAX_FILE_BYTES;
        }
        self.written = (self.written + plain.len() as u64).min(MAX_FILE_BYTES);
    }
}

/// Copies the output of a test to its log as it comes, and to standard output where that is wanted.
pub(crate) fn copy(mut pipe: PipeReader, log: &Arc<Mutex<Log>>, echo: bool) -> io::Result<()> {
    let mut line = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    loop {
        let count = pipe.read(&mut chunk)?;
        if echo {
            io::stdout().write_all(&chunk[..count])?;
            io::stdout().flush()?;
        }
        line.extend_from_slice(&chunk[..count]);
        let end = match line.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if count == 0 || line.len() > MAX_LINE_BYTES => line.len(),
            None => 0,
        };
        if end > 0 {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(&line[..end]);
            line.drain(..end);
        }
        if count == 0 {
            return Ok(());
        }
    }
}
