//! Standard output for data, standard error for everything else.

use std::io::{self, BufRead as _, BufWriter, IsTerminal, Write};
use std::sync::{Mutex, OnceLock};

use crate::host::lock;
use crate::text::diagnostic::{Diagnostic, Failure, Rejected, Severity, Verbosity};
use crate::text::sanitize;

/// Writes data to standard output. A reader that has gone away (`... | head -1`) is no error: it
/// has what it wanted.
pub(crate) fn write_data(
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match write(&mut out).and_then(|()| Ok(out.flush()?)) {
        Err(error) if error.downcast_ref().is_some_and(is_closed) => Ok(()),
        result => result,
    }
}

/// Set once, before the first message; a message has no other way to know.
static OUTPUT: OnceLock<(Verbosity, Option<&str>)> = OnceLock::new();

/// Sets what the command line says about verbosity and colours; for the former, cargo's variables
/// count where it says nothing.
pub(crate) fn set_output(verbosity: Option<Verbosity>, colour: Option<&'static str>) {
    let is_true = |name: &str| std::env::var(name).is_ok_and(|value| value == "true");
    let from_environment = || match () {
        () if is_true("CARGO_TERM_QUIET") => Verbosity::Quiet,
        () if is_true("CARGO_TERM_VERBOSE") => Verbosity::Verbose,
        () => Verbosity::Normal,
    };
    OUTPUT.get_or_init(|| (verbosity.unwrap_or_else(from_environment), colour));
}

fn verbosity() -> Verbosity {
    OUTPUT.get().map(|output| output.0).unwrap_or_default()
}

/// What the command line says about colours, as a value of cargo's `term.color`.
pub(crate) fn colour() -> Option<&'static str> {
    OUTPUT.get()?.1
}

/// Shows a command line as it can be pasted into a shell; without `is_shown` with `--verbose` only.
pub(crate) fn command_line(line: &str, is_shown: bool) {
    if verbosity() == Verbosity::Verbose || is_shown && !is_quiet() {
        write_lines(&format!("$ {line}"));
    }
}

/// Whether a person can type to this process and read what it writes.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks for one line; `None` at the end of standard input.
pub(crate) fn ask(prompt: &str) -> io::Result<Option<String>> {
    let _ = io::stderr().write_all(prompt.as_bytes());
    let mut line = Vec::new();
    let length = io::stdin().lock().read_until(b'\n', &mut line)?;
    Ok((length > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
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
pub(crate) fn write_lines(text: &str) {
    let mut text = sanitize::mask_secrets(&sanitize::visible_lines(text));
    text.push('\n');
    let mut shown = lock(&LIVE);
    shown.clear();
    // One write, so that lines of several processes do not mix.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes a line of a report to standard output, as it comes.
pub(crate) fn print(line: &str) {
    let mut shown = lock(&LIVE);
    shown.clear();
    // A reader that has gone away has what it wanted.
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
    let _ = io::stdout().flush();
}

/// The lines at the bottom of the terminal that show what runs. Every other line is written above
/// them.
struct Live {
    /// How many lines stand there now.
    height: usize,
    /// Programs that write to the terminal by themselves.
    writers: usize,
}

static LIVE: Mutex<Live> = Mutex::new(Live { height: 0, writers: 0 });

impl Live {
    /// Line by line: what is erased from the top of the screen to its end goes to the history of some
    /// terminals.
    fn clear(&mut self) {
        if self.height > 0 {
            let erased = "\x1b[A\x1b[2K".repeat(self.height);
            let _ = io::stdout().write_all(erased.as_bytes());
            let _ = io::stdout().flush();
            self.height = 0;
        }
    }
}

/// Shows these lines at the bottom of the terminal in place of the last ones. They have to fit its
/// width.
pub(crate) fn show_live(lines: &[String]) {
    let mut shown = lock(&LIVE);
    if shown.writers > 0 {
        return;
    }
    shown.clear();
    shown.height = lines.len();
    for line in lines {
        let _ = writeln!(io::stdout(), "{line}");
    }
    let _ = io::stdout().flush();
}

/// As long as this lasts, a program writes to the terminal by itself.
pub(crate) struct Shared(());

pub(crate) fn share() -> Shared {
    let mut shown = lock(&LIVE);
    shown.clear();
    shown.writers += 1;
    Shared(())
}

impl Drop for Shared {
    fn drop(&mut self) {
        lock(&LIVE).writers -= 1;
    }
}

/// Whether more is wanted than results, errors and warnings.
pub(crate) fn is_quiet() -> bool {
    verbosity() == Verbosity::Quiet
}

/// The option that has another process of this tool print as much as this one.
pub(crate) fn output_option() -> Option<&'static str> {
    match verbosity() {
        Verbosity::Quiet => Some("--quiet"),
        Verbosity::Normal => None,
        Verbosity::Verbose => Some("--verbose"),
    }
}

/// Reports an error.
pub(crate) fn report_error(error: &anyhow::Error) {
    write_lines(&error_text(error));
}

/// Returns the lines that report an error. Findings about an input carry their own `error:`.
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    let mut text = match error.downcast_ref::<Rejected>() {
        Some(rejected) => rejected.to_string(),
        None => sanitize::indented(&format!("error: {error:#}")),
    };
    let help = error.downcast_ref::<Failure>().and_then(|failure| failure.help.as_ref());
    if let Some(help) = help {
        text += &format!("\n{}", sanitize::indented(&format!("help: {help}")));
    }
    text
}

/// Warns, and says what to do about it.
pub(crate) fn warn(message: &str, help: &str) {
    write_lines(&Diagnostic::new(Severity::Warning, message).help(help).to_string());
}

pub(crate) fn report_warnings(warnings: &[Diagnostic]) {
    for warning in warnings {
        write_lines(&warning.to_string());
    }
}
