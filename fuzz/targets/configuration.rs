//! A configuration file of both forms: read it, or say in a line what is wrong with it.
#![no_main]

use std::ffi::OsString;
use std::fs;

use leveret::config::Source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for form in ["conf", "toml"] {
        let path = std::env::temp_dir().join(format!("leveret-fuzz-{}.{form}", std::process::id()));
        fs::write(&path, bytes).expect("a temporary file");
        let flags = vec![OsString::from("--config"), path.clone().into_os_string()];
        let read = Source::read(flags);
        fs::remove_file(&path).expect("it was written");
        if let Err(error) = read {
            assert!(!error.to_string().is_empty());
        }
    }
});
