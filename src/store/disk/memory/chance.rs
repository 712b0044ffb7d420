//! What a power cut leaves, drawn from a seed.

/// How much of what was not synced has got to the disk.
#[derive(Clone, Copy)]
enum Luck {
    None,
    All,
    /// One in so many is lost.
    OneLost(u64),
    Half,
}

/// A seeded source of luck (SplitMix64).
pub(super) struct Chance {
    state: u64,
    luck: Luck,
}

impl Chance {
    /// Nothing that was not synced is there.
    pub(super) fn none() -> Self {
        Self { state: 0, luck: Luck::None }
    }

    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Self { state: seed, luck: Luck::Half };
        chance.luck = match chance.below(8) {
            0 => Luck::None,
            1 => Luck::All,
            2 => Luck::OneLost(30),
            3 => Luck::OneLost(8),
            _ => Luck::Half,
        };
        chance
    }

    /// Whether one thing has got to the disk.
    pub(super) fn kept(&mut self) -> bool {
        self.moment(1) == 1
    }

    /// How many of `changes` in a row have got to the disk.
    pub(super) fn moment(&mut self, changes: usize) -> usize {
        let luck = self.luck;
        match luck {
            Luck::None => 0,
            Luck::All => changes,
            Luck::OneLost(many) if self.below(many) != 0 => changes,
            Luck::OneLost(_) | Luck::Half => match self.below(3) {
                0 => 0,
                1 => changes,
                _ => usize::try_from(self.below(changes as u64 + 1)).unwrap_or(changes),
            },
        }
    }

    /// Whether a page is torn.
    pub(super) fn torn(&mut self) -> bool {
        matches!(self.luck, Luck::OneLost(_) | Luck::Half) && self.below(4) == 0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
