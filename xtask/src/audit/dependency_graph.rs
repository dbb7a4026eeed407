//! Pure. `Cargo.lock`: how the workspace depends on a package.

use std::collections::{HashMap, HashSet, VecDeque};

/// The packages of a lock file and their dependencies.
#[derive(Debug, Default)]
pub(crate) struct DependencyGraph {
    packages: Vec<Package>,
    /// Indices of the packages of a name.
    by_name: HashMap<String, Vec<usize>>,
}

#[derive(Debug, Default)]
struct Package {
    name: String,
    version: String,
    /// Whether it comes from a registry or a repository; members of the workspace do not.
    is_foreign: bool,
    /// `name`, `name version` or `name version (source)`: as much as is needed to be unambiguous.
    dependencies: Vec<String>,
}

impl DependencyGraph {
    /// Reads the file line by line, in the only layout that cargo writes.
    pub(crate) fn parse(text: &str) -> DependencyGraph {
        let mut packages: Vec<Package> = Vec::new();
        let mut in_package = false;
        for line in text.lines() {
            if line.starts_with('[') {
                in_package = line == "[[package]]";
                packages.extend(in_package.then(Package::default));
                continue;
            }
            let Some(package) = packages.last_mut().filter(|_| in_package) else { continue };
            let value = line.split('"').nth(1).unwrap_or_default().to_owned();
            match line.split_once(" = ") {
                Some(("name", _)) => package.name = value,
                Some(("version", _)) => package.version = value,
                Some(("source", _)) => package.is_foreign = true,
                None if line.starts_with(" \"") => package.dependencies.push(value),
                _ => (),
            }
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, package) in packages.iter().enumerate() {
            by_name.entry(package.name.clone()).or_default().push(index);
        }
        DependencyGraph { packages, by_name }
    }

    /// The names on the shortest path from a member of the workspace to a package, both included; of
    /// several the first in the order of the file.
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
    fn the_shortest_path_to_the_right_version_is_found() {
        let graph = DependencyGraph::parse(LOCK);
        let path = |name, version| graph.path_to(name, version).map(|names| names.join(" > "));
        assert_eq!(path("deep", "0.1.0").unwrap(), "device > direct > deep");
        assert_eq!(path("deep", "0.2.0").unwrap(), "vmm > deep");
        assert_eq!(path("vmm", "0.1.0").unwrap(), "vmm");
        assert_eq!(path("deep", "0.3.0"), None);
    }

    #[test]
    fn a_cycle_ends() {
        // Development dependencies may depend on their dependent.
        let text = "[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b\",\n]\n\
                    [[package]]\nname = \"b\"\nversion = \"1\"\nsource = \"x\"\n\
                    dependencies = [\n \"a\",\n]\n";
        assert_eq!(DependencyGraph::parse(text).path_to("c", "1"), None);
        assert_eq!(DependencyGraph::parse(text).path_to("b", "1").unwrap(), ["a", "b"]);
    }
}
