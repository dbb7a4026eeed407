//! Pure. What Buildkite's interpolation refuses. It reads every string of an upload, and one that it
//! refuses sinks the whole upload without a word about the test.

use crate::text::fields::Field;
use crate::text::json::Kind;
use crate::text::shell;

/// Reports every string of a value, keys included, that has an expansion which Buildkite refuses.
pub(crate) fn check(field: Field<'_>) {
    let Field { source, found, .. } = field;
    match &field.node.kind {
        Kind::Array(items) => {
            for item in items {
                check(Field::of(item, source, found));
            }
        }
        Kind::Object(entries) => {
            for entry in entries {
                if let Some((_, message)) = problem(&entry.key) {
                    found.push(source.error(entry.key_offset, message));
                }
                check(Field::of(&entry.value, source, found));
            }
        }
        Kind::Scalar(_) => {
            if let Some((at, message)) = field.node.as_str().and_then(problem) {
                field.error_in_text(at, message);
            }
        }
    }
}

fn problem(text: &str) -> Option<(usize, String)> {
    const SHOWN_CHARS: usize = 24;
    let at = shell::refused_expansion(text)?;
    let rest = &text[at..];
    let end = rest.find('}').map_or(rest.len(), |end| end + 1);
    let shown: String = rest[..end].chars().take(SHOWN_CHARS).collect();
    let message = format!(
        "Buildkite refuses to expand `{shown}`: write `$$` for a dollar that the shell is to see"
    );
    Some((at, message))
}
