//! Effects that capabilities share: processes, files, git, cargo, the terminal.

pub(crate) mod cargo;
pub(crate) mod directories;
pub(crate) mod files;
pub(crate) mod git;
pub(crate) mod process;
pub(crate) mod supervision;
pub(crate) mod terminal;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a panicking thread was about to note is missing, and nothing else.
pub(crate) fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
