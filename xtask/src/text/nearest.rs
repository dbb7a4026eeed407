//! Pure. The valid name that was most likely meant.

/// How many single-character edits (insert, delete, replace, swap two neighbours) lead from one
/// word to the other.
///
/// This is the "optimal string alignment" distance: a swap counts once, because it is the most
/// common slip of all.
pub(crate) fn edits_between(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=other.len()).collect();
    for (row, &from) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &to) in other.iter().enumerate() {
            let replaced = previous[column] + usize::from(from != to);
            let mut edits = replaced.min(previous[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && from == other[column - 1] && one[row - 1] == to;
            if swapped {
                edits = edits.min(before_previous[column - 1] + 1);
            }
            current.push(edits);
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous[other.len()]
}

/// The candidate closest to `word`, or the one that has the closest beginning, if it is close enough
/// to be worth suggesting: at most a third of the letters differ. Of two letters any would do.
fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // A word of thousands of letters is no typo, and the comparison is quadratic.
    if word.len() > 200 {
        return None;
    }
    let lowercase = word.to_lowercase();
    candidates
        .iter()
        .copied()
        .flat_map(|candidate| beginnings(candidate).map(move |beginning| (beginning, candidate)))
        .filter_map(|(beginning, candidate)| {
            let edits = edits_between(&lowercase, &beginning.to_lowercase());
            let limit = word.len().max(beginning.len()) / 3;
            let left_out = candidate.len() - beginning.len();
            (edits <= limit).then_some((edits, left_out, candidate))
        })
        .min_by_key(|(edits, left_out, _)| (*edits, *left_out))
        .map(|(.., candidate)| candidate)
}

/// The whole name, and what comes before a separator in it: `unittests` of `unittests-gnu`.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices(['-', '_']).map(|(at, _)| at).filter(|&at| at > 2);
    ends.chain([name.len()]).map(|end| &name[..end])
}

/// Whether `word` is a slip of a candidate: one edit away, or two where the candidate is long enough
/// that two edits do not make another word of it. Narrower than [`nearest`], for words that may
/// well be another program's.
pub(crate) fn is_slip(word: &str, candidates: &[&str]) -> bool {
    const LONG_NAME_CHARS: usize = 6;
    let limit = |candidate: &str| if candidate.len() < LONG_NAME_CHARS { 1 } else { 2 };
    let is_near = |candidate: &&str| edits_between(word, candidate) <= limit(candidate);
    word.len() <= 100 && candidates.iter().any(is_near)
}

/// `, did you mean `x`?` for the nearest candidate, if one is near.
pub(crate) fn did_you_mean(word: &str, candidates: &[&str]) -> String {
    let name = nearest(word, candidates);
    name.map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

/// As [`did_you_mean`], or the list of all candidates if none is near and there are few.
pub(crate) fn hint(word: &str, candidates: &[&str]) -> String {
    let near = did_you_mean(word, candidates);
    let names: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => near,
        _ if !near.is_empty() || names.len() > 24 => near,
        [only] => format!(", expected {only}"),
        [first @ .., last] => format!(", expected one of {} or {last}", first.join(", ")),
    }
}

/// The value of that name among `choices`, or why there is none: `what` says what they are.
pub(crate) fn choose<T: Copy>(what: &str, name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let choice = choices.iter().find(|(known, _)| *known == name);
    choice.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(known, _)| *known).collect();
        format!("unknown {what} `{name}`{}", hint(name, &names))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(edits_between("queue", "qeuue"), 1);
        assert_eq!(edits_between("style", "style"), 0);
        assert_eq!(edits_between("", "abc"), 3);
        assert_eq!(edits_between("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        assert_eq!(hint("stlye", &["style", "clippy"]), ", did you mean `style`?");
        assert_eq!(hint("X86_64", &["x86_64", "aarch64"]), ", did you mean `x86_64`?");
    }

    #[test]
    fn a_beginning_of_a_name_counts_and_the_whole_name_comes_first() {
        let names = ["unittests-gnu", "unittests-musl", "style"];
        assert_eq!(nearest("unitests", &names), Some("unittests-gnu"));
        assert_eq!(nearest("unittests", &names), Some("unittests-gnu"));
        assert_eq!(nearest("build", &["build-gnu", "built"]), Some("build-gnu"));
        assert_eq!(nearest("built", &["build-gnu", "built"]), Some("built"));
        assert_eq!(nearest("tests-gnu", &["unit-gnu"]), None);
    }

    #[test]
    fn a_name_of_two_letters_has_no_neighbours() {
        assert_eq!(nearest("-v", &["-t", "--verbose"]), None);
        assert_eq!(nearest("cl", &["ci"]), None);
        assert_eq!(nearest("cii", &["ci"]), Some("ci"));
    }

    #[test]
    fn without_a_near_name_the_few_valid_ones_are_listed() {
        assert_eq!(hint("xen", &["kvm", "mshv"]), ", expected one of `kvm` or `mshv`");
        assert_eq!(hint("anything", &[]), "");
    }

    #[test]
    fn a_name_is_one_of_the_choices() {
        let choices = [("kvm", 1), ("mshv", 2)];
        assert_eq!(choose("hypervisor", "mshv", &choices), Ok(2));
        assert_eq!(
            choose("hypervisor", "kwm", &choices).unwrap_err(),
            "unknown hypervisor `kwm`, did you mean `kvm`?"
        );
    }
}
