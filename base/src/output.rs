//! Writing files, the same for every output: a file is whole under its name or not there. What is
//! no regular file (a device, a FIFO) is written through and never replaced; of a symbolic link the
//! target is written. Modes follow the user's mask, a file that is replaced keeps its mode, and a
//! secret is its owner's alone.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use crate::input::is_descriptor;
pub use crate::temporary::is_temporary;
use crate::temporary::{Temporary, live};
use crate::{Error, Result};

/// Symbolic links that are followed, one after the other, at most.
const MAX_LINKS: usize = 40;
const WRITING: &str = "writing";

/// How much depends on an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// It can be made again.
    Result,
    /// A user is told to keep it: it is on the disk when it appears.
    Kept,
    /// It is kept, and for its owner alone.
    Secret,
}

/// An output that is being written.
pub struct OutputFile {
    /// As the user calls it, for messages.
    path: PathBuf,
    care: Care,
    sink: Sink,
}

enum Sink {
    Temporary {
        file: Temporary,
        target: PathBuf,
    },
    /// What goes into a device or a FIFO once it is whole; it has no name.
    Through {
        whole: File,
    },
}

impl OutputFile {
    /// Begins to write `path`; its folder exists.
    ///
    /// # Errors
    /// [`Error::Unfit`] if a folder is there; [`Error::Io`] if nothing can be written there.
    pub fn create(path: &Path, care: Care) -> Result<Self> {
        let io = Error::io(WRITING, path);
        let sink = match resolve(path)? {
            Destination::Through => Sink::Through { whole: tempfile::tempfile().map_err(io)? },
            Destination::File(target) => {
                let file = Temporary::new(folder_of(&target), care == Care::Secret).map_err(io)?;
                Sink::Temporary { file, target }
            }
        };
        Ok(Self { path: path.to_path_buf(), care, sink })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`] if the last bytes cannot be written or the file cannot be renamed.
    pub fn commit(self) -> Result<()> {
        commit_all(vec![self])
    }

    /// The file with what is written so far, for who writes in another order than from the first
    /// byte to the last.
    pub fn file(&self) -> &File {
        match &self.sink {
            Sink::Temporary { file, .. } => file.file(),
            Sink::Through { whole } => whole,
        }
    }

    /// All that may fail before the file gets its name.
    fn settle(&self) -> std::io::Result<()> {
        let (file, target) = match &self.sink {
            Sink::Temporary { file, target } => (file, target),
            Sink::Through { whole } => return pour(whole, &self.path),
        };
        if self.care != Care::Secret
            && let Ok(before) = std::fs::metadata(target)
        {
            file.file().set_permissions(before.permissions())?;
        }
        if self.care == Care::Result { Ok(()) } else { file.file().sync_all() }
    }
}

/// Writes all of a file into the device or FIFO at `path`.
fn pour(mut whole: &File, path: &Path) -> std::io::Result<()> {
    whole.rewind()?;
    let mut into = OpenOptions::new().write(true).open(path)?;
    std::io::copy(&mut whole, &mut into)?;
    into.flush()
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file().flush()
    }
}

/// Gives all files their names, or none if one of them cannot be completed. An interruption comes
/// before the first or after the last.
///
/// # Errors
/// As [`OutputFile::commit`].
pub fn commit_all(files: Vec<OutputFile>) -> Result<()> {
    for file in &files {
        file.settle().map_err(Error::io(WRITING, &file.path))?;
    }
    let mut folders = BTreeSet::new();
    let mut live = live();
    for OutputFile { path, care, sink } in files {
        let Sink::Temporary { file, target } = sink else { continue };
        file.persist(&mut live, &target).map_err(Error::io(WRITING, &path))?;
        if care != Care::Result {
            folders.insert(folder_of(&target).to_path_buf());
        }
    }
    drop(live);
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// Writes a whole file.
///
/// # Errors
/// As [`OutputFile::create`] and [`OutputFile::commit`].
pub fn write(path: &Path, bytes: &[u8], care: Care) -> Result<()> {
    let mut file = OutputFile::create(path, care)?;
    file.write_all(bytes).map_err(Error::io(WRITING, path))?;
    file.commit()
}

/// Makes sure that names in a folder survive a failure of power.
///
/// # Errors
/// [`Error::Io`] if the system cannot do it.
pub fn sync_folder(folder: &Path) -> Result<()> {
    // Only there can a folder be opened.
    #[cfg(unix)]
    File::open(folder).and_then(|f| f.sync_all()).map_err(Error::io("writing into folder", folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Holds back all outputs of this process.
pub struct Abandoned {
    _live: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// Removes the temporary files of this process, for whoever ends it at once. Waits until outputs
/// that just appear are there; while the value is held, no other appears.
pub fn abandon() -> Abandoned {
    let live = live();
    for path in live.iter() {
        let _ = std::fs::remove_file(path);
    }
    Abandoned { _live: live }
}

/// Where an output goes.
pub(crate) enum Destination {
    /// Into what is there.
    Through,
    /// To this regular file, which may not exist.
    File(PathBuf),
}

/// Finds where writing to `path` leads.
///
/// # Errors
/// [`Error::Unfit`] for a folder, [`Error::Io`] for links that lead nowhere.
pub(crate) fn resolve(path: &Path) -> Result<Destination> {
    // A name that ends like a folder's is none of a file.
    let text = path.as_os_str().as_encoded_bytes();
    if text.is_empty() || text.ends_with(b"/") {
        return Err(Error::is_folder(WRITING, path));
    }
    match std::fs::metadata(path) {
        Ok(m) if m.is_dir() => return Err(Error::is_folder(WRITING, path)),
        Ok(m) if !m.is_file() || is_descriptor(path) => return Ok(Destination::Through),
        _ => {}
    }
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&target) {
            Ok(link) => target = folder_of(&target).join(link),
            Err(_) => return Ok(Destination::File(target)),
        }
    }
    Err(Error::io(WRITING, path)(std::io::Error::other("symbolic links that lead in a circle")))
}

/// The folder that holds a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut file = OutputFile::create(&path, Care::Kept).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&path, b"whole", Care::Kept).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_and_its_target_is_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for (link, to) in [("link", "sub/target"), ("dangling", "sub/other")] {
            let link = folder.path().join(link);
            symlink(to, &link).unwrap();
            write(&link, b"new", Care::Result).unwrap();
            assert!(link.is_symlink());
            assert_eq!(std::fs::read(folder.path().join(to)).unwrap(), b"new");
        }
        symlink("circle", folder.path().join("circle")).unwrap();
        assert!(write(&folder.path().join("circle"), b"", Care::Result).unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn devices_and_fifos_are_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let null = folder.path().join("null");
        symlink("/dev/null", &null).unwrap();
        write(&null, b"gone", Care::Secret).unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file() && null.is_symlink());
        let fifo = folder.path().join("fifo");
        let all = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, all, 0).unwrap();
        let reader = std::thread::spawn({
            let fifo = fifo.clone();
            move || std::fs::read(fifo).unwrap()
        });
        write(&fifo, b"through", Care::Kept).unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        let error = write(folder.path(), b"", Care::Result).unwrap_err().to_string();
        assert!(error.contains("found a folder, expected a file"), "{error}");
        assert!(write(&folder.path().join("new/"), b"", Care::Result).is_err());
        assert!(write(Path::new(""), b"", Care::Result).is_err());
    }

    #[test]
    fn modes_are_kept_and_secrets_private() {
        let folder = tempfile::tempdir().unwrap();
        let [public, secret] = ["public", "secret"].map(|name| folder.path().join(name));
        for path in [&public, &secret] {
            write(path, b"1", Care::Result).unwrap();
        }
        std::fs::set_permissions(&public, std::fs::Permissions::from_mode(0o640)).unwrap();
        write(&public, b"2", Care::Kept).unwrap();
        write(&secret, b"2", Care::Secret).unwrap();
        assert_eq!((mode(&public), mode(&secret)), (0o640, 0o600));
    }

    #[test]
    fn several_files_appear_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| OutputFile::create(&folder.path().join(name), Care::Kept).unwrap();
        commit_all(vec![of("a"), of("b")]).unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names(), 2);
        let waiting = [of("c"), of("d")];
        drop(waiting);
        assert_eq!(names(), 2);
    }
}
