//! Pure. The last activity of each owner in `CODEOWNERS`, from the history of a clone.
//!
//! The file has GitHub handles; git has names and e-mail addresses. A wrong match is worse than none,
//! so an owner may stay unmatched.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::text::diagnostic::Source;
use crate::text::sanitize;
use crate::text::table::{Align, Columns};

/// Where GitHub looks for the file, in this order.
pub(crate) const FILES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// An owner and where the file mentions it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// As it is written: `@name`, `@organisation/team` or an e-mail address.
    pub(crate) name: String,
    pub(crate) line: usize,
}

/// Returns the owners in the file, without duplicates.
pub(crate) fn owners(file: &Source) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.starts_with('#') {
            continue;
        }
        // The first word is the pattern.
        for word in line.split_whitespace().skip(1).filter(|word| word.contains('@')) {
            if !owners.iter().any(|owner| owner.name.eq_ignore_ascii_case(word)) {
                owners.push(Owner { name: word.to_owned(), line: number + 1 });
            }
        }
    }
    owners
}

/// What git is asked to print for each commit: fields end with 0x01, values of trailers with 0x02.
pub(crate) const LOG_FORMAT: &str = "%H%x01%P%x01%ct%x01%cs%x01%s%x01%aN <%aE>%x01%cN <%cE>%x01\
    %(trailers:key=Co-authored-by,valueonly,separator=%x02)%x01\
    %(trailers:key=Reviewed-by,valueonly,separator=%x02)%x01\
    %(trailers:key=Signed-off-by,valueonly,separator=%x02)";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    name: String,
    email: String,
}

/// One commit, review or sign-off of a person.
#[derive(Clone, Debug)]
struct Activity {
    person: usize,
    /// Seconds since 1970.
    at: i64,
    date: String,
    kind: &'static str,
}

/// The people in a history, and what they did.
#[derive(Debug, Default)]
pub(crate) struct History {
    people: Vec<Person>,
    known: HashMap<String, usize>,
    activities: Vec<Activity>,
    /// From "Merge pull request #1 from HANDLE/branch": the handle and the tip of that branch.
    branches: Vec<(String, String)>,
    author_of: HashMap<String, usize>,
}

