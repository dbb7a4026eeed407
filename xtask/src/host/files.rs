//! Reading and writing files whole.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::host::terminal;
use crate::text::diagnostic::{Rejected, Source};

/// Reads a text file; errors call it `name`.
pub(crate) fn read_text(path: &Path, name: &str) -> anyhow::Result<String> {
    let bytes = read_bytes(path, name)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let source = Source::new(name, String::from_utf8_lossy(error.as_bytes()));
        Rejected::from(source.error(at, "not UTF-8 text")).into()
    })
}

/// Reads a file that need not be text.
///
/// # Errors
///
/// Rejects a file that does not exist, is no regular file or is too large (exit code 2).
pub(crate) fn read_bytes(path: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    const MAX_MIB: u64 = 16;
    let mut bytes = Vec::new();
    let file = open_regular(path, name)?;
    file.take((MAX_MIB << 20) + 1).read_to_end(&mut bytes).map_err(|it| unreadable(name, &it))?;
    if MAX_MIB << 20 < bytes.len() as u64 {
        bail!(Rejected::new(format!("`{name}` is larger than {MAX_MIB} MiB")));
    }
    Ok(bytes)
}

/// Opens a file that ends: a pipe may block for ever, and `/dev/zero` never ends.
fn open_regular(path: &Path, name: &str) -> anyhow::Result<File> {
    // Opening a pipe for reading would wait for a writer.
    let mut options = File::options();
    let file = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| unreadable(name, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(name, &error))?;
    if metadata.is_dir() {
        bail!(Rejected::new(format!("`{name}` is a directory, expected a file")));
    }
    if !metadata.is_file() {
        bail!(Rejected::new(format!("`{name}` is not a regular file")));
    }
    Ok(file)
}

/// Reads a text file that need not exist.
pub(crate) fn read_text_if_exists(path: &Path, name: &str) -> anyhow::Result<Option<String>> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        _ => read_text(path, name).map(Some),
    }
}

/// A path without links; what does not exist of it stays as it is written.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let exists = |above: &&Path| fs::symlink_metadata(above).is_ok();
    let existing = path.ancestors().find(exists).unwrap_or(path);
    let missing = path.strip_prefix(existing).unwrap_or(Path::new(""));
    let resolved = fs::canonicalize(existing).unwrap_or_else(|_| existing.to_path_buf());
    // `join` ends a path with a slash if nothing is missing; as that of a file it would not exist.
    resolved.join(missing).components().collect()
}

/// Replaces a file's content: written beside it, then renamed over it, so that a reader and a
/// sudden end see either the old or the new content. The permissions stay; a link is followed.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    stream_atomically(path, &|out| Ok(out.write_all(content)?))
}

/// Writes the content of a file.
type Writer<'a> = &'a dyn Fn(&mut dyn Write) -> anyhow::Result<()>;

/// As [`write_atomically`], for content that is too large to be held in memory.
pub(crate) fn stream_atomically(path: &Path, write: Writer<'_>) -> anyhow::Result<()> {
    let target = link_target(path).unwrap_or_else(|| path.to_path_buf());
    // A rename over `/dev/null` or a pipe would replace it.
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let special = File::options().write(true).open(&target)?;
        let mut special = BufWriter::new(special);
        return write(&mut special).and_then(|()| Ok(special.flush()?));
    }
    let written = Beside::write(target, false, write).and_then(Beside::commit);
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

/// What a symbolic link leads to, without links, whether or not that exists. `None` for anything else.
pub(crate) fn link_target(path: &Path) -> Option<PathBuf> {
    let to = fs::read_link(path).ok()?;
    Some(resolved(&path.parent()?.join(to)))
}

/// The new content of a file, beside it until it takes its place.
struct Beside {
    path: PathBuf,
    target: PathBuf,
}

