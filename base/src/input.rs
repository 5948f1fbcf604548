//! Reading what people hand in. A file is a regular file; only the standard input and other open
//! descriptors (`/dev/stdin`, `/dev/fd/3`) may be pipes. Nothing is read beyond a limit, so that
//! neither a FIFO without a writer nor an endless device can keep a command for ever.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// Bytes of a text that a person writes, at most.
pub const TEXT_LIMIT: u64 = 1 << 26;

/// Opens a regular file. `operation` starts messages, for example "reading".
///
/// # Errors
/// [`Error::Unfit`] if a folder, a FIFO, a device or a socket is there; [`Error::Io`] if there is
/// nothing, or it cannot be opened.
pub fn open(operation: &'static str, path: &Path) -> Result<File> {
    // Looked at before, since opening a device may already do something.
    check(operation, path, &std::fs::metadata(path).map_err(Error::io(operation, path))?)?;
    let file = without_waiting().read(true).open(path).map_err(Error::io(operation, path))?;
    check(operation, path, &file.metadata().map_err(Error::io(operation, path))?)?;
    Ok(file)
}

/// Opens a regular file or what comes from a descriptor, which may be a pipe.
///
/// # Errors
/// As [`open`].
pub fn open_or_descriptor(operation: &'static str, path: &Path) -> Result<File> {
    if !is_descriptor(path) {
        return open(operation, path);
    }
    let file = File::open(path).map_err(Error::io(operation, path))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Error::is_folder(operation, path));
    }
    Ok(file)
}

/// Reads a whole regular file, or what comes from a descriptor, of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and [`Error::Unfit`] if there is more.
pub fn read(operation: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = open_or_descriptor(operation, path)?;
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(Error::io(operation, path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Unfit {
            operation,
            path: path.to_path_buf(),
            found: format!("more than {limit} bytes"),
            expected: "a file of that size at most".to_owned(),
            remedy: "check that it is the right file",
        });
    }
    Ok(bytes)
}

/// Refuses a secret, called `what`, that others than its owner can read or write, as ssh does: only
/// where the owner is who runs this, since nobody else could mend it. Pipes are nobody's.
///
/// # Errors
/// [`Error::Unfit`] with the command that mends it.
#[cfg(unix)]
pub fn check_private(operation: &'static str, what: &str, path: &Path, file: &File) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(Error::io(operation, path))?;
    let foreign = rustix::process::geteuid().as_raw() != metadata.uid();
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 || foreign || !metadata.is_file() {
        return Ok(());
    }
    Err(Error::Unfit {
        operation,
        path: path.to_path_buf(),
        found: format!("{what} with mode {mode:04o}, which others than its owner can use"),
        expected: "mode 0600".to_owned(),
        remedy: "run `chmod 600` on it; make a new one if somebody may have read it",
    })
}

/// Systems without modes have nothing to check.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn check_private(_: &'static str, _: &str, _: &Path, _: &File) -> Result<()> {
    Ok(())
}

/// Whether a path names an open descriptor, such as the standard input.
pub(crate) fn is_descriptor(path: &Path) -> bool {
    let named = ["/dev/stdin", "/dev/stdout", "/dev/stderr"].iter().any(|name| path == Path::new(name));
    named || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

/// What a file is that is neither regular nor a folder.
pub(crate) fn special(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    let _ = kind;
    "something that is no regular file"
}

fn check(operation: &'static str, path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.is_dir() {
        return Err(Error::is_folder(operation, path));
    }
    if metadata.is_file() {
        return Ok(());
    }
    Err(Error::Unfit {
        operation,
        path: path.to_path_buf(),
        found: special(metadata.file_type()).to_owned(),
        expected: "a regular file".to_owned(),
        remedy: "write it to a file first and give that one",
    })
}

/// A FIFO that takes the place of the file meanwhile does not wait for a writer.
fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_missing_files_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = read("reading", folder.path(), 10).unwrap_err().to_string();
        assert!(error.contains("found a folder, expected a file"), "{error}");
        assert!(matches!(read("reading", &folder.path().join("x"), 10), Err(Error::Io { .. })));
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read("reading", &path, 5).unwrap(), b"12345");
        assert!(read("reading", &path, 4).unwrap_err().to_string().contains("more than 4 bytes"));
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_fifos_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        for (path, found) in [(fifo.as_path(), "a FIFO"), (Path::new("/dev/zero"), "a device")] {
            let error = read("reading", path, 10).unwrap_err().to_string();
            assert!(error.contains(found) && error.contains("expected a regular file"), "{error}");
        }
        assert!(is_descriptor(Path::new("/dev/stdin")) && !is_descriptor(Path::new("/dev/zero")));
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        check_private("reading key", "a secret key", file.path(), file.as_file()).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            let error =
                check_private("reading key", "a secret key", file.path(), file.as_file()).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }
}
