//! Work for all cores of this computer: the same for each of many hosts, or two things that need nothing of each other.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

/// The most threads of one piece of work: beyond, they wait for memory.
const MOST: usize = 8;
/// So many items a thread takes at a time.
const CHUNK: usize = 32;

/// What `one` makes of each item, in the order of the items. The thread that asks works too, and alone where no other can be had.
pub fn map<T: Sync, R: Send>(items: &[T], one: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(MOST);
    on(cores.min(items.len().div_ceil(CHUNK)).saturating_sub(1), items, one)
}

fn on<T: Sync, R: Send>(others: usize, items: &[T], one: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Vec<R>)> = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = items.chunks(CHUNK).nth(n) else { return done };
            done.push((n, chunk.iter().map(&one).collect()));
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (0..others).filter_map(|_| Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(n, _)| *n);
    done.into_iter().flat_map(|(_, made)| made).collect()
}

/// What both answer, at once; one after the other where no other thread can be had.
pub fn both<A, B: Send>(here: impl FnOnce() -> A, there: impl Fn() -> B + Sync) -> (A, B) {
    thread::scope(|scope| {
        let other = Builder::new().spawn_scoped(scope, &there);
        let here = here();
        (here, other.map_or_else(|_| there(), |other| other.join().unwrap_or_else(|panic| resume_unwind(panic))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_worked_on_once_and_the_order_stays_on_any_number_of_threads() {
        for count in [0, 1, CHUNK - 1, CHUNK, 5 * CHUNK + 1] {
            let items: Vec<usize> = (0..count).collect();
            let wanted: Vec<usize> = items.iter().map(|n| n * 2).collect();
            for others in [0, 1, 7] {
                let calls = AtomicUsize::new(0);
                let made = on(others, &items, |n| {
                    calls.fetch_add(1, Ordering::Relaxed);
                    n * 2
                });
                assert_eq!((made, calls.into_inner()), (wanted.clone(), count));
            }
            assert_eq!(map(&items, |n| n * 2), wanted);
        }
    }

    #[test]
    fn both_answer_and_run_at_once() {
        let (here, there) = both(|| thread::current().id(), || thread::current().id());
        assert_ne!(here, there);
    }

    #[test]
    #[should_panic(expected = "of one item")]
    fn a_panic_is_not_lost() {
        map(&(0..10 * CHUNK).collect::<Vec<_>>(), |n| assert_ne!(*n, 3, "of one item"));
    }
}
