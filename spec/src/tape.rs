//! A tape of numbers that a generator reads its choices from.
//!
//! Whatever is on the tape, the generator makes something valid of it; past its end every choice
//! is the first. So shorter tapes and smaller numbers give simpler cases, and shrinking the tape
//! shrinks the case, whatever depends on whatever in it.

/// A source of choices.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    data: Vec<u32>,
    position: usize,
}

impl Tape {
    pub fn new(data: Vec<u32>) -> Tape {
        Tape { data, position: 0 }
    }

    /// A tape of random numbers, the same for the same seed (SplitMix64).
    pub fn seeded(seed: u64, length: usize) -> Tape {
        let mut state = seed;
        let data = (0..length)
            .map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) >> 32) as u32
            })
            .collect();
        Tape::new(data)
    }

    pub fn data(&self) -> &[u32] {
        &self.data
    }

    /// How many numbers have been read, at most all.
    pub fn used(&self) -> usize {
        self.position.min(self.data.len())
    }

    fn next(&mut self) -> u32 {
        let n = self.data.get(self.position).copied().unwrap_or(0);
        self.position += 1;
        n
    }

    /// A number below `n` (0 if there is none).
    pub fn below(&mut self, n: usize) -> usize {
        // Scaled, not reduced modulo n: a smaller number on the tape is a smaller choice.
        ((u64::from(self.next()) * n as u64) >> 32) as usize
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in so many of a hundred cases; false past the end of the tape.
    pub fn percent(&mut self, n: usize) -> bool {
        self.below(100) >= 100 - n.min(100)
    }

    /// One of these; the first is the simplest. None if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let i = self.below(items.len());
        items.get(i)
    }

    /// An index, each as often as its weight says; the first of weight is the simplest.
    pub fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut n = self.below(weights.iter().sum());
        for (i, w) in weights.iter().enumerate() {
            if n < *w {
                return i;
            }
            n -= w;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tape_makes_the_first_choice() {
        let mut tape = Tape::default();
        assert_eq!(tape.below(7), 0);
        assert!(!tape.percent(99));
        assert_eq!(tape.weighted(&[0, 3, 1]), 1);
        assert_eq!(tape.pick::<u8>(&[]), None);
    }

    #[test]
    fn choices_are_spread() {
        let mut tape = Tape::seeded(1, 4000);
        let mut hits = [0; 4];
        for _ in 0..4000 {
            hits[tape.weighted(&[1, 0, 1, 2])] += 1;
        }
        assert_eq!(hits[1], 0);
        assert!(
            (800..1200).contains(&hits[0]) && (1800..2200).contains(&hits[3]),
            "{hits:?}"
        );
    }
}
