//! Which class of a network each class of a data set is: by name where both have names, by number
//! where one of them has none, or a refusal that names both lists.

use std::collections::HashSet;

use crate::{Classes, Error, Result};

/// What an error says was being done.
const MATCHING: &str = "matching the classes of the data set with those of the network";
/// So many names of a list are said, at most.
const MAX_NAMES: usize = 12;

/// For each class of a data set, the class of the network that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMap {
    to: Vec<usize>,
    note: Option<String>,
}

impl ClassMap {
    /// Matches the classes of a data set, in the order of its labels, with those of a network.
    /// Names are compared letter by letter. A data set may lack classes of a network with names.
    /// Names that are the numbers from 0 on say no more than no names.
    ///
    /// # Errors
    /// [`Error::Classes`] with both lists where the names differ, where the numbers of classes do,
    /// or where a name occurs twice in different lists.
    pub fn new(network: &Classes, data_set: &[String]) -> Result<Self> {
        let names = network.names();
        if !names.is_empty() {
            if names == data_set {
                return Ok(Self { to: (0..names.len()).collect(), note: None });
            }
            let class = |name: &String| names.iter().position(|n| n == name);
            if let Some(to) = data_set.iter().map(class).collect::<Option<Vec<usize>>>() {
                return by_name(to, names, data_set);
            }
        }
        if !are_numbers(names) && !are_numbers(data_set) {
            return Err(other_names(names, data_set));
        }
        if data_set.len() != network.count() {
            return Err(Error::Classes {
                operation: MATCHING,
                found: counted(data_set),
                expected: format!("{} classes, those of the network{}", network.count(), in_brackets(names)),
                remedy: "use a data set of the network's classes, or the network that was trained on this data set",
            });
        }
        let named = if are_numbers(names) { data_set } else { names };
        let whose = match (are_numbers(names), are_numbers(data_set)) {
            (true, true) => None,
            (true, false) => Some("the network does not name its classes"),
            (false, _) => Some("the data set does not name its classes"),
        };
        let note = whose.map(|whose| {
            let pairs: Vec<String> = named.iter().enumerate().map(|(i, name)| format!("{i} is {name}")).collect();
            format!("{whose}, so they are matched by number: {}", list(&pairs))
        });
        Ok(Self { to: (0..data_set.len()).collect(), note })
    }

    /// The class of the network that the data set's class `label` is, which must be one of its
    /// classes.
    pub fn class(&self, label: usize) -> usize {
        assert!(label < self.to.len(), "label {label} of {} classes", self.to.len());
        self.to[label]
    }

    /// The classes of the network that images of these labels are.
    pub fn classes(&self, labels: &[u8]) -> Vec<usize> {
        labels.iter().map(|&label| self.class(usize::from(label))).collect()
    }

