//! Tables in each other, on the stack that a connection has.

use std::thread;

use crate::wire::{DEPTH_MAX, Table};

/// The octets of a table with so many tables or arrays in each other.
fn nested(tag: u8, depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for level in 0..depth {
        let mut outer = if tag == b'F' || level + 1 == depth { b"\x01a".to_vec() } else { vec![] };
        outer.push(tag);
        outer.extend_from_slice(&u32::try_from(inner.len()).unwrap().to_be_bytes());
        outer.append(&mut inner);
        inner = outer;
    }
    inner
}

#[test]
fn a_hundred_levels_are_handled_on_the_stack_of_a_connection_and_one_more_is_refused() {
    let whole = || {
        for tag in [b'F', b'A'] {
            let bytes = nested(tag, DEPTH_MAX);
            Table::check(&bytes).unwrap();
            let table = Table::decode(&bytes).unwrap();
            let copy = table.clone();
            assert!(copy == table && copy.to_string().len() > DEPTH_MAX);
            let mut out = Vec::new();
            table.encode(&mut out);
            assert_eq!(out[4..], bytes);
            assert!(Table::find(&bytes, "a").is_some() && Table::find(&bytes, "b").is_none());
            for depth in [DEPTH_MAX + 1, 10_000] {
                let bytes = nested(tag, depth);
                assert!(Table::check(&bytes).is_err() && Table::decode(&bytes).is_err());
            }
        }
    };
    let thread = thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(whole).unwrap().join().unwrap();
}
