//! The threads, file descriptors and memory that this process uses.

use std::collections::BTreeMap;
use std::fs;

/// Counts the threads by name and the file descriptors by kind. Empty if the system has no `/proc`.
pub(crate) fn resources_in_use() -> BTreeMap<String, usize> {
    let mut resources = BTreeMap::new();
    let mut count = |what: String| *resources.entry(what).or_default() += 1;
    // Ignores threads and descriptors that disappear during the count.
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten() {
        let name = thread.map(|thread| fs::read_to_string(thread.path().join("comm")));
        if let Ok(Ok(name)) = name {
            count(format!("thread {}", name.trim_end()));
        }
    }
    for descriptor in fs::read_dir("/proc/self/fd").into_iter().flatten() {
        let link = descriptor.map(|descriptor| fs::read_link(descriptor.path()));
        if let Ok(Ok(link)) = link {
            // Such as `socket:[12345]` and `anon_inode:[eventpoll]`.
            let link = link.to_string_lossy().into_owned();
            count(match link.split_once(":[") {
                Some((kind, _)) if kind != "anon_inode" => kind.to_owned(),
                _ => link,
            });
        }
    }
    resources
}

/// Waits until no count is larger than before.
pub(crate) fn wait_for_no_more_than(before: &BTreeMap<String, usize>, what: &str) {
    let more = |(name, count): (&String, &usize)| *count > *before.get(name).unwrap_or(&0);
    let mut now = BTreeMap::new();
    let settled = crate::holds_in_time(|| {
        now = resources_in_use();
        !now.iter().any(more)
    });
    assert!(settled, "{what}: before {before:#?}, now {now:#?}");
}

/// The resident memory of this process in KiB; 0 if the system does not report it.
pub(crate) fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
