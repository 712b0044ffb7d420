//! Tests of Leveret from outside its modules: golden scripts of the broker, and the style of the
//! source. Those that need real processes are in `tests/crash.rs` and `tests/interop/`.

mod scripts;
mod tidy;
