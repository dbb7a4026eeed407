//! Pure. The report about the commits of a branch, and the command that repairs them.

use crate::commit_format::history::{Commit, CommitStatus};
use crate::commit_format::message;
use crate::commit_format::message::{Finding, Violation};
use crate::text::sanitize::visible;

/// The findings about a branch.
#[derive(Debug)]
pub(crate) struct CommitReport<'a> {
    /// For messages: `origin/main`.
    base: &'a str,
    /// Oldest first.
    commits: Vec<(&'a Commit, CommitStatus, Vec<Finding>)>,
}

impl<'a> CommitReport<'a> {
    /// Checks the messages. `commits` are the branch's own, oldest first.
    pub(crate) fn new(base: &'a str, commits: Vec<(&'a Commit, CommitStatus)>) -> CommitReport<'a> {
        let check = |(commit, status): (&'a Commit, CommitStatus)| {
            let is_checked = status == CommitStatus::Checked;
            let findings = is_checked.then(|| message::check(&commit.message));
            (commit, status, findings.unwrap_or_default())
        };
        CommitReport { base, commits: commits.into_iter().map(check).collect() }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failing().next().is_some()
    }

    /// Every finding, a summary and the repair.
    pub(crate) fn render(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for (commit, _, findings) in self.commits.iter().filter(|(_, _, it)| !it.is_empty()) {
            let author = visible(&commit.author_name);
            lines.push(format!("{} {} ({author})", commit.short_id, title(commit)));
            lines.extend(describe(findings));
        }
        lines.push(self.summary());
        if let Some(command) = self.repair() {
            lines.push(format!("help: to repair them, run:\n  {command}"));
        }
        lines.join("\n") + "\n"
    }

    fn failing(&self) -> impl Iterator<Item = (&'a Commit, &Vec<Finding>)> {
        let commits = self.commits.iter().map(|(commit, _, findings)| (*commit, findings));
        commits.filter(|(_, findings)| findings.iter().any(|it| !it.violation.is_warning()))
    }

    fn summary(&self) -> String {
        let count = |wanted| self.commits.iter().filter(|(_, status, _)| *status == wanted).count();
        let base = self.base;
        let checked = count(CommitStatus::Checked);
        let failed = self.failing().count();
        let text = match failed {
            _ if checked == 0 => format!("there are no commits to check since {base}"),
            0 => format!("{} since {base} checked, none failed", commits(checked)),
            failed => format!("{failed} of {} since {base} failed", commits(checked)),
        };
        let left_out = [
            (count(CommitStatus::Merge), "merge", "merges"),
            (count(CommitStatus::Bot), "by a bot", "by bots"),
            (count(CommitStatus::Imported), "imported", "imported"),
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
    /// wrong. It starts at the oldest of them, so that earlier commits keep their ids.
    fn repair(&self) -> Option<String> {
        let failing: Vec<(&Commit, &Vec<Finding>)> = self.failing().collect();
        let oldest = failing.first()?.0;
        let later = self.commits.iter().skip_while(|(commit, ..)| commit.id != oldest.id);
        let has_merges = later.clone().any(|(_, status, _)| *status == CommitStatus::Merge);
        let violations = failing.iter().flat_map(|(_, findings)| *findings).map(|it| it.violation);
        let mut errors = violations.filter(|violation| !violation.is_warning());
        // With merges it would also sign, and so change, the merged commits.
        if !has_merges && errors.all(|violation| violation == Violation::NoSignOff) {
            return Some(format!("git rebase --signoff {}~1", oldest.short_id));
        }
        let ids: Vec<&str> = failing.iter().map(|(commit, _)| commit.short_id.as_str()).collect();
        let merges = if has_merges { " --rebase-merges" } else { "" };
        // `rebase.abbreviateCommands` turns `pick` into `p`; `-i` without a suffix is GNU sed's only.
        Some(format!(
            "GIT_SEQUENCE_EDITOR=\"sed -i.bak -E 's/^p(ick)? ({})/reword \\2/'\" git rebase -i{merges} {}~1",
            ids.join("|"),
            oldest.short_id
        ))
    }
}

/// Two lines for each finding about a message: what is wrong, and the repair.
pub(crate) fn describe(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings.iter().flat_map(|Finding { line, violation, fact }| {
        let severity = if violation.is_warning() { "warning" } else { "error" };
        let (rule, help) = violation.rule();
        [
            format!("  line {line}: {severity}: {} [{rule}]", visible(fact)),
            format!("    help: {help}"),
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
    fn check(commits: &[(CommitStatus, &str, &str)], want: &Expect) {
        let commits: Vec<(CommitStatus, Commit)> =
            commits.iter().map(|(status, id, message)| (*status, commit(id, message))).collect();
        let judged = commits.iter().map(|(status, commit)| (commit, *status)).collect();
        want.assert_eq(&CommitReport::new("origin/main", judged).render());
    }

    const GOOD: &str = "T\n\nSigned-off-by: A <a@b>\n";

    #[test]
    fn control_characters_are_replaced() {
        check(
            &[(CommitStatus::Checked, "aa", &format!("T\u{7}{}", "x".repeat(80)))],
            &expect![[r#"
                aa T�xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... (Tess�[31m)
                  line 1: error: the title has 82 characters, the limit is 60 [title-length]
                    help: shorten it and move the details to the body
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    help: end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                1 of 1 commit since origin/main failed
                help: to repair them, run:
                  GIT_SEQUENCE_EDITOR="sed -i.bak -E 's/^p(ick)? (aa)/reword \2/'" git rebase -i aa~1
            "#]],
        );
    }

    #[test]
    fn missing_sign_offs_alone_are_added_by_one_command() {
        check(
            &[
                (CommitStatus::Checked, "aa", GOOD),
                (CommitStatus::Checked, "bb", "T"),
                (CommitStatus::Bot, "cc", "T"),
                (CommitStatus::Checked, "dd", "T"),
            ],
            &expect![[r"
                bb T (Tess�[31m)
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    help: end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                dd T (Tess�[31m)
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    help: end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                2 of 3 commits since origin/main failed; left out: 1 by a bot
                help: to repair them, run:
                  git rebase --signoff bb~1
            "]],
        );
    }

    #[test]
    fn merges_stay_merges_and_merged_commits_are_not_signed() {
        check(
            &[
                (CommitStatus::Merge, "aa", ""),
                (CommitStatus::Checked, "bb", "T"),
                (CommitStatus::Imported, "cc", ""),
                (CommitStatus::Merge, "dd", ""),
            ],
            &expect![[r#"
                bb T (Tess�[31m)
                  line 1: error: there is no `Signed-off-by:` line [sign-off]
                    help: end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
                1 of 1 commit since origin/main failed; left out: 2 merges, 1 imported
                help: to repair them, run:
                  GIT_SEQUENCE_EDITOR="sed -i.bak -E 's/^p(ick)? (bb)/reword \2/'" git rebase -i --rebase-merges bb~1
            "#]],
        );
    }

    #[test]
    fn a_warning_does_not_fail_and_needs_no_repair() {
        let wide = format!("T\n\n{}\n\nSigned-off-by: A <a@b>\n", "wide line ".repeat(9));
        check(
            &[(CommitStatus::Checked, "aa", &wide)],
            &expect![[r"
                aa T (Tess�[31m)
                  line 3: warning: the line has 89 characters, more than 75 [body-width]
                    help: wrap the text
                1 commit since origin/main checked, none failed
            "]],
        );
        check(
            &[],
            &expect![[r"
                there are no commits to check since origin/main
            "]],
        );
    }
}
