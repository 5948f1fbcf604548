//! Memory that is freed and used again, rather than given back: pages that are touched for the
//! first time enter the kernel, each of them.
#![allow(unsafe_code, reason = "settings of the C library's allocator")]

/// Makes this process keep what it frees for what it allocates next. For work that allocates the
/// same sizes again and again, as training does: between pieces of different sizes the allocator
/// loses memory, so that runs, which promise how much they take, do without it. Other C libraries
/// than glibc are left as they are.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: both calls only change numbers that later allocations look at; a value that is
    // refused leaves the allocator as it was.
    unsafe {
        // Nothing from maps of its own, which would go back when it is freed; and the heap's end
        // is never cut off.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_whole_when_it_is_used_again() {
        keep_freed();
        for len in [1_usize << 23, 1 << 22, 3 << 21] {
            let mut list = vec![0_u64; len];
            assert!(list.iter().all(|v| *v == 0), "zeros, whatever was there");
            list.fill(u64::MAX);
        }
    }
}
