//! Pure. The arguments of one command. Nothing is ignored: what no option took is an error.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pico_args::Arguments;

use crate::text::diagnostic::Rejected;
use crate::text::nearest;

/// The arguments of a command. Options are taken out one after another.
pub(crate) struct Args {
    command: &'static str,
    /// Every option of the command is named there.
    usage: &'static str,
    words: Vec<OsString>,
    /// What followed `--`: never an option.
    after_dashes: Vec<OsString>,
}

/// What a change is compared with: a revision, or the upstream branch where none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) revision: Option<String>,
}

impl Args {
    pub(crate) fn new(
        command: &'static str,
        usage: &'static str,
        mut words: Vec<OsString>,
    ) -> Args {
        // pico-args gives `--` no meaning, so what follows is cut off first.
        let after_dashes = match words.iter().position(|word| word == "--") {
            Some(at) => words.split_off(at).split_off(1),
            None => Vec::new(),
        };
        Args { command, usage, words, after_dashes }
    }

    pub(crate) fn error<T>(&self, message: impl Into<String>) -> Result<T, Rejected> {
        Err(Rejected::new(message).help(format!("see `cargo xtask help {}`", self.command)))
    }

    /// A switch. It may carry a value (`--devel true`), since some callers can only pass pairs; the
    /// next word is its value only if it is one.
    pub(crate) fn switch(&mut self, name: &'static str) -> Result<bool, Rejected> {
        let mut result = false;
        while let Some((at, joined)) = self.take(name) {
            let has_value = self.words.get(at).is_some_and(|next| parse_boolean(next).is_some());
            let value = joined.or_else(|| has_value.then(|| self.words.remove(at)));
            result = value.map_or(Ok(true), |value| self.boolean(name, &value))?;
        }
        Ok(result)
    }

    /// An option whose value is a boolean: a next word that is neither an option nor a boolean is
    /// an error and not something else's argument.
    pub(crate) fn boolean_option(&mut self, name: &'static str) -> Result<bool, Rejected> {
        let mut result = false;
        for value in self.optional_values(name, "true")? {
            result = self.boolean(name, value.as_ref())?;
        }
        Ok(result)
    }

    /// The values of an option, in order: `-t X`, `-tX`, `--long X` and `--long=X` all count. Here and
    /// below, `names` are those of the help text: `-t, --long`, or `--long` alone.
    pub(crate) fn values(&mut self, names: &'static str) -> Result<Vec<OsString>, Rejected> {
        let long = long_name(names);
        let words = std::mem::take(&mut self.words);
        let words = words.into_iter().flat_map(|word| as_pair(word, names)).collect();
        let mut arguments = Arguments::from_vec(words);
        let take = |value: &OsStr| Ok::<_, String>(value.to_owned());
        let values = arguments.values_from_os_str(long, take);
        self.words = arguments.finish();
        match values {
            Ok(values) if values.iter().any(|value| value.is_empty()) => {
                self.error(format!("`{long}` needs a value that is not empty"))
            }
            Ok(values) => Ok(values),
            Err(_) => self.error(format!("`{long}` needs a value")),
        }
    }

    /// An option whose value may be left out: `--diff`, `--diff X` and `--diff=X`. The next word is
    /// its value unless it is an option; without one it is `implied`.
    pub(crate) fn optional_value(
        &mut self,
        name: &'static str,
        implied: &str,
    ) -> Result<Option<String>, Rejected> {
        Ok(self.optional_values(name, implied)?.pop())
    }

    fn optional_values(
        &mut self,
        name: &'static str,
        implied: &str,
    ) -> Result<Vec<String>, Rejected> {
        let mut values = Vec::new();
        while let Some((at, joined)) = self.take(name) {
            let has_value =
                self.words.get(at).is_some_and(|next| !next.as_bytes().starts_with(b"-"));
            let value = joined.or_else(|| has_value.then(|| self.words.remove(at)));
            if value.as_ref().is_some_and(|value| value.is_empty()) {
                return self.error(format!("`{name}` needs a value that is not empty"));
            }
            values.push(value.unwrap_or_else(|| implied.into()));
        }
        self.utf8(&values)
    }

    /// An option that names a revision, or stands for the upstream branch if it names none.
    pub(crate) fn base(&mut self, name: &'static str) -> Result<Option<Base>, Rejected> {
        let revision = self.optional_value(name, "")?;
        Ok(revision.map(|name| Base { revision: Some(name).filter(|name| !name.is_empty()) }))
    }

    /// The value of an option, read by `parse`; `what` says what the option takes. If the option is
    /// repeated, the last value wins, here and below, as scripts that append options expect.
    pub(crate) fn parsed<T>(
        &mut self,
        names: &'static str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Rejected> {
        let Some(text) = self.texts(names)?.pop() else { return Ok(None) };
        match parse(&text) {
            Some(parsed) => Ok(Some(parsed)),
            None => self.error(format!("`{}` takes {what}, not `{text}`", long_name(names))),
        }
    }

    /// The value of an option as text.
    pub(crate) fn text(&mut self, names: &'static str) -> Result<Option<String>, Rejected> {
        Ok(self.texts(names)?.pop())
    }

