//! Pure. `Cargo.lock`: how the crates of a workspace come to a dependency.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::text::toml;
use crate::text::toml::Value;

/// The packages of a lock file and what they depend on.
#[derive(Debug, Default)]
pub(crate) struct LockFile {
    packages: Vec<Package>,
    /// Indices of the packages of a name.
    by_name: HashMap<String, Vec<usize>>,
}

#[derive(Debug, Default)]
struct Package {
    name: String,
    version: String,
    /// Whether it comes from a registry or a repository; those of the workspace do not.
    is_foreign: bool,
    /// `name`, `name version` or `name version (source)`: as much as is needed to be unambiguous.
    dependencies: Vec<String>,
}

impl LockFile {
    /// Reads the file; the error is the line that is not understood.
    pub(crate) fn parse(text: &str) -> Result<LockFile, usize> {
        let mut packages: Vec<Package> = Vec::new();
        let mut table = 0;
        for entry in toml::entries(text)? {
            let [kind, key] = entry.path.as_slice() else { continue };
            if kind != "package" {
                continue;
            }
            if entry.table != table {
                table = entry.table;
                packages.push(Package::default());
            }
            let Some(package) = packages.last_mut() else { continue };
            match (key.as_str(), entry.value) {
                ("name", Value::Text(name)) => package.name = name,
                ("version", Value::Text(version)) => package.version = version,
                ("source", _) => package.is_foreign = true,
                ("dependencies", Value::List(items)) => {
                    let words = items.iter().filter_map(Value::as_text);
                    package.dependencies = words.map(str::to_owned).collect();
                }
                _ => (),
            }
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, package) in packages.iter().enumerate() {
            by_name.entry(package.name.clone()).or_default().push(index);
        }
        Ok(LockFile { packages, by_name })
    }

    /// The shortest way from a crate of the workspace to a package, both ends included. Of several
    /// the first in the file's order; none if the file does not have the package.
    pub(crate) fn path_to(&self, name: &str, version: &str) -> Option<Vec<String>> {
        let roots = (0..self.packages.len()).filter(|index| !self.packages[*index].is_foreign);
        let mut queue: VecDeque<usize> = roots.collect();
        let mut seen: HashSet<usize> = queue.iter().copied().collect();
        let mut reached_from: HashMap<usize, usize> = HashMap::new();
        while let Some(index) = queue.pop_front() {
            let package = &self.packages[index];
            if package.name == name && package.version == version {
                return Some(self.names_to(index, &reached_from));
            }
            for dependency in &package.dependencies {
                let next = self.resolve(dependency).filter(|next| seen.insert(*next));
                if let Some(next) = next {
                    reached_from.insert(next, index);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn resolve(&self, dependency: &str) -> Option<usize> {
        let mut words = dependency.split(' ');
        let candidates = self.by_name.get(words.next()?)?;
        let version = words.next();
        let matches = |index: &&usize| {
            version.is_none_or(|version| self.packages[**index].version == version)
        };
        candidates.iter().find(matches).copied()
    }

    fn names_to(&self, mut index: usize, reached_from: &HashMap<usize, usize>) -> Vec<String> {
        let mut names = vec![self.packages[index].name.clone()];
        while let Some(previous) = reached_from.get(&index) {
            index = *previous;
            names.push(self.packages[index].name.clone());
        }
        names.reverse();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "direct"
version = "1.0.0"
source = "registry+https://example.com"
dependencies = [
 "deep 0.1.0",
]

[[package]]
name = "deep"
version = "0.1.0"
source = "registry+https://example.com"

[[package]]
name = "deep"
version = "0.2.0"
source = "registry+https://example.com"

[[package]]
name = "device"
version = "0.1.0"
dependencies = [
 "direct",
 "lonely 9.9.9",
]

[[package]]
name = "vmm"
version = "0.1.0"
dependencies = [
 "deep 0.2.0 (registry+https://example.com)",
 "device",
]

[metadata]
x = "y"
"#;

    #[test]
    fn the_shortest_way_to_the_right_version_is_found() {
        let lock = LockFile::parse(LOCK).unwrap();
        let path = |name, version| lock.path_to(name, version).map(|names| names.join(" > "));
        assert_eq!(path("deep", "0.1.0").unwrap(), "device > direct > deep");
        assert_eq!(path("deep", "0.2.0").unwrap(), "vmm > deep");
        assert_eq!(path("vmm", "0.1.0").unwrap(), "vmm");
        assert_eq!(path("deep", "0.3.0"), None);
    }

    #[test]
    fn a_circle_ends() {
        // Development dependencies may depend on their dependent.
        let text = "[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\"b\"]\n\
                    [[package]]\nname = \"b\"\nversion = \"1\"\nsource = \"x\"\ndependencies = [\"a\"]\n";
        assert_eq!(LockFile::parse(text).unwrap().path_to("c", "1"), None);
    }

    #[test]
    fn what_is_no_lock_file_names_its_line() {
        assert_eq!(LockFile::parse("[[package]]\n<<<<<<< HEAD\n").err(), Some(2));
    }
}
