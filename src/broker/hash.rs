//! Hashes that are the same on every machine and after every restart, and are no secret.

/// A hash of some octets: FNV-1a (Fowler, Noll and Vo), mixed.
pub(super) fn hash(octets: impl IntoIterator<Item = u8>) -> u64 {
    let hash = octets.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(hash)
}

/// Mixes a number so that each of its bits changes half of the result's: the last step of
/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
