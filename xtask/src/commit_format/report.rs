//! Pure. What a contributor reads about the commits of a branch: findings, and the command that
//! repairs
//! them.

use crate::commit_format::history::{Commit, Fate};
use crate::commit_format::message;
use crate::commit_format::message::{Finding, Violation};
use crate::text::sanitize::visible;

/// The findings about a branch.
#[derive(Debug)]
pub(crate) struct CommitReport<'a> {
    /// For messages: `origin/main`.
    base: &'a str,
    /// Oldest first.
    commits: Vec<(&'a Commit, Fate, Vec<Finding>)>,
}

impl<'a> CommitReport<'a> {
    /// Checks every commit whose fate it is to be checked. `commits` are the branch's own, oldest
    /// first.
    pub(crate) fn new(base: &'a str, commits: Vec<(&'a Commit, Fate)>) -> CommitReport<'a> {
        let check = |(commit, fate): (&'a Commit, Fate)| {
            let findings = match fate {
                Fate::Checked => message::check(&commit.message),
                Fate::Merge | Fate::Bot | Fate::Imported => Vec::new(),
            };
            (commit, fate, findings)
        };
        CommitReport { base, commits: commits.into_iter().map(check).collect() }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failing().next().is_some()
    }

    /// For a terminal: every finding, a summary, and how to repair what failed.
    pub(crate) fn render(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for (commit, _, findings) in self.commits.iter().filter(|(_, _, it)| !it.is_empty()) {
            let author = visible(&commit.author_name);
            lines.push(format!("{} {} ({author})", commit.short_id, title(commit)));
            lines.extend(describe(findings));
        }
        lines.push(self.summary());
        if let Some(command) = self.repair() {
            lines.push(format!("to repair what failed, run:\n  {command}"));
        }
        lines.join("\n") + "\n"
    }

    fn failing(&self) -> impl Iterator<Item = (&'a Commit, &Vec<Finding>)> {
        let commits = self.commits.iter().map(|(commit, _, findings)| (*commit, findings));
        commits.filter(|(_, findings)| findings.iter().any(|it| !it.violation.is_warning()))
    }

    fn summary(&self) -> String {
        let count = |wanted| self.commits.iter().filter(|(_, fate, _)| *fate == wanted).count();
        let base = self.base;
        if self.commits.is_empty() {
            return format!("there are no commits since {base}");
        }
        let checked = count(Fate::Checked);
        let failed = self.failing().count();
        let text = match failed {
            _ if checked == 0 => format!("there are no commits to check since {base}"),
            0 => format!("{} since {base} checked, none failed", commits(checked)),
            failed => format!("{failed} of {} since {base} failed", commits(checked)),
        };
        let left_out = [
            (count(Fate::Merge), "merge", "merges"),
            (count(Fate::Bot), "by a bot", "by bots"),
            (count(Fate::Imported), "imported", "imported"),
        ];
        let left_out = left_out
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }));
        let left_out: Vec<String> = left_out.collect();
        if left_out.is_empty() {
            text
        } else {
            format!("{text}; left out: {}", left_out.join(", "))
        }
    }

    /// One command that opens the commits that failed, or adds the sign-offs if nothing else is
    /// wrong. It starts at the oldest of them, so that the others keep their ids.
    fn repair(&self) -> Option<String> {
        let failing: Vec<(&Commit, &Vec<Finding>)> = self.failing().collect();
        let oldest = failing.first()?.0;
        let later = self.commits.iter().skip_while(|(commit, ..)| commit.id != oldest.id);
        let has_merges = later.clone().any(|(_, fate, _)| *fate == Fate::Merge);
        let errors = failing.iter().flat_map(|(_, findings)| findings.iter());
        let mut errors =
            errors.map(|finding| &finding.violation).filter(|violation| !violation.is_warning());
        // With merges it would sign, and so change, what was merged too.
        if !has_merges && errors.all(Violation::is_missing_sign_off) {
            return Some(format!("git rebase --signoff {}~1", oldest.short_id));
        }
        let ids: Vec<&str> = failing.iter().map(|(commit, _)| commit.short_id.as_str()).collect();
        let merges = if has_merges { " --rebase-merges" } else { "" };
        // `p` is what `rebase.abbreviateCommands` makes of `pick`; without a suffix `-i` would mean
        // something else to the `sed` of other systems than to GNU's.
        Some(format!(
            "GIT_SEQUENCE_EDITOR=\"sed -i.bak -E 's/^p(ick)? ({})/reword \\2/'\" git rebase -i{merges} {}~1",
            ids.join("|"),
            oldest.short_id
        ))
    }
}

