//! Every way a data set can be wrong, each with the file, what was found, what was expected and
//! what to do.

use std::path::{Path, PathBuf};

use beaa_base::printable::printable;
use beaa_base::words::count;

use crate::path_text::path_text;
use crate::split::Split;

/// So many errors are listed; of the others there is a number.
const LISTED: usize = 20;

/// Why a data set could not be read. `file` is the file at fault (or the name of the data set when
/// it was built in memory).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("reading {}: {source}", path_text(file))]
    Io {
        /// The file at fault.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is there is no file.
    #[error(transparent)]
    NoFile(beaa_base::Error),
    /// There is less memory than the images take.
    #[error(transparent)]
    Memory(#[from] beaa_memory::Shortage),
    /// Images are not those that a network's preprocessing is for.
    #[error("preprocessing images: found {found}, expected {expected}; {remedy}")]
    OtherPreprocessing {
        /// What the images are.
        found: String,
        /// What they should be.
        expected: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Steps of preprocessing that do not fit the pictures.
    #[error(transparent)]
    Preprocessing(#[from] beaa_base::preprocessing::PreprocessingError),
    /// The path does not exist.
    #[error("reading {}: there is no such file or folder; give the path of an existing one", path_text(file))]
    Absent {
        /// The path that was tried.
        file: PathBuf,
    },
    /// A named set is in none of the folders searched.
    #[error("looking for data set {name:?}: missing {}; searched {}; {remedy}", missing.join(", "), list(searched))]
    NotFound {
        /// Name of the set.
        name: String,
        /// Names of the missing files.
        missing: Vec<String>,
        /// Folders searched, in order.
        searched: Vec<PathBuf>,
        /// Where to get the files.
        remedy: String,
    },
    /// A name that is not in the catalogue.
    #[error("unknown data set {name:?}; known: {}", known.join(", "))]
    UnknownSet {
        /// The name given.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// A file lies where a named set is expected, but is not that set.
    #[error("reading data set {name:?}: {what} is {found}, expected {expected}; is this another data set?")]
    NotTheSet {
        /// Name of the set.
        name: String,
        /// What differs.
        what: &'static str,
        /// Value found.
        found: String,
        /// Value in the catalogue.
        expected: String,
    },
    /// The first bytes are not those of the format.
    #[error("reading {}: starts with {found:02x?}, expected {expected}; is it another kind of file?", path_text(file))]
    WrongMagic {
        /// The file at fault.
        file: PathBuf,
        /// The bytes found.
        found: Vec<u8>,
        /// What they should be.
        expected: &'static str,
    },
    /// The file ends too early.
    #[error(
        "reading {}: ends after {found} bytes, expected {expected}; the file is truncated, fetch it again",
        path_text(file)
    )]
    Truncated {
        /// The file (and entry) at fault.
        file: PathBuf,
        /// Bytes present (decompressed).
        found: u64,
        /// Bytes expected (decompressed).
        expected: u64,
    },
    /// The file goes on after its content.
    #[error(
        "reading {}: more than the expected {expected} bytes; the header and the content disagree, fetch the file \
         again",
        path_text(file)
    )]
    TooLong {
        /// The file (and entry) at fault.
        file: PathBuf,
        /// Bytes expected (decompressed).
        expected: u64,
    },
    /// The header claims a size that the file cannot hold, or that this crate refuses.
    #[error(
        "reading {}: the header claims {claimed}, more than {limit}; the file is damaged or not of this kind",
        path_text(file)
    )]
    AbsurdSize {
        /// The file at fault.
        file: PathBuf,
        /// What the header claims.
        claimed: String,
        /// What can be there at most.
        limit: String,
    },
    /// A compressed file cannot be decompressed, or its own check fails.
    #[error("decompressing {}: {reason}; the file is damaged, fetch it again", path_text(file))]
    Corrupt {
        /// The file (and entry) at fault.
        file: PathBuf,
        /// What the decompressor said.
        reason: String,
    },
    /// Different numbers of images and labels.
    #[error(
        "reading {}: {} for {}; give the labels that belong to these images",
        path_text(file),
        count(*labels, "label"),
        count(*images, "image")
    )]
    CountMismatch {
        /// The file of the labels.
        file: PathBuf,
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A label has no class.
    #[error(
        "reading {}: label {label} at position {index}, but there are {classes} classes (0 to {}); correct the \
         labels or the class names",
        path_text(file), classes.saturating_sub(1)
    )]
    LabelOutOfRange {
        /// The file of the labels.
        file: PathBuf,
        /// Position of the label.
        index: usize,
        /// The label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// Images of several sizes where one is required.
    #[error(
        "reading {}: {} (channels x height x width), expected {} as in the rest; resize the images or configure a \
         shape",
        path_text(file),
        shape_text(found),
        shape_text(expected)
    )]
    MixedSizes {
        /// The file at fault.
        file: PathBuf,
        /// Shape found.
        found: [usize; 3],
        /// Shape of the others.
        expected: [usize; 3],
    },
    /// A shape this crate does not read.
    #[error("reading {}: shape {found:?}, expected {expected}", path_text(file))]
    WrongShape {
        /// The file (and entry) at fault.
        file: PathBuf,
        /// Shape found.
        found: Vec<u64>,
        /// Shapes that are read.
        expected: &'static str,
    },
    /// A file among the images is no whole image of a kind that is read.
    #[error("reading {}: not a whole PNG or JPEG image ({reason}); convert, replace or remove it", path_text(file))]
    NotAnImage {
        /// The file at fault.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A picture of a format that is not read.
    #[error("reading {}: found {found}, expected PNG or JPEG; {} or remove it", path_text(file), conversion(found))]
    OtherFormat {
        /// The file at fault.
        file: PathBuf,
        /// Name of the format.
        found: &'static str,
    },
    /// A folder where only pictures are expected.
    #[error("reading {}: found a folder, expected pictures; {remedy}", path_text(file))]
    FolderAmongPictures {
        /// The folder at fault.
        file: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// Several files of a folder cannot be used.
    #[error("reading {}: {} of the files cannot be used:{}", path_text(file), errors.len(), lines(errors))]
    Several {
        /// The folder.
        file: PathBuf,
        /// What is wrong with each, two or more.
        errors: Vec<Error>,
    },
    /// A class of the set has no image in a split.
    #[error(
        "reading {}: class {class:?} has no image in the {split} split; every class needs at least one",
        path_text(file)
    )]
    MissingClass {
        /// The folder or data set at fault.
        file: PathBuf,
        /// Name of the class.
        class: String,
        /// The split without it.
        split: Split,
    },
    /// A split has a class that training does not know.
    #[error(
        "reading {}: class {class:?} is not among the classes of the training folder; rename or remove it",
        path_text(file)
    )]
    UnknownClass {
        /// The folder at fault.
        file: PathBuf,
        /// Name of the class.
        class: String,
    },
    /// A folder without images or without sub-folders.
    #[error("reading {}: found nothing to read, expected {expected}", path_text(file))]
    EmptyFolder {
        /// The folder at fault.
        file: PathBuf,
        /// What should be in it.
        expected: &'static str,
    },
    /// A folder of images with a single class.
    #[error(
        "reading {}: found one class ({class:?}), expected at least two sub-folders of images, one per class",
        path_text(file)
    )]
    OneClass {
        /// The folder at fault.
        file: PathBuf,
        /// Its class.
        class: String,
    },
    /// Images that belong to no class.
    #[error(
        "reading {}: found {} beside the folders of the classes, expected all in such folders; move or \
         remove them",
        path_text(file),
        count(*found, "image")
    )]
    LooseImages {
        /// The folder at fault.
        file: PathBuf,
        /// How many.
        found: usize,
    },
    /// A file or split without any image.
    #[error("reading {}: holds no image; at least one is needed", path_text(file))]
    NoImages {
        /// The file or data set at fault.
        file: PathBuf,
    },
    /// An entry of a `.npz` archive is not there.
    #[error(
        "reading {}: no entry {entry:?} among [{}]; give one of these, or another file",
        path_text(file),
        found.join(", ")
    )]
    MissingEntry {
        /// The archive.
        file: PathBuf,
        /// The entry looked for.
        entry: String,
        /// The entries that are there.
        found: Vec<String>,
    },
    /// An array of another element type.
    #[error(
        "reading {}: elements of type {found}, expected |u1 (unsigned bytes); convert with .astype('uint8')",
        path_text(file)
    )]
    WrongDtype {
        /// The archive and entry.
        file: PathBuf,
        /// The type found.
        found: String,
    },
    /// An array stored column by column.
    #[error(
        "reading {}: the array is in Fortran order, expected C order; convert with numpy.ascontiguousarray",
        path_text(file)
    )]
    FortranOrder {
        /// The archive and entry.
        file: PathBuf,
    },
    /// More classes than an 8-bit label can tell apart.
    #[error("reading {}: {found} classes, at most 256 can be told apart", path_text(file))]
    TooManyClasses {
        /// The file, folder or data set at fault.
        file: PathBuf,
        /// Number of classes.
        found: usize,
    },
    /// A name (of a file or class) that is not UTF-8 or is empty.
    #[error("reading {}: the name is empty or not valid UTF-8; rename it", path_text(file))]
    BadName {
        /// The path at fault.
        file: PathBuf,
    },
    /// The name of a class that acts as a command on a terminal or in a spreadsheet.
    #[error(
        "reading {}: found {found} ({}), expected names of classes as they are shown; rename the class",
        path_text(file),
        printable(name)
    )]
    UnfitName {
        /// The file, folder or data set at fault.
        file: PathBuf,
        /// What kind of name it is.
        found: &'static str,
        /// The name.
        name: String,
    },
    /// The part to hold out of training does not fit.
    #[error(
        "splitting {}: cannot hold out {amount} of {}; ask for less, at least one must stay for training",
        path_text(file), count(*available, "image")
    )]
    HoldOut {
        /// The data set.
        file: PathBuf,
        /// How much was to be held out.
        amount: String,
        /// Images there are.
        available: usize,
    },
    /// Images were to be held out for a split that the set already has.
    #[error(
        "splitting {}: the set has its own {split} split; remove the {split} setting from the configuration",
        path_text(file)
    )]
    HasSplit {
        /// The data set.
        file: PathBuf,
        /// The split in question.
        split: Split,
    },
    /// A table of numbers is not as it must be, or not as its description says.
    #[error("reading {}{position}: found {found}, expected {expected}; {remedy}", path_text(file))]
    Table {
        /// The file at fault.
        file: PathBuf,
        /// Where in it, as `, line 3, column \`age\``; empty if it is the whole file.
        position: String,
        /// What was there.
        found: String,
        /// What should have been there.
        expected: String,
        /// What to do.
        remedy: String,
    },
    /// The description of a data set makes no sense.
    #[error("data set description: {0}")]
    Spec(String),
}

