//! The circumstances of one method: who asks, on which channel, when, and where answers go.

use crate::ids::Timestamp;

use super::effect::Effects;

/// See the module. Connections and channels are named by their places in the broker's tables.
pub(super) struct Call<'a> {
    /// The turn's time.
    pub now: Timestamp,
    /// The place of the connection.
    pub connection: usize,
    /// The place of the channel.
    pub channel: usize,
    /// Where outputs go.
    pub effects: &'a mut Effects,
}
