//! What each route answers: one file for each kind of thing, one function for each route.

pub(super) mod bindings;
pub(super) mod channels;
pub(super) mod connections;
pub(super) mod counters;
pub(super) mod drops;
pub(super) mod exchanges;
pub(super) mod health;
pub(super) mod messages;
pub(super) mod moving;
pub(super) mod node;
pub(super) mod overview;
pub(super) mod queues;
pub(super) mod system;
pub(super) mod vhosts;
