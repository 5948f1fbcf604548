//! The labels of a data set as classes of a network: matched by name wherever both have names.

use anyhow::Result;
use beaa_ir::{ClassMap, Classes};

use crate::Reporter;
use crate::error::bad_input;

/// Translates `labels`, classes of a data set with these names in order, into classes of `network`.
/// Says so where they were matched by number, or where the data set lacks classes.
///
/// # Errors
/// If the names of both differ, or the numbers of classes do: the message says both lists. If a
/// label is none of the data set's classes.
pub fn of_network(
    network: &Classes,
    data_set: &[String],
    labels: &[u8],
    reporter: &dyn Reporter,
) -> Result<Vec<usize>> {
    let map = ClassMap::new(network, data_set)?;
    if let Some(note) = map.note() {
        reporter.note(&note);
    }
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= data_set.len()) {
        let (found, expected) = (format!("the label {label}"), data_set.len());
        return Err(bad_input(format!(
            "comparing with labels: found {found} among {expected} classes, expected labels from 0 on below \
             {expected}; give the labels of these images"
        )));
    }
    Ok(map.classes(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporter::Quiet;

    #[test]
    fn labels_follow_names() {
        let names = |list: [&str; 2]| list.map(str::to_owned).to_vec();
        let network = Classes::new(names(["zebra", "ant"]), 2, None).unwrap();
        let found = of_network(&network, &names(["ant", "zebra"]), &[0, 1, 1], &Quiet).unwrap();
        assert_eq!(found, [1, 0, 0]);
        assert!(
            of_network(&network, &names(["ant", "zebra"]), &[2], &Quiet).unwrap_err().to_string().contains("label 2")
        );
        let other = of_network(&network, &names(["cat", "dog"]), &[0], &Quiet).unwrap_err().to_string();
        assert!(other.contains("cat, dog") && other.contains("zebra, ant"), "{other}");
    }
}
