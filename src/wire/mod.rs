//! Bytes to frames to methods and back. Nothing here has a state, a clock or a socket.
//!
//! ```text
//!   | type u8 | channel u16 | size u32 | payload: size octets | 0xCE |          a frame
//!                                        | class u16 | method u16 | arguments |  of type method
//! ```
//!
//! `methods.rs` is the one table of all methods, to be read next to the specification; everything
//! that is said of a method follows from its row.

mod codec;
mod define;
mod field;
mod frame;
mod methods;
mod packed;
mod properties;
mod publish;
mod reply_code;
mod short;
mod text;

pub use codec::{Reader, WireError};
pub use field::{DEPTH_MAX, Decimal, Field, Table};
pub use frame::{
    FRAME_END, FRAME_OVERHEAD, Frame, FrameHeader, FrameKind, HEARTBEAT, PROTOCOL_HEADER,
    parse_frame, parse_frame_header, write_body_frame_header, write_content_header,
    write_method_frame, write_with_frame,
};
pub use methods::{
    METHODS, Method, access, basic, channel, confirm, connection, exchange, queue, tx,
};
pub use packed::PackedTable;
pub use properties::{Properties, PropertiesView};
pub use publish::PublishView;
pub use reply_code::ReplyCode;
pub use short::{ShortBytes, ShortString};

/// A method's numbers: its class and its own (section 2.2.2 of the specification's generated part).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MethodId {
    /// The class, for example 50 for queue.
    pub class: u16,
    /// The method within its class, for example 10 for declare.
    pub method: u16,
}

impl MethodId {
    /// The numbers that a method frame's payload begins with.
    ///
    /// # Errors
    ///
    /// 501 when it is too short for them.
    pub fn of(payload: &[u8]) -> Result<Self, WireError> {
        let Some(&[class, of_class, method, of_method]) = payload.first_chunk() else {
            return Err(WireError::frame("a method frame is too short for a method"));
        };
        let (class, method) = ([class, of_class], [method, of_method]);
        Ok(Self { class: u16::from_be_bytes(class), method: u16::from_be_bytes(method) })
    }

    /// The method's name, such as `queue.declare`; for numbers that are no method's, that of none.
    pub fn name(self) -> &'static str {
        METHODS.iter().find(|info| info.id == self).map_or("no method", |info| info.name)
    }
}

/// A row of the table of methods, for documentation and tests.
#[derive(Clone, Copy, Debug)]
pub struct MethodInfo {
    /// Its numbers.
    pub id: MethodId,
    /// Its name: `queue.declare`.
    pub name: &'static str,
}
