//! Properties of messages: viewed and decoded they are the same.
#![no_main]

use leveret::wire::{Properties, PropertiesView};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let view = PropertiesView::parse(bytes);
    let decoded = Properties::decode(bytes);
    assert_eq!(view.is_ok(), decoded.is_ok());
    let (Ok(view), Ok(properties)) = (view, decoded) else { return };
    assert_eq!(view.headers_table().is_some(), properties.headers.is_some());
    let mut once = Vec::new();
    properties.encode(&mut once);
    let mut twice = Vec::new();
    Properties::decode(&once).expect("what was encoded is there").encode(&mut twice);
    assert_eq!(once, twice);
    let _ = properties.to_string();
});
