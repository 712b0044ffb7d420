//! Methods: what is decoded is encoded the same, and an error names its method.
#![no_main]

use leveret::wire::{Method, MethodId, PublishView};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if PublishView::is_publish(bytes) {
        assert_eq!(PublishView::parse(bytes).is_ok(), Method::decode(bytes).is_ok());
    }
    match Method::decode(bytes) {
        Ok(method) => {
            let mut once = Vec::new();
            method.encode(&mut once);
            let again = Method::decode(&once).expect("what was encoded is a method");
            let mut twice = Vec::new();
            again.encode(&mut twice);
            assert_eq!(once, twice);
            let _ = method.to_string();
        }
        Err(error) => assert_eq!(error.method, MethodId::of(bytes).ok()),
    }
});
