//! What a reader should know about images that were read all the same. The text names files and
//! classes, some of them where there are many.

use std::fmt;
use std::path::PathBuf;

use beaa_base::words::count;

use crate::path_text::path_text;
use crate::split::Split;

/// So many names are listed; of the others there is a number.
const LISTED: usize = 10;

/// Something that may not be as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Files and folders that were left out.
    LeftOut {
        /// The folder that was read.
        folder: PathBuf,
        /// What is no picture, and folders that are no class.
        others: Vec<String>,
        /// Hidden files and the index files of desktops.
        hidden: Vec<String>,
    },
    /// Pictures whose grey levels were scaled to all that there are, from as many bits as they
    /// declare.
    Scaled {
        /// Bits declared.
        bits: u32,
        /// Their names.
        files: Vec<String>,
    },
    /// Pictures that use few of the grey levels that their samples have.
    FewLevels {
        /// Largest value in any of them.
        largest: u32,
        /// Largest value of a sample.
        full: u32,
        /// Their names.
        files: Vec<String>,
    },
    /// Classes with only one or two images in all splits.
    FewImages {
        /// Name of each class and the number of its images.
        classes: Vec<(String, u64)>,
    },
    /// Classes without an image in a split.
    NoneInSplit {
        /// The split.
        split: Split,
        /// Names of the classes.
        classes: Vec<String>,
    },
    /// A split without any image.
    EmptySplit {
        /// The split.
        split: Split,
    },
    /// Classes whose names differ in upper and lower case only.
    SameButForCase {
        /// Their names.
        classes: Vec<String>,
    },
    /// Columns or other channels with one value in all training samples.
    Constant {
        /// What they are called, each with its value.
        channels: Vec<String>,
    },
    /// A table whose first line was read as a row, since it holds numbers only.
    FirstLineRead {
        /// The table.
        file: PathBuf,
    },
    /// Classes that are called as splits are.
    NamedAsSplits {
        /// Their names.
        classes: Vec<String>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { channels } => write!(
                f,
                "the same value in every training sample, which tells nothing apart: {}; samples with another value \
                 are refused, leave the column out",
                list(channels)
            ),
            Self::FirstLineRead { file } => {
                write!(f, "reading {}: the first line holds numbers and is read as a row", path_text(file))
            }
            Self::LeftOut { folder, others, hidden } => {
                let hidden_text = || format!("{} ({})", count(hidden.len(), "hidden or desktop file"), list(hidden));
                let left = match (others.is_empty(), hidden.is_empty()) {
                    (false, true) => list(others),
                    (true, _) => hidden_text(),
                    (false, false) => format!("{}; and {}", list(others), hidden_text()),
                };
                write!(f, "reading {}: left out as no pictures: {left}", path_text(folder))
            }
            Self::Scaled { bits, files } => write!(
                f,
                "values below {} are scaled to the whole range in {} with {bits} significant bits (sBIT): {}",
                1_u32 << bits,
                count(files.len(), "picture"),
                list(files)
            ),
            Self::FewLevels { largest, full, files } => write!(
                f,
                "only {} of {} grey levels are used in {}, read as dark as that: {}; if these are values of {} bits, \
                 multiply them by {} before saving, or declare the bits in an sBIT chunk",
                u64::from(*largest) + 1,
                u64::from(*full) + 1,
                count(files.len(), "picture"),
                list(files),
                bits(*largest),
                1_u32 << (bits(*full) - bits(*largest)),
            ),
            Self::FewImages { classes } => {
                let each =
                    |(name, images): &(String, u64)| format!("{name:?} has {}", count(*images as usize, "image"));
                let classes: Vec<String> = classes.iter().map(each).collect();
                write!(f, "too few images to learn and to measure a class by: {}", list(&classes))
            }
            Self::NoneInSplit { split, classes } => write!(
                f,
                "no image in the {split} split of {}: {split} figures say nothing about {}",
                list(&classes.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>()),
                if classes.len() == 1 { "this class" } else { "these classes" }
            ),
            Self::EmptySplit { split } => {
                write!(f, "no image in the {split} split: there will be no {split} figures; give more images")
            }
            Self::SameButForCase { classes } => {
                write!(f, "classes whose names differ in upper and lower case only: {}", list(classes))
            }
            Self::NamedAsSplits { classes } => write!(
                f,
                "classes are called {}: if these are splits, call the folder of the training images `train`, the \
                 others `validation` and `test`",
                list(classes)
            ),
        }
    }
}

fn list(names: &[String]) -> String {
    let listed = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(LISTED) {
        None | Some(0) => listed,
        Some(more) => format!("{listed} and {more} more"),
    }
}

/// Bits of a value.
fn bits(largest: u32) -> u32 {
    u32::BITS - largest.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{i}.png")).collect()
    }

    #[test]
    fn names_are_listed_up_to_a_number() {
        let left = |others, hidden| Warning::LeftOut { folder: "f".into(), others, hidden }.to_string();
        let all = names(13);
        assert!(
            left(all, vec![])
                .ends_with("0.png, 1.png, 2.png, 3.png, 4.png, 5.png, 6.png, 7.png, 8.png, 9.png and 3 more")
        );
        assert_eq!(
            left(vec![], vec![".a".into()]),
            "reading f: left out as no pictures: 1 hidden or desktop file (.a)"
        );
        assert!(left(names(1), names(2)).contains("0.png; and 2 hidden or desktop files (0.png, 1.png)"));
    }

    #[test]
    fn levels_come_with_what_to_do() {
        let text = Warning::FewLevels { largest: 4080, full: 65535, files: names(1) }.to_string();
        assert!(text.starts_with("only 4081 of 65536 grey levels are used in 1 picture"), "{text}");
        assert!(text.contains("values of 12 bits, multiply them by 16"), "{text}");
    }
}