impl Error {
    /// A table that is not as it must be; `position` says where in the file, if that is known.
    pub(crate) fn table(
        file: &Path,
        position: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (position, found) = (position.into(), found.into());
        Self::Table { file: file.to_owned(), position, found, expected: expected.into(), remedy: remedy.into() }
    }

    /// What keeps a path from being read as a file.
    pub(crate) fn path(error: beaa_base::Error) -> Self {
        match error {
            beaa_base::Error::Io { path, source, .. } => Self::io(&path, source),
            other => Self::NoFile(other),
        }
    }

    /// Sorts an error of the operating system met at `file`.
    pub(crate) fn io(file: &Path, source: std::io::Error) -> Self {
        let file = file.to_owned();
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::Absent { file },
            _ => Self::Io { file, source },
        }
    }

    /// One error for all that is wrong in a folder, if anything is.
    pub(crate) fn all_of(folder: &Path, mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.swap_remove(0)),
            _ => Err(Self::Several { file: folder.to_owned(), errors }),
        }
    }
}

fn lines(errors: &[Error]) -> String {
    let mut text: String = errors.iter().take(LISTED).map(|error| format!("\n  {error}")).collect();
    if errors.len() > LISTED {
        text.push_str(&format!("\n  and {} more", errors.len() - LISTED));
    }
    text
}

fn conversion(format: &str) -> &'static str {
    match format {
        "DICOM" | "NIfTI" | "NRRD" => "save its slices as PNG of 16 bits, scaled to the whole range,",
        "TIFF" | "OpenEXR" | "Radiance HDR" => "save it as PNG (16 bits where it has more than 8)",
        _ => "save it as PNG",
    }
}

fn shape_text(shape: &[usize; 3]) -> String {
    format!("{} x {} x {}", shape[0], shape[1], shape[2])
}

fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no folder at all".to_owned();
    }
    paths.iter().map(|path| path_text(path)).collect::<Vec<_>>().join(", ")
}