    /// The switches that go to cargo as they are.
    pub(crate) fn passed_to_cargo(&mut self) -> Result<Vec<&'static str>, Rejected> {
        let mut given = Vec::new();
        for name in ["--locked", "--offline"] {
            if self.switch(name)? {
                given.push(name);
            }
        }
        Ok(given)
    }

    /// The value that a name stands for; `what` says what it names.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        long: &'static str,
        what: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Rejected> {
        let Some(name) = self.text(long)? else { return Ok(None) };
        let choice = nearest::choose(what, &name, choices);
        choice.map(Some).or_else(|message| self.error(message))
    }

    /// As [`Args::values`], for UTF-8 text.
    pub(crate) fn texts(&mut self, names: &'static str) -> Result<Vec<String>, Rejected> {
        let values = self.values(names)?;
        self.utf8(&values)
    }

    /// The value of an option as a path.
    pub(crate) fn path(&mut self, names: &'static str) -> Result<Option<PathBuf>, Rejected> {
        Ok(self.values(names)?.pop().map(PathBuf::from))
    }

    /// Returns all arguments as they were given.
    ///
    /// # Errors
    ///
    /// Rejects what is not UTF-8 (exit code 2).
    pub(crate) fn texts_as_given(&self) -> Result<Vec<String>, Rejected> {
        let dashes = if self.after_dashes.is_empty() { vec![] } else { vec!["--".into()] };
        self.utf8(&[&self.words[..], &dashes, &self.after_dashes].concat())
    }

    /// Returns the positional arguments.
    ///
    /// # Errors
    ///
    /// Rejects an option that is left over, which is unknown, and what is not UTF-8 (exit code 2).
    pub(crate) fn positional(&self) -> Result<Vec<String>, Rejected> {
        let (words, rest) = self.positional_and_rest()?;
        Ok([words, rest].concat())
    }

    /// As [`Args::positional`], with what follows `--` apart.
    pub(crate) fn positional_and_rest(&self) -> Result<(Vec<String>, Vec<String>), Rejected> {
        if let Some(option) = self.words.iter().find(|word| word.to_string_lossy().starts_with('-'))
        {
            let option = option.to_string_lossy();
            let name = option.split('=').next().unwrap_or_default();
            let hint = nearest::did_you_mean(name, &self.options().collect::<Vec<_>>());
            return self.error(format!("unknown option `{option}`{hint}"));
        }
        Ok((self.utf8(&self.words)?, self.utf8(&self.after_dashes)?))
    }

    /// Ends the parsing of a command that takes options only.
    pub(crate) fn finish(self) -> Result<(), Rejected> {
        match self.positional()?.first() {
            None => Ok(()),
            Some(word) => self.error(format!("unexpected argument `{word}`")),
        }
    }

    fn boolean(&self, name: &str, value: &OsStr) -> Result<bool, Rejected> {
        let otherwise =
            || self.error(format!("`{name}` takes `true` or `false`, not `{}`", value.display()));
        parse_boolean(value).map_or_else(otherwise, Ok)
    }

    fn utf8(&self, words: &[OsString]) -> Result<Vec<String>, Rejected> {
        let text = |word: &OsString| match word.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => self.error(format!("`{}` is not UTF-8 text", word.display())),
        };
        words.iter().map(text).collect()
    }

    /// Takes an option out: its place, and the value that `=` joins to it.
    fn take(&mut self, name: &str) -> Option<(usize, Option<OsString>)> {
        let joined = |word: &OsString| {
            let rest = word.as_bytes().strip_prefix(name.as_bytes())?;
            match rest.split_first() {
                None => Some(None),
                Some((b'=', value)) => Some(Some(OsStr::from_bytes(value).to_owned())),
                Some(_) => None,
            }
        };
        let mut words = self.words.iter().enumerate();
        let (at, value) = words.find_map(|(at, word)| Some((at, joined(word)?)))?;
        self.words.remove(at);
        Some((at, value))
    }

    fn options(&self) -> impl Iterator<Item = &'static str> {
        let words = self.usage.split(|c: char| c.is_whitespace() || ",[]()`=".contains(c));
        let options = words.filter(|word| word.starts_with('-') && word.len() > 1);
        options.chain(["--verbose", "--quiet", "--help"])
    }
}

/// The last of an option's names.
fn long_name(names: &str) -> &str {
    names.rsplit(' ').next().unwrap_or(names)
}

/// `-t`, `-tX`, `-t=X` and `--long=X` as the words `--long` and `X`. pico-args knows most of these
/// forms by itself, but then loses their order, their quotes and what is not UTF-8.
fn as_pair(word: OsString, names: &str) -> Vec<OsString> {
    let (short, long) = (names.split_once(", ").map(|(short, _)| short), long_name(names));
    if short.is_some_and(|short| word == short) {
        return vec![long.into()];
    }
    let after = |name: &str| word.as_bytes().strip_prefix(name.as_bytes());
    let after_short = || after(&format!("{}=", short?)).or_else(|| after(short?));
    match after(&format!("{long}=")).or_else(after_short) {
        Some(value) => vec![long.into(), OsStr::from_bytes(value).to_owned()],
        None => vec![word],
    }
}

fn parse_boolean(value: &OsStr) -> Option<bool> {
    let is = |word| value.eq_ignore_ascii_case(word);
    (is("true") || is("false")).then(|| is("true"))
}
