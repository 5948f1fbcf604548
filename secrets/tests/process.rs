//! What the system says of a process that holds secrets. One test, since all of it is the state of
//! the whole process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use beaa_secrets::{Locked, forbid_core_dumps, lock_limit};
use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};

/// The number behind a field of /proc/self/status, in the base that the field has.
fn status(field: &str, base: u32) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap();
    u64::from_str_radix(line.split_whitespace().next().unwrap(), base).unwrap()
}

/// Whether limits on locked memory do not count (CAP_IPC_LOCK).
fn may_lock_everything() -> bool {
    status("CapEff:", 16) >> 14 & 1 == 1
}

#[test]
fn secrets_are_locked_as_far_as_the_limit_allows_and_never_dumped() {
    let before = status("VmLck:", 10);
    let large = Locked::<u64>::zeroed(4096);
    let expected = may_lock_everything() || lock_limit().is_none_or(|limit| limit >= 1024 * before + 32_768);
    assert_eq!(large.is_locked(), expected, "with a limit of {:?}", lock_limit());
    assert_eq!(status("VmLck:", 10) - before, if expected { 32 } else { 0 });
    drop(large);
    assert_eq!(status("VmLck:", 10), before);

    // A neighbour is not unlocked with the one beside it.
    let [one, other] = [1_u8, 2].map(|n| Locked::collect(1, std::iter::once(n)));
    let both = status("VmLck:", 10);
    drop(one);
    let page = if other.is_locked() { 4 } else { 0 };
    assert_eq!(status("VmLck:", 10), both - page);
    assert_eq!(*other, [2]);
    drop(other);

    let maximum = getrlimit(Resource::Memlock).maximum;
    setrlimit(Resource::Memlock, Rlimit { current: Some(0), maximum }).unwrap();
    let refused = Locked::collect(100, 0_u64..100);
    assert_eq!(refused.is_locked(), may_lock_everything(), "that it cannot be locked is no error");
    assert!(refused.iter().copied().eq(0..100));

    forbid_core_dumps().unwrap();
    let core = getrlimit(Resource::Core);
    assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}
