//! What the system may do with the memory of this process when it dies.

/// Forbids core dumps of this process for the rest of its life, since they would hold its keys:
/// sets the limit on their size (`RLIMIT_CORE`) to 0, which holds for its children, too, and on
/// Linux clears its `dumpable` attribute. The latter also holds where dumps go to a program, and
/// keeps other processes of the same user from reading its memory; debuggers can no longer attach.
///
/// # Errors
/// When the system does not allow it.
#[cfg(unix)]
pub fn forbid_core_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Systems without core dumps have nothing to forbid.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn forbid_core_dumps() -> std::io::Result<()> {
    Ok(())
}
