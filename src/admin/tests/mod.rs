//! Management over real sockets, where a test has to know the table of routes.

mod authorization;
mod stage;

use std::fs;
use std::path::Path;

#[test]
fn no_handler_reads_a_field_past_its_type() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/api");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for word in ["as_bool(", "as_u64(", "as_i64(", "as_f64(", "get(\"durable\")"] {
            assert!(!text.contains(word), "{} has {word}: fields.rs is for that", path.display());
        }
    }
}
