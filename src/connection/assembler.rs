//! Puts contents together that come in several frames, one per channel at a time.
//!
//! ```text
//!            basic.publish            header, size > 0          last octet
//!   (none) ───────────────▶ Header ───────────────────▶ Body ───────────────▶ Command::Publish
//!                              │ size = 0                 (Discard if it is too long for the
//!                              └──────▶ Command::Publish   broker: Command::Oversized)
//! ```
//!
//! On a channel that the broker has closed, contents are dropped until the client's close-ok: the
//! client may break off in the middle of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::broker::{Command, Exception};
use crate::ids::ChannelNumber;
use crate::wire::ReplyCode;

use super::allowance::Allowance;
use super::content::{ContentHeader, Draft, unexpected_frame};

/// What is known of a content that is not complete.
#[derive(Debug)]
enum Assembly {
    /// The method has come.
    Header(Draft),
    /// The header has come, and a part of the body.
    Body { draft: Draft, missing: u64 },
    /// As `Body`, but too long: what comes is thrown away.
    Discard { body_size: u64, missing: u64 },
}

/// The incomplete contents of a connection.
#[derive(Debug)]
pub(super) struct Assembler {
    body_octets_max: u64,
    kept_octets_max: u64,
    kept_octets: u64,
    /// What all connections together may keep; `kept_octets` of it are taken.
    allowance: Arc<Allowance>,
    assemblies: BTreeMap<ChannelNumber, Assembly>,
    closed: BTreeSet<ChannelNumber>,
}

impl Assembler {
    /// Takes bodies of at most `body_octets_max`, and at most `kept_octets_max` of incomplete ones
    /// on all channels together, as far as the allowance goes.
    pub(super) fn new(
        body_octets_max: u64,
        kept_octets_max: u64,
        allowance: Arc<Allowance>,
    ) -> Self {
        Self {
            body_octets_max,
            kept_octets_max,
            kept_octets: 0,
            allowance,
            assemblies: BTreeMap::new(),
            closed: BTreeSet::new(),
        }
    }

    /// Whether a whole publish on this channel may pass by.
    pub(super) fn is_free(&self, channel: ChannelNumber) -> bool {
        !self.assemblies.contains_key(&channel) && !self.closed.contains(&channel)
    }

    /// The broker has closed a channel: contents on it are nobody's.
    pub(super) fn close_channel(&mut self, channel: ChannelNumber) {
        self.drop_assembly(channel);
        self.closed.insert(channel);
    }

    /// The client has seen that: the number may be used again.
    pub(super) fn reopen_channel(&mut self, channel: ChannelNumber) {
        self.closed.remove(&channel);
    }

    /// Refuses a method where a content frame is due (505).
    pub(super) fn expect_method(&self, channel: ChannelNumber) -> Result<(), Exception> {
        match self.assemblies.get(&channel) {
            None => Ok(()),
            Some(Assembly::Header(_)) => Err(no_header()),
            Some(Assembly::Body { .. } | Assembly::Discard { .. }) => {
                Err(unexpected_frame("expected content body, got non content body frame instead"))
            }
        }
    }

    /// A basic.publish.
    pub(super) fn publish(
        &mut self,
        channel: ChannelNumber,
        payload: &[u8],
    ) -> Result<(), Exception> {
        self.expect_method(channel)?;
        let draft = Draft::new(payload)?;
        if !self.closed.contains(&channel) {
            self.assemblies.insert(channel, Assembly::Header(draft));
        }
        Ok(())
    }

    /// A content header frame. Returns the publish if its body is empty.
    pub(super) fn header(
        &mut self,
        channel: ChannelNumber,
        payload: &[u8],
    ) -> Result<Option<Command>, Exception> {
        if self.closed.contains(&channel) {
            return Ok(None);
        }
        let mut draft = match self.assemblies.remove(&channel) {
            Some(Assembly::Header(draft)) => draft,
            Some(assembly) => {
                self.assemblies.insert(channel, assembly);
                return self.expect_method(channel).map(|()| None);
            }
            None => return Err(no_method()),
        };
        let header = ContentHeader::parse(payload)?;
        let missing = header.body_size;
        if missing > self.body_octets_max {
            let discard = Assembly::Discard { body_size: missing, missing };
            self.assemblies.insert(channel, discard);
            return Ok(None);
        }
        draft.set_header(&header);
        if missing == 0 {
            return Ok(Some(draft.finish(channel)));
        }
        self.keep(draft.octets())?;
        self.assemblies.insert(channel, Assembly::Body { draft, missing });
        Ok(None)
    }

