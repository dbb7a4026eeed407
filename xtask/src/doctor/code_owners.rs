//! Pure. The last activity of each owner in `CODEOWNERS`, from the history of a clone.
//!
//! The file has GitHub handles; git has names and e-mail addresses. A wrong match is worse than none,
//! so some owners remain unmatched.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::text::diagnostic::Source;
use crate::text::sanitize;
use crate::text::style;

/// Where GitHub looks for the file, in this order.
pub(crate) const FILES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// Returns the owners in the file, as they are written (`@name`, `@organisation/team` or an e-mail
/// address), each with its first line.
fn owners(file: &Source) -> Vec<(usize, &str)> {
    let mut owners: Vec<(usize, &str)> = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let words = after_pattern(line.trim()).split_whitespace();
        let words = words.take_while(|word| !word.starts_with('#'));
        for word in words.filter(|word| word.contains('@')) {
            if !owners.iter().any(|(_, owner)| owner.eq_ignore_ascii_case(word)) {
                owners.push((number, word));
            }
        }
    }
    owners
}

/// Returns what follows the pattern, which may have escaped spaces; nothing for a comment.
fn after_pattern(line: &str) -> &str {
    let mut spaces = line.match_indices(char::is_whitespace);
    let end = spaces.find(|(at, _)| !line[..*at].ends_with('\\'));
    end.filter(|_| !line.starts_with('#')).map_or("", |(at, _)| &line[at..])
}

/// The format of a commit: fields are separated by 0x01, the values of trailers by 0x02.
pub(crate) const LOG_FORMAT: &str = "%H%x01%P%x01%at%x01%as%x01%ct%x01%cs%x01%s%x01%aN <%aE>%x01%cN <%cE>%x01\
    %(trailers:key=Co-authored-by,valueonly,separator=%x02)%x01\
    %(trailers:key=Reviewed-by,valueonly,separator=%x02)%x01\
    %(trailers:key=Signed-off-by,valueonly,separator=%x02)";

/// The people in a history, and their last activity.
#[derive(Debug, Default)]
pub(crate) struct History {
    people: BTreeMap<Person, Activity>,
    /// From "Merge pull request #1 from HANDLE/branch": the handle and the tip of that branch.
    branches: Vec<(String, String)>,
    author_of: HashMap<String, Person>,
}

/// The last commit, review or sign-off of a person.
#[derive(Clone, Debug)]
struct Activity {
    /// Seconds since 1970.
    at: i64,
    date: String,
    kind: &'static str,
}

impl History {
    /// Reads the output of `git log -z` in [`LOG_FORMAT`].
    pub(crate) fn parse(log: &[u8]) -> History {
        let mut history = History::default();
        for record in log.split(|byte| *byte == 0) {
            history.read(&String::from_utf8_lossy(record));
        }
        history
    }

    fn read(&mut self, record: &str) -> Option<()> {
        let fields: Vec<&str> = record.split('\x01').collect();
        let [id, parents, authored, authored_on, applied, applied_on, ref rest @ ..] =
            *fields.as_slice()
        else {
            return None;
        };
        let [subject, author, committer, coauthors, reviews, signed] = *rest else { return None };
        let people =
            |list: &str| list.split('\x02').filter_map(Person::parse).collect::<Vec<Person>>();
        let authors = [people(author), people(coauthors)].concat();
        let mut signers = people(signed);
        // An author's own sign-off dates from when the commit was written.
        signers.retain(|signer| !authors.iter().any(|author| author.is_same(signer)));
        let authored = (authored.parse().ok()?, authored_on);
        let applied = (applied.parse().ok()?, applied_on);
        for (people, kind, (at, date)) in [
            (authors, "commit", authored),
            (people(committer), "commit", applied),
            (people(reviews), "review", applied),
            (signers, "sign-off", applied),
        ] {
            for person in people {
                let activity = Activity { at, date: date.to_owned(), kind };
                let last = self.people.entry(person).or_insert_with(|| activity.clone());
                if last.at < at {
                    *last = activity;
                }
            }
        }
        self.author_of.extend(Person::parse(author).map(|person| (id.to_owned(), person)));
        let branch = subject.strip_prefix("Merge pull request #")?.split_once(" from ")?.1;
        let (handle, _) = branch.split_once('/')?;
        self.branches.push((handle.to_lowercase(), parents.split(' ').nth(1)?.to_owned()));
        Some(())
    }

