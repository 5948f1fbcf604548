//! Tests of memory that moves: whose it is, and how much of it there is.

use super::*;

/// The pool is everybody's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn idle_blocks() -> usize {
    pool().idle.iter().map(|blocks| blocks.count()).sum()
}

#[test]
fn kept_pages_are_used_again_for_other_sizes() {
    let _turn = turn();
    drop(Words::unset(FEWEST));
    assert_eq!(idle_blocks(), 0, "nobody keeps them");
    let keeper = keep_pages();
    let (mut first, mut second) = (Words::unset(FEWEST), Words::unset(FEWEST + 5));
    first.fill(7);
    second.fill(8);
    let address = second.as_ptr();
    drop((first, second));
    assert_eq!(idle_blocks(), 16 + 17);
    let same = Words::unset(FEWEST + 1);
    assert!(same.as_ptr() == address && same[FEWEST] == 8, "a piece that fits is not moved");
    drop(same);
    let larger = Words::unset(2 * FEWEST);
    assert_eq!(idle_blocks(), 1);
    let ours = larger.iter().filter(|w| [7, 8].contains(*w)).count();
    assert!(ours > 2 * FEWEST - (1 << 18), "both, whatever they hold: {ours}");
    let another = Words::unset(FEWEST);
    assert_eq!(idle_blocks(), 0);
    assert!(another.iter().all(|w| [0, 7, 8].contains(w)));
    drop((larger, another));
    assert_eq!(idle_blocks(), 48);
    assert_eq!(mapped_bytes(), 48 * BLOCK);
    drop(keeper);
    assert_eq!((idle_blocks(), mapped_bytes()), (0, 0), "given back");
}

#[test]
fn pages_are_of_one_holder_at_a_time() {
    let _turn = turn();
    let work = |seed: u64| {
        let _keeper = keep_pages();
        let mut held: Vec<(u64, Words)> = Vec::new();
        let mut state = seed;
        for mark in 0..150 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let size = FEWEST + (state >> 33) as usize % (2 * FEWEST);
            let mut words = Words::unset(size);
            // A word of every small page.
            words.iter_mut().step_by(512).for_each(|w| *w = mark + (seed << 32));
            held.push((mark + (seed << 32), words));
            if held.len() > 4 {
                let (mark, words) = held.swap_remove((state >> 40) as usize % held.len());
                assert!(words.iter().step_by(512).all(|w| *w == mark), "nobody else wrote there");
            }
        }
    };
    std::thread::scope(|scope| (1..=3).for_each(|seed| drop(scope.spawn(move || work(seed)))));
    assert_eq!(idle_blocks(), 0);
}

#[test]
fn there_are_never_more_pages_than_were_used_at_once() {
    let _turn = turn();
    let _keeper = keep_pages();
    let sizes = [FEWEST, 3 * FEWEST, 2 * FEWEST, FEWEST + 1, 4 * FEWEST - 1];
    for (i, &first) in sizes.iter().enumerate() {
        let one = Words::unset(first);
        let two = Words::unset(sizes[(i + 2) % sizes.len()]);
        drop(one);
        drop(two);
    }
    assert!(idle_blocks() <= 4 * 16 + 3 * 16 + 2, "{} blocks", idle_blocks());
}

#[test]
fn few_words_and_vectors_are_the_allocator_s() {
    let _turn = turn();
    let _keeper = keep_pages();
    assert_eq!(*Words::unset(3), [0; 3]);
    let words = Words::from(vec![1, 2, 3]);
    assert!(words.clone() == words && *words == [1, 2, 3]);
    let many: Vec<u64> = (0..FEWEST as u64).collect();
    assert_eq!(*Words::copy_of(&many), *many);
    drop(Words::from(many));
    assert_eq!(idle_blocks(), 16, "the copy's alone");
}