    /// A body frame of `length` octets begins.
    pub(super) fn begin_body(&self, channel: ChannelNumber, length: u64) -> Result<(), Exception> {
        if self.closed.contains(&channel) {
            return Ok(());
        }
        match self.assemblies.get(&channel) {
            None => Err(no_method()),
            Some(Assembly::Header(_)) => Err(no_header()),
            Some(Assembly::Body { missing, .. } | Assembly::Discard { missing, .. }) => {
                if length <= *missing {
                    return Ok(());
                }
                let text = format!("body frame of {length} octets where {missing} were missing");
                Err(Exception { code: ReplyCode::FrameError, ..unexpected_frame(text) })
            }
        }
    }

    /// Octets of a body frame that has begun.
    pub(super) fn extend(
        &mut self,
        channel: ChannelNumber,
        octets: &[u8],
    ) -> Result<(), Exception> {
        let length = octets.len() as u64;
        match self.assemblies.get_mut(&channel) {
            Some(Assembly::Body { draft, missing }) => {
                draft.extend(octets, *missing);
                *missing = missing.saturating_sub(length);
                self.keep(length)
            }
            Some(Assembly::Discard { missing, .. }) => {
                *missing = missing.saturating_sub(length);
                Ok(())
            }
            Some(Assembly::Header(_)) | None => Ok(()),
        }
    }

    /// Where so many octets of a body frame that has begun may be put, if they are for a body;
    /// [`Self::extended`] is to be told.
    pub(super) fn room(&mut self, channel: ChannelNumber, octets: usize) -> Option<&mut Vec<u8>> {
        match self.assemblies.get_mut(&channel)? {
            Assembly::Body { draft, missing } => Some(draft.room(octets, *missing)),
            Assembly::Header(_) | Assembly::Discard { .. } => None,
        }
    }

    /// So many octets were put there.
    pub(super) fn extended(
        &mut self,
        channel: ChannelNumber,
        octets: u64,
    ) -> Result<(), Exception> {
        if let Some(Assembly::Body { missing, .. }) = self.assemblies.get_mut(&channel) {
            *missing = missing.saturating_sub(octets);
        }
        self.keep(octets)
    }

    /// Octets of a body that have not come.
    pub(super) fn missing(&self, channel: ChannelNumber) -> u64 {
        match self.assemblies.get(&channel) {
            Some(Assembly::Body { missing, .. }) => *missing,
            _ => 0,
        }
    }

    /// The end of a body frame. Returns the publish if it was the last one.
    pub(super) fn end_body(&mut self, channel: ChannelNumber) -> Option<Command> {
        match self.assemblies.get(&channel) {
            Some(Assembly::Body { missing: 0, .. } | Assembly::Discard { missing: 0, .. }) => {}
            Some(_) | None => return None,
        }
        match self.drop_assembly(channel)? {
            Assembly::Body { draft, .. } => Some(draft.finish(channel)),
            Assembly::Discard { body_size, .. } => Some(Command::Oversized(channel, body_size)),
            Assembly::Header(_) => None,
        }
    }

    fn keep(&mut self, octets: u64) -> Result<(), Exception> {
        let text = if self.kept_octets + octets > self.kept_octets_max {
            format!("incomplete contents exceed {} octets", self.kept_octets_max)
        } else if !self.allowance.take(octets) {
            let max = self.allowance.max();
            format!("incomplete contents of all connections exceed {max} octets")
        } else {
            self.kept_octets += octets;
            return Ok(());
        };
        Err(Exception { code: ReplyCode::ResourceError, ..unexpected_frame(text) })
    }

    fn give_back(&mut self, octets: u64) {
        let octets = octets.min(self.kept_octets);
        self.kept_octets -= octets;
        self.allowance.give_back(octets);
    }

    fn drop_assembly(&mut self, channel: ChannelNumber) -> Option<Assembly> {
        let assembly = self.assemblies.remove(&channel)?;
        if let Assembly::Body { draft, .. } = &assembly {
            self.give_back(draft.octets());
        }
        Some(assembly)
    }
}

impl Drop for Assembler {
    fn drop(&mut self) {
        self.give_back(self.kept_octets);
    }
}

fn no_method() -> Exception {
    Exception {
        method: None,
        ..unexpected_frame("expected method frame, got non method frame instead")
    }
}

fn no_header() -> Exception {
    unexpected_frame("expected content header for class 60, got non content header frame instead")
}
