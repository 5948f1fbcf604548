//! The peak of resident memory, where the system tells.

/// Largest resident size in bytes since the start or the last [`reset_peak`].
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    peak_in(&status)
}

/// Starts measuring anew; whether the system could do that.
pub fn reset_peak() -> bool {
    // Documented in proc(5): 5 resets the peak resident set size to the current value.
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Bytes that the system could still give to a process without swapping.
pub fn available() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    kibibytes(&info, "MemAvailable:")
}

fn peak_in(status: &str) -> Option<u64> {
    kibibytes(status, "VmHWM:")
}

fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_line() {
        assert_eq!(peak_in("Name:\tbeaa\nVmHWM:\t    2048 kB\nThreads:\t1\n"), Some(2048 * 1024));
        assert_eq!(peak_in("Name:\tbeaa\n"), None);
        assert_eq!(kibibytes("MemFree: 1 kB\nMemAvailable:       2 kB\n", "MemAvailable:"), Some(2048));
        assert_eq!(peak_in("VmHWM:\t99999999999999999999 kB"), None);
    }
}
