//! Ending at once leaves nothing. Alone in its process, since it takes all temporary files away.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use beaa_base::output::{Care, OutputFile, abandon};

#[test]
fn what_is_abandoned_leaves_nothing_and_appears_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = OutputFile::create(&folder.path().join("x"), Care::Kept).unwrap();
    file.write_all(b"half").unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let held = abandon();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let late = std::thread::spawn(move || file.commit().is_err());
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!late.is_finished());
    drop(held);
    assert!(late.join().unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
