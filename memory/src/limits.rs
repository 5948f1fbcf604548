//! How much memory this process may still take, by everything that limits it: the user, the
//! machine, its control groups and its address space.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::{address_space, kibibytes};

/// What the user allows; all ones for no limit. It is one for the whole process, as the threads of
/// the pool are.
static ALLOWED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Sets the bytes that one piece of work of this process may take, in place of what the machine has
/// available. Limits that the system enforces hold all the same.
pub fn limit(bytes: u64) {
    ALLOWED.store(bytes, Ordering::Relaxed);
}

/// What limits memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitedBy {
    /// [`limit`].
    User,
    /// What the machine could give without swapping.
    Machine,
    /// A control group, as containers have.
    ControlGroup,
    /// The limit on the address space, `ulimit -v`.
    AddressSpace,
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "the limit that was set",
            Self::Machine => "what the machine has available",
            Self::ControlGroup => "what the control group of this process has left",
            Self::AddressSpace => "what `ulimit -v` leaves of the address space",
        })
    }
}

/// So many bytes, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The bytes.
    pub bytes: u64,
    /// What limits them.
    pub by: LimitedBy,
}

impl Limit {
    /// The tightest limit on memory of this process's own; none where nothing is known.
    pub fn resident() -> Option<Self> {
        let user = Some(ALLOWED.load(Ordering::Relaxed)).filter(|bytes| *bytes != u64::MAX);
        let first = match user {
            Some(bytes) => Some(Self { bytes, by: LimitedBy::User }),
            None => available().map(|bytes| Self { bytes, by: LimitedBy::Machine }),
        };
        let group = groups_left(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
        let group = group.map(|bytes| Self { bytes, by: LimitedBy::ControlGroup });
        first.into_iter().chain(group).min_by_key(|l| l.bytes)
    }

    /// The limit on addresses, which files mapped into memory take too; none where there is none.
    pub fn addresses() -> Option<Self> {
        let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
        let bytes = address_limit(&limits)?.saturating_sub(address_space()?);
        Some(Self { bytes, by: LimitedBy::AddressSpace })
    }
}

/// Bytes that the machine could still give to a process without swapping.
fn available() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// The soft limit in the table of /proc/self/limits; none if unlimited.
fn address_limit(table: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The least that the control groups of a process leave, from its list of groups and where their
/// hierarchy is mounted; none without a limit.
fn groups_left(list: &Path, mounted: &Path) -> Option<u64> {
    let list = std::fs::read_to_string(list).ok()?;
    let folders = list.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let version_1 = controllers.split(',').any(|c| c == "memory");
        let root = if version_1 { mounted.join("memory") } else { mounted.to_owned() };
        (version_1 || controllers.is_empty()).then(|| with_parents(&root, path))
    });
    folders.flatten().filter_map(|folder| group_left(&folder)).min()
}

/// The folder of a group and those above it, up to the root of the hierarchy.
fn with_parents(root: &Path, path: &str) -> Vec<PathBuf> {
    let folder = root.join(path.trim_start_matches('/'));
    folder.ancestors().take_while(|a| a.starts_with(root)).map(Path::to_owned).collect()
}

/// What one group leaves; cached files do not count, the kernel drops them first.
fn group_left(folder: &Path) -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let (most, usage) = match number("memory.max") {
        Some(most) => (most, "memory.current"),
        None => (number("memory.limit_in_bytes")?, "memory.usage_in_bytes"),
    };
    // Version 1 says "no limit" by a number near 2^63.
    if most >= 1 << 62 {
        return None;
    }
    let used = number(usage)?;
    let statistics = std::fs::read_to_string(folder.join("memory.stat")).ok();
    let field = |names: [&str; 2]| {
        let of = |line: &str, name| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<u64>().ok();
        statistics.as_ref()?.lines().find_map(|line| names.into_iter().find_map(|name| of(line, name)))
    };
    // A group's own fields include its children in version 2; in version 1 the totals do.
    let cached = [["total_inactive_file", "inactive_file"], ["total_active_file", "active_file"]];
    let cached: u64 = cached.into_iter().filter_map(field).sum();
    Some(most.saturating_sub(used.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(folder).unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    }

    #[test]
    fn the_tightest_group_counts_and_cached_files_do_not() {
        let mounted = tempfile::tempdir().unwrap();
        let root = mounted.path();
        let list = root.join("list");
        std::fs::write(&list, "0::/outer/inner\n").unwrap();
        assert_eq!(groups_left(&list, root), None, "no group at all");
        write(&root.join("outer/inner"), &[("memory.max", "max\n"), ("memory.current", "10\n")]);
        assert_eq!(groups_left(&list, root), None, "no limit");
        let outer = [
            ("memory.max", "1000\n"),
            ("memory.current", "700\n"),
            ("memory.stat", "anon 500\ninactive_file 150\nactive_file 50\n"),
        ];
        write(&root.join("outer"), &outer);
        assert_eq!(groups_left(&list, root), Some(500));
        write(&root.join("outer/inner"), &[("memory.max", "300\n"), ("memory.current", "10\n")]);
        assert_eq!(groups_left(&list, root), Some(290));
    }

    #[test]
    fn groups_of_version_1_are_read() {
        let mounted = tempfile::tempdir().unwrap();
        let root = mounted.path();
        let list = root.join("list");
        std::fs::write(&list, "4:cpu,cpuacct:/x\n3:memory:/x\n").unwrap();
        let files = [
            ("memory.limit_in_bytes", "1000\n"),
            ("memory.usage_in_bytes", "400\n"),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 100\ntotal_active_file 0\n"),
        ];
        write(&root.join("memory/x"), &files);
        assert!(groups_left(&list, root).is_some_and(|left| (600..=700).contains(&left)));
        write(&root.join("memory/x"), &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        assert_eq!(groups_left(&list, root), None);
    }

    #[test]
    fn the_limit_of_the_address_space_is_found() {
        let table = "Limit      Soft Limit    Hard Limit   Units\nMax address space     4096     unlimited     bytes\n";
        assert_eq!(address_limit(table), Some(4096));
        assert_eq!(address_limit("Max address space         unlimited            unlimited            bytes\n"), None);
        if cfg!(target_os = "linux") {
            assert!(available().is_some_and(|bytes| bytes > 1 << 20));
        }
    }
}