    /// Returns every identity of an owner.
    fn people_of(&self, owner: &str) -> Vec<&Person> {
        let all = |is_one: &dyn Fn(&Person) -> bool| -> Vec<&Person> {
            self.people.keys().filter(|person| is_one(person)).collect()
        };
        let Some(handle) = owner.strip_prefix('@') else {
            return self.with_aliases(all(&|person| person.email.eq_ignore_ascii_case(owner)));
        };
        let handle = handle.to_lowercase();
        let mut people = all(&|person| person.has_handle(&handle));
        people.extend(self.author_of_branches(&handle));
        if people.is_empty() {
            people = all(&|person| person.may_have_handle(&handle));
            let names: BTreeSet<String> = people.iter().map(|it| squeezed(&it.name)).collect();
            // An ambiguous handle matches no author.
            if names.len() > 1 {
                people.clear();
            }
        }
        self.with_aliases(people)
    }

    /// Returns the author of most of the branches that were merged from a handle's fork.
    fn author_of_branches(&self, handle: &str) -> Option<&Person> {
        let tips = self.branches.iter().filter(|(name, _)| name == handle);
        let authors: Vec<&Person> = tips.filter_map(|(_, tip)| self.author_of.get(tip)).collect();
        let count = |author: &Person| authors.iter().filter(|it| **it == author).count();
        authors.iter().copied().find(|author| count(author) * 2 > authors.len())
    }

