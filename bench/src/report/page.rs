//! Puts tables into a page, between marks that the page holds; what stands outside the marks stays
//! as it is.

use crate::error::setting;
use crate::{Result, Table};

const END: &str = "<!-- end -->";

/// Returns the page with every table between its marks, `<!-- bench NAME -->` and `<!-- end -->`. A
/// table whose marks the page lacks is left out.
///
/// # Errors
///
/// If a mark has no end.
pub fn fill_page(page: &str, tables: &[Table]) -> Result<String> {
    let mut page = page.to_owned();
    for table in tables {
        let mark = format!("<!-- bench {} -->", table.name);
        let Some(start) = page.find(&mark).map(|at| at + mark.len()) else { continue };
        let Some(length) = page[start..].find(END) else {
            return Err(setting("writing tables into a page", format!("{mark} without an end"), END));
        };
        page.replace_range(start..start + length, &format!("\n\n{}\n", table.markdown()));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes_and_again_the_same_way() {
        let table = Table { name: "some", rows: vec![vec!["a".into(), "b".into()], vec!["c".into(), "1".into()]] };
        let page = "before\n<!-- bench some -->\nold\n<!-- end -->\nafter\n";
        let once = fill_page(page, std::slice::from_ref(&table)).unwrap();
        assert!(
            once.starts_with("before\n<!-- bench some -->\n\n| a | b |") && once.ends_with("<!-- end -->\nafter\n")
        );
        assert!(!once.contains("old"));
        assert_eq!(fill_page(&once, std::slice::from_ref(&table)).unwrap(), once);
        assert_eq!(fill_page("nothing here", std::slice::from_ref(&table)).unwrap(), "nothing here");
        assert!(fill_page("<!-- bench some --> no end", &[table]).is_err());
    }
}
