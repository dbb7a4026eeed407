//! Pure. Versions of LLVM among the names of programs.

/// The numbers of `llvm-cov-N`, newest first.
pub(crate) fn numbers(names: impl IntoIterator<Item = String>) -> Vec<u32> {
    let number = |name: String| name.strip_prefix("llvm-cov-")?.parse().ok();
    let mut numbers: Vec<u32> = names.into_iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.reverse();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_9_is_older_than_19() {
        let names = ["llvm-cov-9", "ls", "llvm-cov", "llvm-cov-19", "llvm-cov-19", "llvm-cov-x"];
        assert_eq!(numbers(names.map(str::to_owned)), [19, 9]);
    }
}
