//! Field tables: checked, decoded, searched and packed they are the same.
#![no_main]

use leveret::wire::{PackedTable, Table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let decoded = Table::decode(bytes);
    assert_eq!(decoded.is_ok(), Table::check(bytes).is_ok());
    let _ = Table::find(bytes, "a");
    let Ok(table) = decoded else { return };
    let packed = PackedTable::from(&table);
    let octets = |table: &Table| {
        let mut out = Vec::new();
        table.encode(&mut out);
        out
    };
    let once = octets(&table);
    assert_eq!(once, octets(&packed.unpack()));
    assert!(once.len() <= 4 + bytes.len() * 3, "a name is at most made valid UTF-8");
    for (name, value) in table.iter() {
        let found = packed.get(name).expect("every name is found");
        if table.get(name).is_some_and(|last| std::ptr::eq(last, value)) {
            assert_eq!(format!("{found:?}"), format!("{value:?}"));
        }
    }
    let _ = table.to_string();
});