    /// What a person should know of the matching: that it was by number, or which classes the data
    /// set lacks.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

/// All names of the data set are among the network's.
fn by_name(to: Vec<usize>, names: &[String], data_set: &[String]) -> Result<ClassMap> {
    let twice = |names: &[String]| {
        let mut seen = HashSet::new();
        names.iter().find(|name| !seen.insert(name.as_str())).cloned()
    };
    if let Some(name) = twice(names).or_else(|| twice(data_set)) {
        return Err(Error::Classes {
            operation: MATCHING,
            found: format!("two classes of the name `{name}`"),
            expected: format!(
                "names that tell the classes apart; the data set has {}, the network {}",
                list(data_set),
                list(names)
            ),
            remedy: "give every class a name of its own, on both sides",
        });
    }
    let absent: Vec<String> =
        names.iter().enumerate().filter(|(class, _)| !to.contains(class)).map(|(_, name)| name.clone()).collect();
    let note = (!absent.is_empty()).then(|| {
        format!("the data set has {} of the network's {} classes; not {}", to.len(), names.len(), list(&absent))
    });
    Ok(ClassMap { to, note })
}

fn other_names(names: &[String], data_set: &[String]) -> Error {
    let plain = |name: &String| name.to_lowercase().split_whitespace().collect::<String>();
    let alike: Vec<String> = data_set
        .iter()
        .filter(|name| !names.contains(name))
        .filter_map(|name| names.iter().find(|n| plain(n) == plain(name)).map(|n| format!("`{name}` and `{n}`")))
        .collect();
    let found = if alike.is_empty() {
        counted(data_set)
    } else {
        format!("{} (case and blank space count: {} are different names)", counted(data_set), list(&alike))
    };
    Error::Classes {
        operation: MATCHING,
        found,
        expected: format!("{}, the network's, in any order", list(names)),
        remedy: "use a data set of the network's classes; where both mean the same, name them alike: rename the data \
                 set's folders or `classes`, or import the network with --classes",
    }
}

/// Whether names say nothing beyond their place: there are none, or they are the numbers from 0 on.
fn are_numbers(names: &[String]) -> bool {
    names.iter().enumerate().all(|(i, name)| *name == i.to_string())
}

/// `2 classes (ant, zebra)`.
fn counted(names: &[String]) -> String {
    format!(
        "{}{}",
        if names.len() == 1 { "1 class".to_owned() } else { format!("{} classes", names.len()) },
        in_brackets(names)
    )
}

fn in_brackets(names: &[String]) -> String {
    if are_numbers(names) { String::new() } else { format!(" ({})", list(names)) }
}

/// The first names, and how many more there are.
fn list(names: &[String]) -> String {
    let said = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => said,
        more => format!("{said} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&n| n.to_owned()).collect()
    }

    fn network(list: &[&str], outputs: usize) -> Classes {
        Classes::new(names(list), outputs, None).unwrap()
    }

    fn refused(network: &Classes, data_set: &[&str]) -> String {
        ClassMap::new(network, &names(data_set)).unwrap_err().to_string()
    }

    #[test]
    fn names_in_another_order_are_matched_by_name() {
        let map = ClassMap::new(&network(&["zebra", "ant"], 2), &names(&["ant", "zebra"])).unwrap();
        assert_eq!((map.classes(&[0, 1, 1]), map.note()), (vec![1, 0, 0], None));
        let score = ClassMap::new(&network(&["healthy", "ill"], 1), &names(&["ill", "healthy"])).unwrap();
        assert_eq!(score.classes(&[0, 1]), [1, 0]);
        let digits = ClassMap::new(&network(&["1", "0"], 2), &names(&["0", "1"])).unwrap();
        assert_eq!(digits.classes(&[0, 1]), [1, 0], "numbers in another order are names");
        let sorted = names(&["0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"]);
        let numbers: Vec<String> = (0..11).map(|i| i.to_string()).collect();
        let map = ClassMap::new(&Classes::new(numbers, 11, None).unwrap(), &sorted).unwrap();
        assert_eq!(map.classes(&[2, 3]), [10, 2], "folders are sorted by letters");
    }

    #[test]
    fn a_data_set_may_lack_classes_of_a_network_with_names_and_that_is_said() {
        let map = ClassMap::new(&network(&["a", "b", "c"], 3), &names(&["c", "a"])).unwrap();
        assert_eq!(
            (map.classes(&[0, 1]), map.note().unwrap().contains("2 of the network's 3 classes; not b")),
            (vec![2, 0], true)
        );
    }

    #[test]
    fn without_names_on_one_side_numbers_count_and_that_is_said() {
        let map = ClassMap::new(&network(&[], 2), &names(&["ant", "zebra"])).unwrap();
        assert_eq!(map.classes(&[0, 1]), [0, 1]);
        assert!(map.note().unwrap().contains("by number: 0 is ant, 1 is zebra"), "{:?}", map.note());
        let map = ClassMap::new(&network(&["ant", "zebra"], 2), &names(&["0", "1"])).unwrap();
        assert!(map.note().unwrap().contains("the data set does not name"), "{:?}", map.note());
        for list in [&[][..], &["0", "1"]] {
            assert_eq!(ClassMap::new(&network(list, 2), &names(&["0", "1"])).unwrap().note(), None);
        }
        assert!(ClassMap::new(&network(&[], 1), &names(&["ill", "healthy"])).is_ok(), "a score has two classes");
    }

    #[test]
    fn other_names_are_refused_with_both_lists() {
        let text = refused(&network(&["zebra", "ant"], 2), &["cat", "dog"]);
        assert!(text.contains("found 2 classes (cat, dog), expected zebra, ant"), "{text}");
        assert!(refused(&network(&["a", "b"], 2), &["a", "b", "c"]).contains("3 classes (a, b, c)"));
        let text = refused(&network(&["Ant", "zebra"], 2), &["ant", "zebra "]);
        assert!(text.contains("case and blank space count: `ant` and `Ant`, `zebra ` and `zebra`"), "{text}");
    }

    #[test]
    fn other_counts_are_refused() {
        let many: Vec<String> = (0..256).map(|i| i.to_string()).collect();
        let text = ClassMap::new(&network(&["ant", "zebra"], 2), &many).unwrap_err().to_string();
        assert!(text.contains("found 256 classes, expected 2 classes, those of the network (ant, zebra)"), "{text}");
        assert!(refused(&network(&[], 3), &["cat", "dog"]).contains("found 2 classes (cat, dog), expected 3 classes"));
        assert!(refused(&network(&[], 3), &["0", "1"]).contains("found 2 classes, expected 3"));
    }

    #[test]
    fn a_name_that_occurs_twice_is_no_name() {
        let twice = network(&["crane", "owl", "crane"], 3);
        let same = ClassMap::new(&twice, &names(&["crane", "owl", "crane"])).unwrap();
        assert_eq!(same.classes(&[0, 1, 2]), [0, 1, 2], "the same list");
        assert!(refused(&twice, &["owl", "crane", "crane"]).contains("two classes of the name `crane`"));
    }
}
