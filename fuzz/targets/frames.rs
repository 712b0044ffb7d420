//! Frames: what comes later never changes what was read.
#![no_main]

use leveret::wire::{parse_frame, parse_frame_header};
use libfuzzer_sys::fuzz_target;

const PAYLOAD_MAX: u32 = 4088;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse_frame(bytes, PAYLOAD_MAX);
    let header = parse_frame_header(bytes, PAYLOAD_MAX);
    for end in 0..bytes.len().min(64) {
        match parse_frame(&bytes[..end], PAYLOAD_MAX) {
            Ok(None) => {}
            early => assert_eq!(format!("{early:?}"), format!("{whole:?}")),
        }
        match parse_frame_header(&bytes[..end], PAYLOAD_MAX) {
            Ok(None) => {}
            early => assert_eq!(format!("{early:?}"), format!("{header:?}")),
        }
    }
    if let Ok(Some((frame, octets))) = whole {
        assert!(octets <= bytes.len() && frame.payload.len() + 8 == octets);
    }
});
