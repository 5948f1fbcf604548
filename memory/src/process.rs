//! What this process takes, as the kernel tells in /proc.

/// Largest resident size in bytes since the start or the last [`reset_peak`]; none where the system
/// does not tell.
pub fn peak() -> Option<u64> {
    kibibytes(&status()?, "VmHWM:")
}

/// Starts measuring anew; whether the system could do that.
pub fn reset_peak() -> bool {
    // Documented in proc(5): 5 resets the peak resident set size to the current value.
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Bytes of address space in use.
pub(crate) fn address_space() -> Option<u64> {
    kibibytes(&status()?, "VmSize:")
}

fn status() -> Option<String> {
    std::fs::read_to_string("/proc/self/status").ok()
}

/// The number behind `field` in a file of lines like `MemFree: 12 kB`, in bytes.
pub(crate) fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_line() {
        let status = "Name:\tbeaa\nVmHWM:\t    2048 kB\nThreads:\t1\n";
        assert_eq!(kibibytes(status, "VmHWM:"), Some(2048 * 1024));
        assert_eq!(kibibytes("Name:\tbeaa\n", "VmHWM:"), None);
        assert_eq!(kibibytes("MemFree: 1 kB\nMemAvailable:       2 kB\n", "MemAvailable:"), Some(2048));
        assert_eq!(kibibytes("VmHWM:\t99999999999999999999 kB", "VmHWM:"), None);
    }
}
