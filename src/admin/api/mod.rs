//! What each route answers: one file for each kind of thing, one function for each route.

pub(super) mod bindings;
pub(super) mod channels;
pub(super) mod connections;
pub(super) mod counters;
pub(super) mod definitions;
pub(super) mod drops;
pub(super) mod exchanges;
pub(super) mod health;
pub(super) mod messages;
pub(super) mod moving;
pub(super) mod node;
pub(super) mod overview;
pub(super) mod parameters;
pub(super) mod permissions;
pub(super) mod policies;
pub(super) mod queues;
pub(super) mod rules;
pub(super) mod system;
pub(super) mod tenancy;
pub(super) mod users;
pub(super) mod vhosts;
