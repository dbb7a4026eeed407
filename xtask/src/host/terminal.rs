//! Standard output for data, standard error for everything else.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::OnceLock;

use crate::text::diagnostic::{Diagnostic, Failure, Rejected, Verbosity};
use crate::text::sanitize;

/// Writes data to standard output. A reader that has gone away (`... | head -1`) is no error: it
/// has what it wanted.
pub(crate) fn write_data(
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut out =
        Data { inner: BufWriter::with_capacity(1 << 16, io::stdout().lock()), closed: false };
    let result = write(&mut out).and_then(|()| Ok(out.flush()?));
    if out.closed { Ok(()) } else { result }
}

/// Set once, before the first message; a message has no other way to know.
static VERBOSITY: OnceLock<Verbosity> = OnceLock::new();

pub(crate) fn set_verbosity(verbosity: Verbosity) {
    VERBOSITY.get_or_init(|| verbosity);
}

fn verbosity() -> Verbosity {
    VERBOSITY.get().copied().unwrap_or_default()
}

/// Shows a command line as it can be pasted into a shell; without `is_shown` with `--verbose` only.
pub(crate) fn command_line(line: &str, is_shown: bool) {
    match verbosity() {
        Verbosity::Quiet => (),
        Verbosity::Normal if !is_shown => (),
        Verbosity::Normal | Verbosity::Verbose => write_lines(&format!("$ {line}")),
    }
}

/// Whether a person can type to this process and read what it writes.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks for one line; `None` at the end of standard input.
pub(crate) fn ask(prompt: &str) -> io::Result<Option<String>> {
    let _ = io::stderr().write_all(prompt.as_bytes());
    let mut line = String::new();
    let length = io::stdin().read_line(&mut line)?;
    Ok((length > 0).then_some(line))
}

/// Writes what goes on: anything but a result, an error or a warning.
pub(crate) fn note(message: &str) {
    if verbosity() != Verbosity::Quiet {
        say(message);
    }
}

/// Writes a message to standard error. Foreign text in it cannot start a line.
pub(crate) fn say(message: &str) {
    write_lines(&sanitize::indented(message));
}

/// The one way to standard error. Text that cannot be written is lost.
fn write_lines(text: &str) {
    let mut text = sanitize::mask_secrets(&sanitize::visible_lines(text));
    text.push('\n');
    // One write, so that lines of several processes do not mix.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Whether standard output goes to a terminal.
pub(crate) fn is_stdout_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Reports an error. Findings about an input carry their own `error:`.
pub(crate) fn report_error(error: &anyhow::Error) {
    match error.downcast_ref::<Rejected>() {
        Some(rejected) => write_lines(&rejected.to_string()),
        None => say(&format!("error: {error:#}")),
    }
    let help = error.downcast_ref::<Failure>().and_then(|failure| failure.help.as_ref());
    if let Some(help) = help {
        say(&format!("help: {help}"));
    }
}

pub(crate) fn report_warnings(warnings: &[Diagnostic]) {
    for warning in warnings {
        write_lines(&warning.to_string());
    }
}

struct Data<W: Write> {
    inner: W,
    closed: bool,
}

impl<W: Write> Data<W> {
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.closed |= matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl<W: Write> Write for Data<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.note(result)
    }
}