impl History {
    /// Reads the output of `git log -z` in [`LOG_FORMAT`].
    pub(crate) fn parse(log: &[u8]) -> History {
        let mut history = History::default();
        for record in log.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
            history.read(&String::from_utf8_lossy(record));
        }
        history
    }

    fn read(&mut self, record: &str) -> Option<()> {
        let fields: Vec<&str> = record.split('\x01').collect();
        let [id, parents, at, date, subject, author, committer, coauthors, reviews, signed] =
            fields.as_slice()
        else {
            return None;
        };
        let at: i64 = at.parse().ok()?;
        let trailers = |kind, values: &'_ str| -> Vec<(&'static str, String)> {
            values.split('\x02').map(|value| (kind, value.to_owned())).collect()
        };
        let mut lines = vec![("commit", (*author).to_owned()), ("commit", (*committer).to_owned())];
        lines.extend(trailers("commit", coauthors));
        lines.extend(trailers("review", reviews));
        lines.extend(trailers("sign-off", signed));
        for (position, (kind, text)) in lines.iter().enumerate() {
            let Some(person) = self.person(text) else { continue };
            if position == 0 {
                self.author_of.insert((*id).to_owned(), person);
            }
            self.activities.push(Activity { person, at, date: (*date).to_owned(), kind });
        }
        let branch =
            subject.strip_prefix("Merge pull request #").and_then(|rest| rest.split_once(" from "));
        if let (Some((_, branch)), Some(tip)) = (branch, parents.split(' ').nth(1))
            && let Some((name, _)) = branch.split_once('/')
        {
            self.branches.push((name.to_lowercase(), tip.to_owned()));
        }
        Some(())
    }

    /// The number of a person who is written as `Name <address>`.
    fn person(&mut self, text: &str) -> Option<usize> {
        let (name, rest) = text.rsplit_once('<')?;
        let person = Person {
            name: name.trim().to_owned(),
            email: rest.split('>').next()?.trim().to_lowercase(),
        };
        // The committer of what is merged on github.com.
        if person.email == "noreply@github.com" || person.email.is_empty() {
            return None;
        }
        let key = format!("{}\n{}", person.name, person.email);
        let next = self.people.len();
        let number = *self.known.entry(key).or_insert(next);
        if number == next {
            self.people.push(person);
        }
        Some(number)
    }

    /// Every identity of an owner.
    fn people_of(&self, owner: &str) -> Vec<usize> {
        let all = |is_one: &dyn Fn(&Person) -> bool| -> Vec<usize> {
            (0..self.people.len()).filter(|index| is_one(&self.people[*index])).collect()
        };
        let Some(handle) = owner.strip_prefix('@') else {
            return self.with_aliases(all(&|person| person.email.eq_ignore_ascii_case(owner)));
        };
        let handle = handle.to_lowercase();
        let mut people = all(&|person| is_sure(person, &handle));
        people.extend(self.author_of_branches(&handle));
        if people.is_empty() {
            let guesses = all(&|person| is_likely(person, &handle));
            let mut names: Vec<String> =
                guesses.iter().map(|index| joined(&words(&self.people[*index].name))).collect();
            names.sort_unstable();
            names.dedup();
            // Of two people with fitting names neither is taken.
            if names.len() == 1 {
                people = guesses;
            }
        }
        self.with_aliases(people)
    }

    /// The author of most of the branches that were merged from a fork.
    fn author_of_branches(&self, handle: &str) -> Option<usize> {
        let tips = self.branches.iter().filter(|(name, _)| name == handle);
        let authors: Vec<usize> =
            tips.filter_map(|(_, tip)| self.author_of.get(tip).copied()).collect();
        let count = |author: &usize| authors.iter().filter(|it| *it == author).count();
        let most = authors.iter().copied().max_by_key(count)?;
        (count(&most) * 2 > authors.len()).then_some(most)
    }

    /// Adds the identities that share a name or an address with one of these.
    fn with_aliases(&self, mut people: Vec<usize>) -> Vec<usize> {
        loop {
            let is_alias = |index: &usize| {
                let one = &self.people[*index];
                let is_same = |other: &usize| {
                    let other = &self.people[*other];
                    other.email == one.email
                        || (one.name.contains(' ') && other.name.eq_ignore_ascii_case(&one.name))
                };
                !people.contains(index) && people.iter().any(is_same)
            };
            let more: Vec<usize> = (0..self.people.len()).filter(is_alias).collect();
            if more.is_empty() {
                return people;
            }
            people.extend(more);
        }
    }

    fn last_activity(&self, people: &[usize]) -> Option<&Activity> {
        let own = self.activities.iter().filter(|activity| people.contains(&activity.person));
        own.max_by_key(|activity| activity.at)
    }
}

/// Whether an address or the whole name matches a handle.
fn is_sure(person: &Person, handle: &str) -> bool {
    let Some((local, domain)) = person.email.split_once('@') else { return false };
    if domain == "users.noreply.github.com" {
        return local.split_once('+').map_or(local, |(_, name)| name) == handle;
    }
    let handle = joined(&words(handle));
    let name = words(&person.name);
    let reversed: Vec<String> = name.iter().rev().cloned().collect();
    // A short local part such as `git` or `me` identifies nobody.
    (handle.len() > 3 && joined(&words(local)) == handle)
        || joined(&name) == handle
        || joined(&reversed) == handle
}

/// Whether a handle is built from a name: initial and surname, surname and initial, or the surname.
fn is_likely(person: &Person, handle: &str) -> bool {
    let handle = joined(&words(handle));
    let name = words(&person.name);
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return false };
    if name.len() < 2 || handle.len() < 4 {
        return false;
    }
    let initial = |word: &String| word.chars().next().map(String::from).unwrap_or_default();
    let made = [
        format!("{}{last}", initial(first)),
        format!("{last}{}", initial(first)),
        format!("{first}{}", initial(last)),
        last.clone(),
    ];
    made.contains(&handle)
}

/// Lower-case words of letters and digits.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

fn joined(words: &[String]) -> String {
    words.concat()
}

/// The owners with their status.
#[derive(Debug)]
pub(crate) struct Report {
    months: u32,
    file: String,
    entries: Vec<(Owner, Status)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    Active(Last),
    Inactive(Last),
    Unknown,
    Team,
}

/// The last activity of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Last {
    person: String,
    kind: &'static str,
    date: String,
}

/// Judges each owner by the last activity; `since` is in seconds since 1970.
pub(crate) fn report(file: &Source, history: &History, months: u32, since: i64) -> Report {
    let status = |owner: &Owner| {
        if owner.name.starts_with('@') && owner.name.contains('/') {
            return Status::Team;
        }
        let people = history.people_of(&owner.name);
        let Some(activity) = history.last_activity(&people) else { return Status::Unknown };
        let last = Last {
            person: history.people[activity.person].name.clone(),
            kind: activity.kind,
            date: activity.date.clone(),
        };
        if activity.at < since { Status::Inactive(last) } else { Status::Active(last) }
    };
    let entries = owners(file).into_iter().map(|owner| {
        let status = status(&owner);
        (owner, status)
    });
    Report { months, file: file.name.clone(), entries: entries.collect() }
}

