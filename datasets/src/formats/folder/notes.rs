//! What is noted while pictures are read, for the warnings at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::picture::Levels;
use super::listing::Listing;
use crate::error::Error;
use crate::path_text::path_text;
use crate::warning::Warning;

/// A single picture of 16 bits is noted if all of its values are below this.
const DARK: u32 = 1 << 12;

/// Names of what was left out, how pictures use their grey levels, and all that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// What makes the whole an error.
    pub(crate) faults: Vec<Error>,
    /// What is known to be odd already.
    pub(crate) warnings: Vec<Warning>,
    others: Vec<String>,
    hidden: Vec<String>,
    levels: Vec<(String, Levels)>,
}

impl Notes {
    /// Notes what a listing leaves out; `name` is how to call it.
    pub(crate) fn left_out(&mut self, listing: &Listing, name: impl Fn(&Path) -> String) {
        let names = |paths: &[PathBuf]| paths.iter().map(|path| name(path)).collect::<Vec<_>>();
        self.others.extend(names(&listing.others));
        self.hidden.extend(names(&listing.hidden));
    }

    /// Notes a folder that is none of those that are read.
    pub(crate) fn left_out_folder(&mut self, name: String) {
        self.others.push(name);
    }

    /// Notes how a picture uses its levels, if that is known.
    pub(crate) fn levels(&mut self, name: &str, levels: Option<Levels>) {
        self.levels.extend(levels.map(|levels| (name.to_owned(), levels)));
    }

    /// What all of it comes to.
    pub(crate) fn warnings(self, folder: &Path) -> Vec<Warning> {
        let Self { others, hidden, levels, mut warnings, .. } = self;
        if !others.is_empty() || !hidden.is_empty() {
            warnings.push(Warning::LeftOut { folder: folder.to_owned(), others, hidden });
        }
        warnings.extend(few_levels(levels));
        warnings
    }
}

fn few_levels(levels: Vec<(String, Levels)>) -> Vec<Warning> {
    let mut scaled: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut kept: BTreeMap<u32, Vec<(String, u32)>> = BTreeMap::new();
    for (name, Levels { largest, full, scaled_from }) in levels {
        match scaled_from {
            Some(bits) => scaled.entry(bits).or_default().push(name),
            None if full > 255 => kept.entry(full).or_default().push((name, largest)),
            None => {}
        }
    }
    let scaled = scaled.into_iter().map(|(bits, files)| Warning::Scaled { bits, files });
    let dark = kept.into_iter().filter_map(|(full, pictures)| {
        // No picture of the set has a value in the upper half: none uses all of the bits.
        let all = pictures.iter().all(|(_, largest)| *largest <= full / 2);
        let dark: Vec<_> = pictures.into_iter().filter(|(_, largest)| (1..DARK).contains(largest) || all).collect();
        let largest = dark.iter().map(|(_, largest)| *largest).fold(0, u32::max);
        let files = dark.into_iter().map(|(name, _)| name).collect();
        (largest > 0).then_some(Warning::FewLevels { largest, full, files })
    });
    scaled.chain(dark).collect()
}

/// A path below `root`, as text.
pub(crate) fn name_below(root: &Path, path: &Path) -> String {
    path_text(path.strip_prefix(root).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(largest: &[u32]) -> Vec<Warning> {
        let mut notes = Notes::default();
        for (i, &largest) in largest.iter().enumerate() {
            notes.levels(&i.to_string(), Some(Levels { largest, full: 65535, scaled_from: None }));
        }
        notes.warnings(Path::new("f"))
    }

    #[test]
    fn sets_that_use_no_upper_half_and_dark_pictures_in_others() {
        let few = |largest, files: &[&str]| {
            vec![Warning::FewLevels { largest, full: 65535, files: files.iter().map(ToString::to_string).collect() }]
        };
        assert_eq!(warnings(&[4095, 3000, 0]), few(4095, &["0", "1", "2"]));
        assert_eq!(warnings(&[16383]), few(16383, &["0"]));
        assert_eq!(warnings(&[65535, 4080, 30000]), few(4080, &["1"]));
        assert_eq!(warnings(&[65535, 30000, 0]), vec![]);
    }
}
