//! What stands behind an accuracy, for a terminal: class by class, against always answering the
//! largest class, and what there are too few images to say.

use beaa_ir::text::{Align, table};

use crate::metrics::{Classification, percent};

/// Most classes that are listed; of more, the worst are.
const MAX_LISTED: usize = 12;
/// Classes listed of more than that.
const WORST: usize = 5;
/// A class of fewer images has a recall that says little.
const FEW: usize = 10;
/// An AUC below this is no chance: the classes are mixed up.
const WRONG_WAY: f64 = 0.25;
/// Most names in a sentence.
const MAX_NAMES: usize = 5;

/// Balanced accuracy, the share of the largest class, recall by class, and remarks. Ends with a
/// newline.
pub fn classes(c: &Classification) -> String {
    let mut text = format!("balanced accuracy {}", percent(Some(c.balanced_accuracy)));
    if let Some(auc) = c.auc {
        text.push_str(&format!(", AUC {auc:.4}"));
    }
    text.push_str(&format!("; always answering `{}`: {}\n", c.majority_class, percent(Some(c.majority_share))));
    text.push_str(&by_class(c));
    for remark in remarks(c) {
        text.push_str(&format!("{remark}\n"));
    }
    text
}

/// The classes worth listing: all, or of many the worst. Those without images have no recall that
/// could be bad; the remarks name them.
pub fn listed(c: &Classification) -> Vec<usize> {
    if c.classes.len() <= MAX_LISTED {
        return (0..c.classes.len()).collect();
    }
    let recalls = c.classes.iter().enumerate().filter_map(|(label, class)| Some((label, class.recall?)));
    let mut recalls: Vec<(usize, f64)> = recalls.collect();
    recalls.sort_by(|a, b| a.1.total_cmp(&b.1));
    recalls.into_iter().take(WORST).map(|(label, _)| label).collect()
}

/// Recall and counts of the listed classes.
fn by_class(c: &Classification) -> String {
    let listed = listed(c);
    let mut head = ["class", "images", "right", "recall", "most often taken for"].map(String::from).to_vec();
    if listed.len() < c.classes.len() {
        head[0] = format!("worst {} of {} classes", listed.len(), c.classes.len());
    }
    let mut rows = vec![head];
    for label in listed {
        let class = &c.classes[label];
        let wrong = c.confusion[label].iter().enumerate().filter(|(answer, n)| *answer != label && **n > 0);
        let most = wrong.rev().max_by_key(|(_, n)| **n);
        let answered = most.map(|(answer, n)| format!("{} ({n})", c.classes[answer].name));
        rows.push(vec![
            class.name.clone(),
            class.images.to_string(),
            class.right.to_string(),
            percent(class.recall),
            answered.unwrap_or_default(),
        ]);
    }
    let right = Align::Right;
    table(&rows, &[Align::Left, right, right, right, Align::Left])
}

/// What a reader of the accuracy should know: sentences without an end.
pub fn remarks(c: &Classification) -> Vec<String> {
    let mut remarks = Vec::new();
    if !c.beats_majority() {
        remarks.push(format!(
            "the accuracy does not exceed that of always answering `{}`, which is right for {} of {} images",
            c.majority_class,
            c.classes.iter().map(|class| class.images).fold(0, usize::max),
            c.images
        ));
    }
    if c.auc.is_some_and(|auc| auc < WRONG_WAY) {
        remarks.push(
            "the classes are put in order the wrong way round: are the names of the network's classes in the right \
             order?"
                .to_owned(),
        );
    }
    if c.without_class > 0 {
        remarks.push(format!("{} images have no class: no logit of theirs is a number", c.without_class));
    }
    let counts: Vec<(&str, usize)> = c.classes.iter().map(|class| (class.name.as_str(), class.images)).collect();
    remarks.extend(few_images(&counts, &format!("a recall of fewer than {FEW} says little")));
    remarks
}

/// Says which classes have no image or few, given the names and counts of all, and what follows of
/// few.
pub fn few_images(counts: &[(&str, usize)], consequence: &str) -> Vec<String> {
    let names = |of: &dyn Fn(usize) -> bool| -> Vec<String> {
        counts
            .iter()
            .filter(|(_, n)| of(*n))
            .map(|(name, n)| if *n == 0 { format!("`{name}`") } else { format!("`{name}` ({n})") })
            .collect()
    };
    let (absent, few) = (names(&|n| n == 0), names(&|n| (1..FEW).contains(&n)));
    let mut remarks = Vec::new();
    if !absent.is_empty() {
        remarks.push(format!("there is no image of {}: nothing is known of it there", list(&absent)));
    }
    if !few.is_empty() {
        remarks.push(format!("there are few images of {}: {consequence}", list(&few)));
    }
    remarks
}

fn list(names: &[String]) -> String {
    let said = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => said,
        more => format!("{said} and {more} more classes"),
    }
}

#[cfg(test)]
mod tests {
    use beaa_ir::Classes;
    use beaa_ir::images::ImageMajor;

    use super::*;
    use crate::metrics::classification;

    /// Logits that answer `answers[i]` for image i.
    fn judged(names: &[&str], answers: &[usize], labels: &[usize]) -> Classification {
        let classes = Classes::new(names.iter().map(|&n| n.to_owned()).collect(), names.len(), None).unwrap();
        let row = |&answer: &usize| (0..names.len()).map(|k| f64::from(u8::from(k == answer))).collect::<Vec<f64>>();
        let logits = ImageMajor::from_rows(names.len(), answers.iter().map(row)).unwrap();
        classification(&classes, &logits, labels).unwrap()
    }

    #[test]
    fn an_accuracy_that_the_largest_class_explains_is_named() {
        let labels: Vec<usize> = (0..100).map(|i| usize::from(i >= 96)).collect();
        let text = classes(&judged(&["healthy", "ill"], &[0; 100], &labels));
        assert!(
            text.starts_with("balanced accuracy 50.00 %, AUC 0.5000; always answering `healthy`: 96.00 %\n"),
            "{text}"
        );
        assert!(
            text.contains("does not exceed that of always answering `healthy`, which is right for 96 of 100"),
            "{text}"
        );
        assert!(text.contains("few images of `ill` (4)"), "{text}");
        assert!(text.contains("ill           4      0    0.00 %  healthy (4)"), "{text}");
    }

    #[test]
    fn of_many_classes_the_worst_are_listed() {
        let names: Vec<String> = (0..20).map(|i| format!("c{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let labels: Vec<usize> = (0..200).map(|i| i % 19).collect();
        let answers: Vec<usize> = labels.iter().map(|&l| if l == 7 { 3 } else { l }).collect();
        let text = classes(&judged(&names, &answers, &labels));
        assert!(text.contains("worst 5 of 20 classes") && text.contains("c3 (11)"), "{text}");
        assert!(text.contains("no image of `c19`"), "{text}");
        assert!(text.lines().count() < 12, "{text}");
    }

    #[test]
    fn nothing_is_remarked_on_where_all_is_well() {
        let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
        assert!(remarks(&judged(&["a", "b"], &labels, &labels)).is_empty());
        let counts: Vec<(String, usize)> = (0..30).map(|i| (i.to_string(), 3)).collect();
        let counts: Vec<(&str, usize)> = counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert!(few_images(&counts, "")[0].contains("`4` (3) and 25 more classes"));
    }
}