impl Report {
    pub(crate) fn render(&self) -> String {
        if self.entries.is_empty() {
            return format!("{} has no owners\n", self.file);
        }
        let months = if self.months == 1 { "month" } else { "months" };
        let inactive = format!("no commit, review or sign-off for {} {months}", self.months);
        let is_inactive = |status: &Status| matches!(status, Status::Inactive(_));
        let is_unknown = |status: &Status| matches!(status, Status::Unknown | Status::Team);
        let is_active = |status: &Status| matches!(status, Status::Active(_));
        self.section(&inactive, &is_inactive)
            + &self.section("not matched to any author", &is_unknown)
            + &self.section("active", &is_active)
    }

    /// The owners of some status in a table; nothing where there are none.
    fn section(&self, heading: &str, is_wanted: &dyn Fn(&Status) -> bool) -> String {
        let wanted = self.entries.iter().filter(|(_, status)| is_wanted(status));
        let rows: Vec<[String; 5]> =
            wanted.map(|(owner, status)| self.row(owner, status)).collect();
        if rows.is_empty() {
            return String::new();
        }
        let mut columns = Columns::new(&[Align::Left; 5]);
        for row in &rows {
            columns.fit(row);
        }
        rows.iter()
            .fold(format!("{heading}:\n"), |text, row| text + "  " + &columns.line(row) + "\n")
    }

    fn row(&self, owner: &Owner, status: &Status) -> [String; 5] {
        let [date, kind, person] = match status {
            Status::Active(last) | Status::Inactive(last) => {
                [&*last.date, last.kind, &*last.person]
            }
            Status::Unknown => ["", "", ""],
            Status::Team => ["", "team", ""],
        };
        let place = format!("{}:{}", self.file, owner.line);
        [&owner.name, &place, date, kind, person].map(sanitize::visible)
    }

    pub(crate) fn to_json(&self) -> Value {
        let entry = |(owner, status): &(Owner, Status)| {
            let (name, last) = match status {
                Status::Active(last) => ("active", Some(last)),
                Status::Inactive(last) => ("inactive", Some(last)),
                Status::Unknown => ("unknown", None),
                Status::Team => ("team", None),
            };
            json!({
                "owner": owner.name,
                "file": self.file,
                "line": owner.line,
                "status": name,
                "person": last.map(|last| &last.person),
                "last_activity": last.map(|last| last.kind),
                "date": last.map(|last| &last.date),
            })
        };
        let entries: Vec<Value> = self.entries.iter().map(entry).collect();
        json!({ "months": self.months, "owners": entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const DAY: i64 = 86400;

    /// Commits on the day of that number, in the words of `git log`.
    fn history(commits: &[(i64, &str, &str, &str)]) -> History {
        let record = |(day, author, subject, trailers): &(i64, &str, &str, &str)| {
            let at = day * DAY;
            format!(
                "c{day}\x01p c{}\x01{at}\x01day-{day}\x01{subject}\x01{author}\x01{author}\x01{trailers}",
                day - 1
            )
        };
        let log: Vec<String> = commits.iter().map(record).collect();
        History::parse(log.join("\0").as_bytes())
    }

    fn person(history: &History, handle: &str) -> Vec<String> {
        let people = history.people_of(handle);
        people.iter().map(|index| history.people[*index].email.clone()).collect()
    }

    #[test]
    fn owners_are_read_once_and_comments_are_not() {
        let file = Source::new("CODEOWNERS", "# @no\n* @a @B # @c\n\n/x/ @b m@e.org @org/team\n");
        let found: Vec<(String, usize)> =
            owners(&file).into_iter().map(|owner| (owner.name, owner.line)).collect();
        let wanted = [("@a", 2), ("@B", 2), ("m@e.org", 4), ("@org/team", 4)];
        assert_eq!(found, wanted.map(|(name, line)| (name.to_owned(), line)));
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
        .assert_eq(&report.render());
        let json = report.to_json();
        assert_eq!(json["owners"][1]["status"], "inactive");
        assert_eq!(json["owners"][3]["status"], "unknown");
        assert_eq!(json["owners"][4]["status"], "team");
    }
}
