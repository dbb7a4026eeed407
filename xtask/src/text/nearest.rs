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

/// The candidate closest to `word`, if one is close enough to be worth suggesting: at most a third
/// of the word's letters differ, and always at least one edit is allowed.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A word of thousands of letters is no typo, and the comparison is quadratic.
    if word.len() > 200 {
        return None;
    }
    let lowercase = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (edits_between(&lowercase, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= (word.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The candidate that `word` is a slip of: one edit away, or two where the candidate is long enough
/// that two edits do not make another word of it. Narrower than [`nearest`], for words that may
/// well be somebody else's.
pub(crate) fn slip_of<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LONG_NAME_CHARS: usize = 6;
    if word.len() > 100 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (edits_between(word, candidate), candidate))
        .filter(|(edits, candidate)| {
            *edits <= if candidate.len() < LONG_NAME_CHARS { 1 } else { 2 }
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// `, did you mean `x`?` for the nearest candidate, if one is near.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    let name = nearest(word, candidates);
    name.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

/// As [`did_you_mean`], or the list of all candidates if none is near and there are few.
pub(crate) fn hint(word: &str, candidates: &[&str]) -> String {
    let near = did_you_mean(word, candidates.iter().copied());
    if !near.is_empty() || candidates.is_empty() || candidates.len() > 24 {
        return near;
    }
    let names: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
    format!(", expected {}", one_of(&names))
}

/// The value of that name among `choices`, or why there is none: `what` says what they are.
pub(crate) fn choose<T: Copy>(what: &str, name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let choice = choices.iter().find(|(known, _)| *known == name);
    choice.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(known, _)| *known).collect();
        format!("unknown {what} `{name}`{}", hint(name, &names))
    })
}

fn one_of(names: &[String]) -> String {
    match names {
        [only] => only.clone(),
        [first @ .., last] => format!("one of {} or {last}", first.join(", ")),
        [] => String::new(),
    }
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
