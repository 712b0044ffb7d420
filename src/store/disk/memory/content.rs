//! A file's octets: as they are seen, as they are synced, and what was done in between.

use super::chance::Chance;

/// What disks write as one piece.
const SECTOR_BYTES: usize = 512;
/// What the kernel writes back as one piece, if nothing comes between.
const SECTORS_PER_PAGE: usize = 8;

/// A file's octets, and what was done to them since the last sync.
#[derive(Clone, Default)]
pub(super) struct Content {
    pub live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Content {
    pub(super) fn apply(&mut self, change: Change) {
        change.apply(&mut self.live, |_| true);
        if let Change::Length(length) = change {
            self.live.resize(length, 0);
        }
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        if !self.unsynced.is_empty() {
            self.unsynced.clear();
            self.durable.clone_from(&self.live);
        }
    }

    pub(super) fn damage(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.live);
        self.unsynced.clear();
        self.durable = self.live.clone();
    }

    /// The file as a power cut leaves it.
    pub(super) fn cut(&self, chance: &mut Chance) -> Self {
        let mut octets = self.durable.clone();
        if !self.unsynced.is_empty() {
            let mut length = octets.len();
            let moment = chance.moment(self.unsynced.len());
            for change in &self.unsynced[..moment] {
                length = change.length(length);
            }
            let moments = self.moments(chance);
            for (number, change) in self.unsynced.iter().enumerate() {
                change.apply(&mut octets, |sector| {
                    moments.get(sector).is_some_and(|moment| *moment > number)
                });
            }
            octets.resize(length, 0);
        }
        Self { durable: octets.clone(), live: octets, unsynced: Vec::new() }
    }

    /// How many of the changes have reached each sector.
    fn moments(&self, chance: &mut Chance) -> Vec<usize> {
        let end = self.unsynced.iter().map(Change::end).fold(self.durable.len(), usize::max);
        let mut moments = Vec::new();
        while moments.len() * SECTOR_BYTES < end {
            let (one, other) =
                (chance.moment(self.unsynced.len()), chance.moment(self.unsynced.len()));
            let torn = chance.torn();
            moments.extend(
                (0..SECTORS_PER_PAGE).map(|_| if torn && chance.kept() { other } else { one }),
            );
        }
        moments
    }
}

impl Change {
    /// Does it where `reached` says so, sector by sector. The octets grow as needed.
    fn apply(&self, octets: &mut Vec<u8>, reached: impl Fn(usize) -> bool) {
        let (start, end) = match self {
            Self::Write { offset, bytes } => (*offset, offset + bytes.len()),
            Self::Length(length) => (*length, octets.len().max(*length)),
        };
        if octets.len() < end {
            octets.resize(end, 0);
        }
        let mut at = start;
        while at < end {
            let sector = at / SECTOR_BYTES;
            let until = end.min((sector + 1) * SECTOR_BYTES);
            if reached(sector) {
                match self {
                    Self::Write { bytes, .. } => {
                        octets[at..until].copy_from_slice(&bytes[at - start..until - start]);
                    }
                    Self::Length(_) => octets[at..until].fill(0),
                }
            }
            at = until;
        }
    }

    /// The file's length after it, if it was `before`.
    fn length(&self, before: usize) -> usize {
        match self {
            Self::Write { .. } => before.max(self.end()),
            Self::Length(length) => *length,
        }
    }

    fn end(&self) -> usize {
        match self {
            Self::Write { offset, bytes } => offset + bytes.len(),
            Self::Length(length) => *length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Content {
        let mut content = Content::default();
        content.apply(Change::Write { offset: 0, bytes: vec![1; 10_000] });
        content.sync();
        content.apply(Change::Write { offset: 100, bytes: vec![2; 9_000] });
        content.apply(Change::Length(20_000));
        content.apply(Change::Write { offset: 5_000, bytes: vec![3; 9_000] });
        content
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_is_of_some_moment_since() {
        let content = written();
        let mut seen = [false; 4];
        for seed in 0..200 {
            let cut = content.cut(&mut Chance::new(seed)).live;
            assert!([10_000, 20_000].contains(&cut.len()));
            assert_eq!(cut[..100], [1; 100]);
            assert!(cut[100..5_000].iter().all(|octet| [1, 2].contains(octet)));
            assert!(cut[5_000..9_100].iter().all(|octet| [1, 2, 3].contains(octet)));
            for (known, octet) in seen.iter_mut().zip([1, 2, 3, 0]) {
                *known |= cut[6_000..].contains(&octet);
            }
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!(content.cut(&mut Chance::none()).live, vec![1; 10_000]);
    }

    #[test]
    fn one_seed_gives_one_image() {
        let content = written();
        for seed in 0..20 {
            let (one, other) =
                (content.cut(&mut Chance::new(seed)), content.cut(&mut Chance::new(seed)));
            assert!(one.live == other.live);
        }
    }
}