impl Beside {
    /// The permissions of the old file stay, except that a program can be executed.
    fn write(target: PathBuf, is_program: bool, write: Writer<'_>) -> anyhow::Result<Beside> {
        let name = target.file_name().unwrap_or_default();
        let prefix = format!(".{}.", name.to_string_lossy());
        remove_orphans(target.parent().unwrap_or(Path::new("")), &prefix, ".new");
        let path = target.with_file_name(format!("{prefix}{}.new", std::process::id()));
        let beside = Beside { path, target };
        let mut file = BufWriter::new(File::create(&beside.path)?);
        write(&mut file)?;
        file.flush()?;
        if let Ok(metadata) = fs::metadata(&beside.target) {
            fs::set_permissions(&beside.path, metadata.permissions())?;
            // Root in a container must not take over the file of the user who owns the mount.
            let _ =
                std::os::unix::fs::chown(&beside.path, Some(metadata.uid()), Some(metadata.gid()));
        }
        if is_program {
            fs::set_permissions(&beside.path, fs::Permissions::from_mode(0o755))?;
        }
        file.get_ref().sync_all()?;
        Ok(beside)
    }

    fn commit(self) -> anyhow::Result<()> {
        Ok(fs::rename(&self.path, &self.target)?)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After a rename there is none; a partial file is of no use.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what killed processes of ours have left in a directory: files and directories that have
/// the process's id between `prefix` and `suffix`. What cannot be removed is left to the next run.
pub(crate) fn remove_orphans(dir: &Path, prefix: &str, suffix: &str) {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|it| it.strip_prefix(prefix)?.strip_suffix(suffix));
        let Some(id) = id.and_then(|id| id.parse().ok()) else { continue };
        if kill(Pid::from_raw(id), None) == Err(Errno::ESRCH) {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = entry.path();
            let _ = if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

/// A file and what it becomes.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// Relative to the root, or absolute.
    pub(crate) name: String,
    pub(crate) content: String,
    pub(crate) is_program: bool,
}

/// Replaces or makes several files with the directories above them: every one is written beside its
/// place before the first takes it. A failure leaves all of them as they were.
///
/// # Errors
///
/// Rejects files and directories that are read-only (exit code 2). Fails if one cannot be written
/// (exit code 75).
pub(crate) fn replace_all(root: &Path, files: &[Replacement]) -> anyhow::Result<()> {
    let is_read_only = |file: &&Replacement| {
        let path = root.join(&file.name);
        let existing = path.ancestors().find_map(|path| fs::metadata(path).ok());
        existing.is_some_and(|it| it.permissions().readonly())
    };
    let read_only: Vec<String> =
        files.iter().filter(is_read_only).map(|file| format!("`{}`", file.name)).collect();
    if !read_only.is_empty() {
        bail!(Rejected::new(format!("cannot write {}: read-only", read_only.join(", "))));
    }
    let mut new_dirs = Vec::new();
    let mut write = |file: &Replacement| {
        let path = root.join(&file.name);
        let dir = path.parent().unwrap_or(root);
        new_dirs.extend(dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_path_buf));
        create_dir(dir)?;
        let target = link_target(&path).unwrap_or(path);
        Beside::write(target, file.is_program, &|out| Ok(out.write_all(file.content.as_bytes())?))
            .with_context(|| format!("cannot write `{}`", file.name))
    };
    let written: anyhow::Result<Vec<Beside>> = files.iter().map(&mut write).collect();
    let committed = written.and_then(commit_all);
    if committed.is_err() {
        new_dirs.sort();
        for dir in new_dirs.iter().rev() {
            // One that is not empty is not only ours.
            let _ = fs::remove_dir(dir);
        }
    }
    committed
}

/// Has every file take its place. If one cannot, those before it get their old content back.
fn commit_all(files: Vec<Beside>) -> anyhow::Result<()> {
    let mut replaced: Vec<(PathBuf, Option<Vec<u8>>)> = Vec::new();
    for file in files {
        let target = file.target.clone();
        let old = fs::read(&target).ok();
        if let Err(error) = file.commit() {
            for (target, old) in replaced {
                let _ = match old {
                    Some(old) => write_atomically(&target, &old),
                    None => fs::remove_file(&target).map_err(Into::into),
                };
            }
            return Err(error.context(format!("cannot write `{}`", target.display())));
        }
        replaced.push((target, old));
    }
    Ok(())
}

/// Adds to the end of a file, which is created if need be.
pub(crate) fn append(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let written = open_to_append(path)?.write_all(content);
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

/// Checks before any work that a result can be written to a file.
///
/// # Errors
///
/// Rejects a directory, and a file whose directory does not exist (exit code 2).
pub(crate) fn check_destination(path: &Path, name: &str) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!(Rejected::new(format!("`{name}` is a directory, expected a file")));
    }
    if !path.parent().is_some_and(Path::is_dir) {
        bail!(Rejected::new(format!("the directory of `{name}` does not exist")));
    }
    Ok(())
}

