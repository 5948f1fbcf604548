//! What is checked before the work, so that nothing is destroyed by its result and no result is
//! lost: that no output is an input or another output, that what is replaced is of the same kind or
//! the user insists, and that it can be written at all.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use crate::output::{Care, Destination, OutputFile, folder_of, resolve};
use crate::{Error, Result, space};

/// A file that a command will write.
pub struct Planned<'a> {
    /// The option that names it.
    pub option: &'a str,
    /// Where.
    pub path: &'a Path,
    /// What it will be, as `a ciphertext file`.
    pub what: &'a str,
    /// Whether a file is of that kind, and may be replaced by another.
    pub same_kind: &'a dyn Fn(&Path) -> bool,
    /// Its size in bytes as far as it is known before.
    pub bytes: u64,
}

/// A file that a command reads, with the option that names it.
pub type Read<'a> = (&'a str, &'a Path);

/// Checks all files that a command will write, against each other, against those that it reads, and
/// against what is there. With `force`, files of any kind are replaced.
///
/// # Errors
/// [`Error::Refused`] if something would be destroyed, [`Error::Unfit`] for a folder,
/// [`Error::NoSpace`] and [`Error::Io`] if a file could not be written.
pub fn check(outputs: &[Planned<'_>], inputs: &[Read<'_>], force: bool) -> Result<()> {
    for (i, output) in outputs.iter().enumerate() {
        let others = outputs[..i].iter().map(|o| (o.option, o.path));
        for (option, path) in inputs.iter().copied().chain(others) {
            if same(output.path, path) {
                return Err(Error::Refused {
                    operation: "writing",
                    path: output.path.to_path_buf(),
                    found: format!("the same file for {option} and for {}", output.option),
                    expected: "two files".to_owned(),
                    remedy: "choose another name for one of them",
                });
            }
        }
    }
    outputs.iter().try_for_each(|output| check_one(output, force))
}

fn check_one(output: &Planned<'_>, force: bool) -> Result<()> {
    let Destination::File(target) = resolve(output.path)? else { return Ok(()) };
    let there = match std::fs::metadata(&target) {
        Ok(there) => Some(there),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        // For example a name that is too long.
        Err(e) => return Err(Error::io("writing", output.path)(e)),
    };
    // A file without contents is nobody's.
    let occupied = there.as_ref().is_some_and(|m| m.len() > 0);
    let refused = |found: String, expected: String| Error::Refused {
        operation: "writing",
        path: output.path.to_path_buf(),
        found,
        expected,
        remedy: "choose another name, or give --force to replace it",
    };
    if occupied && !force && !(output.same_kind)(&target) {
        return Err(refused(format!("a file that is not {}", output.what), format!("none, or {}", output.what)));
    }
    if there.as_ref().is_some_and(|m| m.permissions().readonly()) && !force {
        return Err(refused("a write-protected file".to_owned(), "none, or one that may be changed".to_owned()));
    }
    let folder = existing(folder_of(&target));
    if let Some(free) = space::free(folder).filter(|free| *free < output.bytes) {
        return Err(Error::NoSpace { path: output.path.to_path_buf(), needed: output.bytes, free });
    }
    if folder == folder_of(&target) {
        drop(OutputFile::create(output.path, Care::Result)?);
    } else {
        // Its folders are not made before there is something to put in.
        let trial = folder.join(format!(".beaa-{}.trial.tmp", std::process::id()));
        let created = File::create_new(&trial).map_err(Error::io("writing", output.path))?;
        drop(created);
        std::fs::remove_file(&trial).map_err(Error::io("writing", output.path))?;
    }
    Ok(())
}

/// Whether two paths lead to one regular file, however they are spelled; it may not exist yet.
pub fn same(a: &Path, b: &Path) -> bool {
    let special = |path: &Path| std::fs::metadata(path).is_ok_and(|m| !m.is_file());
    if special(a) || special(b) {
        return false;
    }
    full(a) == full(b) || same_inode(a, b)
}