    /// Adds the identities that share a name or an address with one of these.
    fn with_aliases<'a>(&'a self, mut people: Vec<&'a Person>) -> Vec<&'a Person> {
        loop {
            let is_alias = |person: &&Person| {
                !people.contains(person) && people.iter().any(|known| known.is_same(person))
            };
            let more: Vec<&Person> = self.people.keys().filter(is_alias).collect();
            if more.is_empty() {
                return people;
            }
            people.extend(more);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Person {
    name: String,
    email: String,
}

impl Person {
    /// Reads `Name <address>`.
    fn parse(text: &str) -> Option<Person> {
        let (name, rest) = text.rsplit_once('<')?;
        let email = rest.split('>').next()?.trim().to_lowercase();
        // The committer of merges on github.com.
        let is_person = email != "noreply@github.com" && !email.is_empty();
        is_person.then(|| Person { name: name.trim().to_owned(), email })
    }

    fn is_same(&self, other: &Person) -> bool {
        self.email == other.email
            || (self.name.contains(' ') && self.name.eq_ignore_ascii_case(&other.name))
    }

    /// Whether the address or the whole name matches a handle.
    fn has_handle(&self, handle: &str) -> bool {
        let Some((local, domain)) = self.email.split_once('@') else { return false };
        if domain == "users.noreply.github.com" {
            return local.rsplit('+').next() == Some(handle);
        }
        let handle = squeezed(handle);
        let reversed: String = words(&self.name).into_iter().rev().collect();
        // A short local part such as `git` or `me` is ambiguous.
        (handle.len() > 3 && squeezed(local) == handle)
            || [squeezed(&self.name), reversed].contains(&handle)
    }

    /// Whether a handle is built from the name: initial and surname, surname and initial, or the
    /// surname.
    fn may_have_handle(&self, handle: &str) -> bool {
        let handle = squeezed(handle);
        let words = words(&self.name);
        let [first, .., last] = words.as_slice() else { return false };
        let initial = |word: &str| word.chars().take(1).collect::<String>();
        let made = [
            initial(first) + last,
            last.clone() + &initial(first),
            first.clone() + &initial(last),
            last.clone(),
        ];
        handle.len() > 3 && made.contains(&handle)
    }
}

/// Splits a text into lowercase words of letters and digits.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

/// Joins the words of a text.
fn squeezed(text: &str) -> String {
    words(text).concat()
}

/// Reports the last activity of each owner, as JSON; `since` is in seconds since 1970.
pub(crate) fn report(file: &Source, history: &History, months: u32, since: i64) -> Value {
    let entry = |(line, owner): (usize, &str)| {
        let is_team = owner.starts_with('@') && owner.contains('/');
        let people = if is_team { Vec::new() } else { history.people_of(owner) };
        let activities = people.into_iter().map(|person| (person, &history.people[person]));
        let last = activities.max_by_key(|(_, activity)| activity.at);
        let status = match last {
            Some((_, activity)) if activity.at < since => "inactive",
            Some(_) => "active",
            None if is_team => "team",
            None => "unknown",
        };
        json!({
            "owner": owner,
            "file": file.name,
            "line": line,
            "status": status,
            "person": last.map(|(person, _)| &person.name),
            "last_activity": last.map(|(_, last)| last.kind),
            "date": last.map(|(_, last)| &last.date),
        })
    };
    let owners: Vec<Value> = owners(file).into_iter().map(entry).collect();
    json!({ "months": months, "owners": owners })
}

/// Renders the report as text; `file` is the name of the file.
pub(crate) fn render(report: &Value, file: &str) -> String {
    let owners = report["owners"].as_array().map(Vec::as_slice).unwrap_or_default();
    if owners.is_empty() {
        return format!("{file} has no owners\n");
    }
    let plural = if report["months"] == 1 { "" } else { "s" };
    let inactive = format!("no commit, review or sign-off for {} month{plural}", report["months"]);
    section(owners, &inactive, &["inactive"])
        + &section(owners, "not matched to any author", &["unknown", "team"])
        + &section(owners, "active", &["active"])
}

/// Renders the owners with one of the statuses as a table; empty if there are none.
fn section(owners: &[Value], heading: &str, statuses: &[&str]) -> String {
    let is_wanted = |owner: &&Value| statuses.iter().any(|status| owner["status"] == *status);
    let rows: Vec<[String; 5]> = owners.iter().filter(is_wanted).map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let table = style::table(&rows, &[]);
    table.lines().fold(format!("{heading}:\n"), |text, line| text + "  " + line + "\n")
}

fn row(owner: &Value) -> [String; 5] {
    let text = |key: &str| sanitize::visible(owner[key].as_str().unwrap_or_default());
    let kind = text(if owner["status"] == "team" { "status" } else { "last_activity" });
    let place = format!("{}:{}", text("file"), owner["line"]);
    [text("owner"), place, text("date"), kind, text("person")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const DAY: i64 = 86400;

    /// Commits on the day of that number, as `git log` prints them.
    fn history(commits: &[(i64, &str, &str, &str)]) -> History {
        let record = |(day, author, subject, trailers): &(i64, &str, &str, &str)| {
            let at = day * DAY;
            format!(
                "c{day}\x01p c{}\x01{at}\x01day-{day}\x01{at}\x01day-{day}\x01{subject}\x01{author}\x01\
                 {author}\x01{trailers}",
                day - 1
            )
        };
        let log: Vec<String> = commits.iter().map(record).collect();
        History::parse(log.join("\0").as_bytes())
    }

    fn person(history: &History, handle: &str) -> Vec<String> {
        let people = history.people_of(handle);
        people.iter().map(|person| person.email.clone()).collect()
    }

    #[test]
    fn owners_are_read_once_and_comments_are_not() {
        let file = Source::new("CODEOWNERS", "# @no\n* @a @B # @c\n\n/x/ @b m@e.org @org/team\n");
        assert_eq!(owners(&file), [(2, "@a"), (2, "@B"), (4, "m@e.org"), (4, "@org/team")]);
        let file = Source::new("CODEOWNERS", " my\\ file@2x.png\t@bob #@c\nalone@2x.png\n#x @no\n");
        assert_eq!(owners(&file), [(1, "@bob")]);
    }

    #[test]
    fn a_handle_is_matched_by_addresses_names_and_merged_forks() {
        let none = "\x01\x01";
        let history = history(&[
            (1, "Ann Lee <12+ann-l@users.noreply.github.com>", "a", none),
            (2, "Ann Lee <ann@example.com>", "a", none),
            (3, "Stefano Verdi <sv@example.com>", "a", none),
            (4, "Bo Li <someone@example.com>", "a", none),
            (5, "M <m@example.com>", "Merge pull request #7 from bob/branch", none),
            (6, "Paolo Rossi <p@example.com>", "a", none),
            (7, "One Smith <o@example.com>", "a", none),
            (8, "Other Smith <t@example.com>", "a", none),
            (9, "X <xena@example.com>", "a", none),
            (10, "GitHub <noreply@github.com>", "a", none),
        ]);
        assert_eq!(
            person(&history, "@Ann-L"),
            ["12+ann-l@users.noreply.github.com", "ann@example.com"]
        );
        assert_eq!(person(&history, "@stefano-verdi"), ["sv@example.com"]);
        assert_eq!(person(&history, "@bob"), ["someone@example.com"]);
        assert_eq!(person(&history, "@prossi"), ["p@example.com"]);
        assert_eq!(person(&history, "@rossi"), ["p@example.com"]);
        assert_eq!(person(&history, "@smith"), Vec::<String>::new());
        assert_eq!(person(&history, "@xena"), ["xena@example.com"]);
        assert_eq!(person(&history, "sv@example.com"), ["sv@example.com"]);
        assert_eq!(person(&history, "@github"), Vec::<String>::new());
    }

    #[test]
    fn an_author_is_active_when_the_commit_was_written() {
        let people = "Ann <a@e>\x01Com <c@e>\x01Co <co@e>\x01Rev <r@e>\x01Ann <a@e>\x02Sig <s@e>";
        let record = format!("id\x01p\x0110\x01then\x0120\x01now\x01subject\x01{people}");
        let history = History::parse(record.as_bytes());
        let date = |(person, it): (&Person, &Activity)| format!("{} {}", person.name, it.date);
        let dates: Vec<String> = history.people.iter().map(date).collect();
        assert_eq!(dates, ["Ann then", "Co then", "Com now", "Rev now", "Sig now"]);
    }

    #[test]
    fn reviews_and_sign_offs_count_as_commits_do() {
        let history = history(&[
            (
                100,
                "A A <new@example.com>",
                "a",
                "\x01Rev Iew <rev@example.com>\x02Two <two@example.com>\x01Sig Ned <sig@example.com>",
            ),
            (10, "Old One <old@example.com>", "a", "\x01\x01"),
        ]);
        let file = Source::new("CODEOWNERS", "* @review @old-one @signed @nobody @o/team\n");
        let report = report(&file, &history, 2, 50 * DAY);
        expect![[r"
            no commit, review or sign-off for 2 months:
              @old-one  CODEOWNERS:1  day-10  commit  Old One
            not matched to any author:
              @nobody  CODEOWNERS:1
              @o/team  CODEOWNERS:1    team
            active:
              @review  CODEOWNERS:1  day-100  review    Rev Iew
              @signed  CODEOWNERS:1  day-100  sign-off  Sig Ned
        "]]
        .assert_eq(&render(&report, "CODEOWNERS"));
        assert_eq!(report["owners"][1]["status"], "inactive");
        assert_eq!(report["owners"][3]["status"], "unknown");
        assert_eq!(report["owners"][4]["status"], "team");
    }
}
