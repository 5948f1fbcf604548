//! Divides images in two, class by class in proportion.

use super::shuffle::permutation;
use crate::images::{Images, histogram};

/// Divides `images` into what stays and the `out` images that are held out, class by class in
/// proportion (largest remainder), so that small classes are in both parts. Both parts keep the
/// order of `images`. Deterministic in `seed` and `stream`.
pub(crate) fn stratified_split(images: &Images, out: usize, seed: u64, stream: u64) -> (Images, Images) {
    let n = images.len();
    assert!(out <= n, "{out} images held out of {n}");
    let mut quota = quotas(images.labels(), out);
    let mut held = vec![false; n];
    for i in permutation(b"beaa.carve......", n, seed, stream) {
        let left = &mut quota[usize::from(images.labels()[i])];
        if *left > 0 {
            *left -= 1;
            held[i] = true;
        }
    }
    let pick = |part: bool| -> Images {
        let indices: Vec<usize> = (0..n).filter(|&i| held[i] == part).collect();
        images.subset(&indices)
    };
    (pick(false), pick(true))
}

/// How many of each class make up `out` images: proportional, rest to the largest remainders, ties
/// to the lower class.
fn quotas(labels: &[u8], out: usize) -> [u64; 256] {
    let n = labels.len().max(1) as u128;
    let counts = histogram(labels);
    let share = counts.map(|c| u128::from(c) * out as u128);
    let mut quota = share.map(|share| (share / n) as u64);
    let mut by_remainder: Vec<usize> = (0..256).filter(|&class| counts[class] > 0).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(share[class] % n));
    let rest = out as u64 - quota.iter().sum::<u64>();
    for &class in by_remainder.iter().take(rest as usize) {
        quota[class] += 1;
    }
    quota
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(labels: Vec<u8>) -> Images {
        let pixels = (0..labels.len()).map(|i| i as u8).collect();
        Images::new("t", [1, 1, 1], pixels, labels).unwrap()
    }

    #[test]
    fn parts_are_disjoint_complete_seeded_and_in_proportion() {
        let labels: Vec<u8> = (0..100).map(|i| u8::from(i % 10 == 0)).collect();
        let all = images(labels);
        let (rest, held) = stratified_split(&all, 20, 7, 0);
        assert_eq!((rest.len(), held.len()), (80, 20));
        assert_eq!((histogram(rest.labels())[1], histogram(held.labels())[1]), (8, 2));
        let mut seen = [rest.pixels(), held.pixels()].concat();
        assert!(rest.pixels().is_sorted() && held.pixels().is_sorted());
        seen.sort_unstable();
        assert_eq!(seen, all.pixels());
        let again = stratified_split(&all, 20, 7, 0);
        assert_eq!(again, (rest, held.clone()));
        assert_ne!(stratified_split(&all, 20, 8, 0).1, held);
        assert_ne!(stratified_split(&all, 20, 7, 1).1, held);
    }

    #[test]
    fn counts_are_exact_whatever_the_classes() {
        let all = images(vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
        for out in 0..11 {
            let (rest, held) = stratified_split(&all, out, 1, 0);
            assert_eq!((rest.len(), held.len()), (11 - out, out));
        }
    }
}
