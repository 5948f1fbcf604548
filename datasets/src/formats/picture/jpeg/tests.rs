//! Files of every coding that is read, whole and in every way not whole.

use super::check;
use crate::testing::JPEG_FIXTURES as WHOLE;

/// Positions of the markers `code` outside of entropy-coded zeros.
fn markers(file: &[u8], code: u8) -> Vec<usize> {
    (0..file.len() - 1).filter(|&i| file[i..].starts_with(&[0xff, code])).collect()
}

fn refused(file: &[u8], part: &str) {
    let reason = check(file).unwrap_err();
    assert!(reason.contains(part), "{reason}, expected {part}");
    assert!(!reason.contains('\n'));
}

#[test]
fn whole_files_are_fine_whatever_follows_them() {
    for (name, file) in WHOLE {
        assert_eq!(check(file), Ok(()), "{name}");
        for after in [&b"\0\0\0"[..], b"\xff", b"trailing text \xff\xd9"] {
            assert_eq!(check(&[file, after].concat()), Ok(()), "{name}");
        }
    }
}

#[test]
fn every_prefix_is_refused() {
    for (name, file) in WHOLE {
        for length in 3..file.len() {
            assert!(check(&file[..length]).is_err(), "{name}, {length} of {} bytes", file.len());
        }
    }
}

#[test]
fn a_cut_with_an_end_put_behind_it_is_refused() {
    for (name, file) in WHOLE {
        let first_scan = markers(file, 0xda)[0];
        // The last byte of data holds up to seven bits of padding, which are no loss.
        for length in first_scan + 14..file.len() - 3 {
            let cut = [&file[..length], &[0xff, 0xd9]].concat();
            assert!(check(&cut).is_err(), "{name}, {length} of {} bytes and an end", file.len());
        }
    }
}

/// As programs leave them that set the size of a file before its content has arrived.
#[test]
fn tails_of_zeros_are_refused() {
    for (name, file) in WHOLE {
        for length in 3..file.len() {
            let mut cut = file.to_vec();
            cut[length..].fill(0);
            assert!(check(&cut).is_err(), "{name}, {length} of {} bytes and zeros", file.len());
        }
    }
}

/// JPEG has no checksum: a hole may by chance leave as many blocks as there should be, of other
/// content.
#[test]
fn bytes_missing_in_the_middle_are_refused_but_for_chance() {
    let (mut holes, mut accepted) = (0, 0);
    for (_, file) in WHOLE {
        let first = markers(file, 0xda)[0] + 14;
        for (missing, step) in [(120, 11), (400, 31)] {
            for from in (first..file.len().saturating_sub(missing + 4)).step_by(step) {
                holes += 1;
                accepted += u32::from(check(&[&file[..from], &file[from + missing..]].concat()).is_ok());
            }
        }
    }
    assert!(holes > 300 && accepted * 50 < holes, "{accepted} of {holes}");
}

#[test]
fn scans_that_never_come_are_missed() {
    let (_, file) = WHOLE[1];
    let scans = markers(file, 0xda);
    assert!(scans.len() > 8, "{}", scans.len());
    for &scan in &scans[1..] {
        refused(&[&file[..scan], &[0xff, 0xd9]].concat(), "missing");
    }
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let (_, file) = WHOLE[0];
    let frame = markers(file, 0xc0)[0];
    for (code, name) in
        [(0xc3, "lossless"), (0xc5, "hierarchical"), (0xc9, "arithmetic"), (0xca, "arithmetic"), (0xf7, "JPEG-LS")]
    {
        let mut other = file.to_vec();
        other[frame + 1] = code;
        refused(&other, name);
    }
    let mut twelve = file.to_vec();
    (twelve[frame + 1], twelve[frame + 4]) = (0xc1, 12);
    refused(&twelve, "12 bits a sample");
    refused(&[file, file].concat(), "several pictures");
    let mut huge = file.to_vec();
    huge[frame + 5..frame + 9].fill(0xff);
    refused(&huge, "65535 x 65535");
    huge[frame + 5..frame + 7].fill(0);
    refused(&huge, "height");
}

#[test]
fn damaged_segments_are_refused_without_a_crash() {
    for (_, file) in WHOLE {
        for at in 2..file.len() {
            for value in [0xff, file[at] ^ 0x41] {
                let mut damaged = file.to_vec();
                damaged[at] = value;
                // Some changes give another picture; the point is that each is looked at.
                let _ = check(&damaged);
            }
        }
    }
    let (_, file) = WHOLE[2];
    let mut without = file.to_vec();
    without[markers(file, 0xd3)[0] + 1] = 0xd4;
    refused(&without, "restart marker");
}