/// Whether a file has the content that `write` writes. Neither is held in memory.
pub(crate) fn has_content(path: &Path, name: &str, write: Writer<'_>) -> anyhow::Result<bool> {
    let file = open_regular(path, name)?;
    let mut comparison = Comparison { file: BufReader::new(file), is_equal: true };
    write(&mut comparison)?;
    let rest = comparison.file.fill_buf().map_err(|error| unreadable(name, &error))?;
    Ok(rest.is_empty() && comparison.is_equal)
}

/// A writer that compares what it gets with a file.
struct Comparison {
    file: BufReader<File>,
    is_equal: bool,
}

impl Write for Comparison {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut there = Vec::new();
        self.file.by_ref().take(bytes.len() as u64).read_to_end(&mut there)?;
        self.is_equal &= there == bytes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The user and the group that a file belongs to.
pub(crate) fn owner(path: &Path) -> Option<(u32, u32)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.uid(), metadata.gid()))
}

/// The time since a file was written, if it is known.
pub(crate) fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

fn unreadable(name: &str, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => Rejected::new(format!("`{name}` does not exist")).into(),
        _ => anyhow!("cannot read `{name}`: {error}"),
    }
}

/// Creates a directory and its parents.
pub(crate) fn create_dir(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create `{}`", path.display()))
}

/// Removes a directory and its contents, if it exists.
pub(crate) fn remove_dir(path: &Path) -> anyhow::Result<()> {
    let removed = if_exists(fs::remove_dir_all(path));
    removed.with_context(|| format!("cannot remove `{}`", path.display()))
}

/// Renames a file or directory, if it exists.
pub(crate) fn rename_if_exists(from: &Path, to: &Path) -> anyhow::Result<()> {
    let renamed = if_exists(fs::rename(from, to));
    renamed.with_context(|| format!("cannot rename `{}` to `{}`", from.display(), to.display()))
}

fn if_exists(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Whether a path is a plain file and no link to one.
pub(crate) fn is_plain_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Whether a path is a file that may be executed.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A program in the directories of a `PATH` variable.
pub(crate) fn find_program(path: &OsStr, name: &OsStr) -> Option<PathBuf> {
    let mut candidates = std::env::split_paths(path).map(|dir| dir.join(name));
    candidates.find(|candidate| is_executable(candidate))
}

/// Copies a file over another.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = fs::copy(from, to).map(drop);
    copied.with_context(|| format!("cannot copy `{}` to `{}`", from.display(), to.display()))
}

/// Removes a file, if it exists.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = if_exists(fs::remove_file(path));
    removed.with_context(|| format!("cannot remove `{}`", path.display()))
}

/// Locks a file, which is created if need be; `None` if another process holds the lock.
pub(crate) fn try_lock(path: &Path) -> anyhow::Result<Option<Lock>> {
    let file = open_to_append(path)?;
    Ok(file.try_lock().is_ok().then_some(file))
}

/// A lock on a file, held until it is dropped or the process ends, however it ends.
pub(crate) type Lock = File;

/// Locks a file, which is created if it is missing. If another process holds the lock, notes that
/// this one waits, and waits.
pub(crate) fn lock(path: &Path, note: &str) -> anyhow::Result<Lock> {
    let file = open_to_append(path)?;
    if file.try_lock().is_err() {
        terminal::note(note);
        file.lock().with_context(|| format!("cannot lock `{}`", path.display()))?;
    }
    Ok(file)
}

fn open_to_append(path: &Path) -> anyhow::Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("cannot create `{}`", path.display()))
}