/// Findings about one message: a line each, and its repair below.
pub(crate) fn describe(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings.iter().flat_map(|Finding { line, violation }| {
        let severity = if violation.is_warning() { "warning" } else { "error" };
        let fact = visible(&violation.to_string());
        let rule = violation.rule();
        [
            format!("  line {line}: {severity}: {fact} [{rule}]"),
            format!("    {}", violation.repair()),
        ]
    })
}

/// The first line of a commit's message, short enough for a terminal.
fn title(commit: &Commit) -> String {
    const SHOWN_CHARS: usize = 72;
    let message = String::from_utf8_lossy(&commit.message);
    let title = visible(message.lines().next().unwrap_or_default().trim_end());
    match title.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &title[..end]),
        None if title.is_empty() => "(no title)".to_owned(),
        None => title,
    }
}

fn commits(count: usize) -> String {
    if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn commit(short_id: &str, message: &str) -> Commit {
        Commit {
            id: format!("{short_id}000"),
            short_id: short_id.to_owned(),
            parents: Vec::new(),
            author_name: "Tess\u{1b}[31m".to_owned(),
            author_address: "t@example.com".to_owned(),
            message: message.as_bytes().to_vec(),
            is_boundary: false,
        }
    }

    #[track_caller]
    fn check(commits: &[(Fate, &str, &str)], want: &Expect) {
        let commits: Vec<(Fate, Commit)> =
            commits.iter().map(|(fate, id, message)| (*fate, commit(id, message))).collect();
        let judged = commits.iter().map(|(fate, commit)| (commit, *fate)).collect();
        want.assert_eq(&CommitReport::new("origin/main", judged).render());
    }

    const GOOD: &str = "T\n\nSigned-off-by: A <a@b>\n";

    #[test]
    fn strangers_text_drives_no_terminal() {
        check(
            &[(Fate::Checked, "aa", &format!("T\u{7}{}", "x".repeat(80)))],
            &expect![[r#"
                aa T�xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... (Tess�[31m)
                  line 1: error: the title has 82 characters, the limit is 60 [title-length]
                    shorten it and move the details to the body
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                1 of 1 commit since origin/main failed
                to repair what failed, run:
                  GIT_SEQUENCE_EDITOR="sed -i.bak -E 's/^p(ick)? (aa)/reword \2/'" git rebase -i aa~1
            "#]],
        );
    }

    #[test]
    fn missing_sign_offs_alone_are_added_by_one_command() {
        check(
            &[
                (Fate::Checked, "aa", GOOD),
                (Fate::Checked, "bb", "T"),
                (Fate::Bot, "cc", "T"),
                (Fate::Checked, "dd", "T"),
            ],
            &expect![[r"
                bb T (Tess�[31m)
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                dd T (Tess�[31m)
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                2 of 3 commits since origin/main failed; left out: 1 by a bot
                to repair what failed, run:
                  git rebase --signoff bb~1
            "]],
        );
    }

    #[test]
    fn merges_stay_merges_and_what_they_merged_is_not_signed() {
        check(
            &[
                (Fate::Merge, "aa", ""),
                (Fate::Checked, "bb", "T"),
                (Fate::Imported, "cc", ""),
                (Fate::Merge, "dd", ""),
            ],
            &expect![[r#"
                bb T (Tess�[31m)
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                1 of 1 commit since origin/main failed; left out: 2 merges, 1 imported
                to repair what failed, run:
                  GIT_SEQUENCE_EDITOR="sed -i.bak -E 's/^p(ick)? (bb)/reword \2/'" git rebase -i --rebase-merges bb~1
            "#]],
        );
    }

    #[test]
    fn a_warning_fails_nothing_and_needs_no_repair() {
        let wide = format!("T\n\n{}\n\nSigned-off-by: A <a@b>\n", "wide line ".repeat(9));
        check(
            &[(Fate::Checked, "aa", &wide)],
            &expect![[r"
                aa T (Tess�[31m)
                  line 3: warning: the line has 89 characters, more than 75 [body-width]
                    wrap the text at 75 characters
                1 commit since origin/main checked, none failed
            "]],
        );
        check(
            &[],
            &expect![[r"
                there are no commits since origin/main
            "]],
        );
    }
}