/// The path from the root, links followed as far as there is something.
fn full(path: &Path) -> PathBuf {
    let target = match resolve(path) {
        Ok(Destination::File(target)) => target,
        _ => path.to_path_buf(),
    };
    if let Ok(found) = target.canonicalize() {
        return found;
    }
    let absolute = std::path::absolute(&target).unwrap_or(target);
    let there = existing(&absolute);
    let rest = absolute.strip_prefix(there).unwrap_or(Path::new(""));
    let mut full = there.canonicalize().unwrap_or_else(|_| there.to_path_buf());
    for part in rest.components() {
        match part {
            Component::ParentDir => drop(full.pop()),
            Component::Normal(name) => full.push(name),
            _ => {}
        }
    }
    full
}

/// The nearest that exists of `folder` and those above it.
fn existing(folder: &Path) -> &Path {
    let named = folder.ancestors().map(|f| if f.as_os_str().is_empty() { Path::new(".") } else { f });
    named.into_iter().find(|f| f.symlink_metadata().is_ok()).unwrap_or(folder)
}

#[cfg(unix)]
fn same_inode(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    identity(a).is_some_and(|found| identity(b) == Some(found))
}

#[cfg(not(unix))]
fn same_inode(_: &Path, _: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned<'a>(path: &'a Path, same_kind: &'a dyn Fn(&Path) -> bool) -> Planned<'a> {
        Planned { option: "--out", path, what: "a key file", same_kind, bytes: 1 }
    }

    #[test]
    fn only_the_same_kind_is_replaced_unless_the_user_insists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (contents, same_kind, refused) in [("", false, false), ("notes", false, true), ("notes", true, false)] {
            std::fs::write(&path, contents).unwrap();
            let is = |_: &Path| same_kind;
            let outputs = [planned(&path, &is)];
            assert_eq!(check(&outputs, &[], false).is_err(), refused, "{contents}");
            check(&outputs, &[], true).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), contents);
        }
        std::fs::write(&path, "notes").unwrap();
        let error = check(&[planned(&path, &|_| false)], &[], false).unwrap_err().to_string();
        assert!(error.contains("found a file that is not a key file") && error.contains("--force"), "{error}");
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&path, permissions).unwrap();
        let error = check(&[planned(&path, &|_| true)], &[], false).unwrap_err().to_string();
        assert!(error.contains("write-protected"), "{error}");
    }

    #[test]
    fn one_file_is_one_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        std::fs::write(at("x"), "1").unwrap();
        std::fs::hard_link(at("x"), at("hard")).unwrap();
        for (a, b, equal) in [
            ("x", "x", true),
            ("x", "sub/../x", true),
            ("x", "hard", true),
            ("x", "y", false),
            ("y", "sub/../y", true),
            ("new/y", "new/./y", true),
            ("new/y", "new/z", false),
        ] {
            assert_eq!(same(&at(a), &at(b)), equal, "{a} and {b}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("y", at("link")).unwrap();
            assert!(same(&at("link"), &at("y")));
            assert!(!same(Path::new("/dev/null"), Path::new("/dev/null")));
        }
        let error = check(&[planned(&at("x"), &|_| true)], &[("--key", &at("hard"))], true).unwrap_err().to_string();
        assert!(error.contains("the same file for --key and for --out"), "{error}");
    }

    #[test]
    fn what_cannot_be_written_is_told_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/x");
        check(&[planned(&path, &|_| true)], &[], false).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let huge = Planned { bytes: u64::MAX, ..planned(&path, &|_| true) };
        // Systems that tell no free space cannot refuse.
        if space::free(folder.path()).is_some() {
            assert!(matches!(check(&[huge], &[], false), Err(Error::NoSpace { .. })));
        }
        std::fs::write(folder.path().join("file"), "").unwrap();
        let long = folder.path().join("x".repeat(300));
        assert!(check(&[planned(&long, &|_| true)], &[], false).is_err());
        let under_a_file = folder.path().join("file/x");
        assert!(check(&[planned(&under_a_file, &|_| true)], &[], false).is_err());
    }
}
