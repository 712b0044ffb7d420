//! What a package brings beside the broker: settings, completion, and the word with systemd.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use leveret::config::Config;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const BROKER: &str = env!("CARGO_BIN_EXE_leveret");

#[test]
fn the_settings_of_the_package_are_settings() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/leveret.toml");
    let flags = ["--strict-config".into(), "--config".into(), file.into()];
    let (config, _) = Config::read(&flags).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/leveret"));
}

#[test]
fn systemd_is_told_when_clients_can_come_and_when_the_broker_stops() {
    let directory = TempDir::new().unwrap();
    let address = directory.path().join("notify");
    let manager = UnixDatagram::bind(&address).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut broker = Command::new(BROKER)
        .args(["--listen", "127.0.0.1:0", "--management", "off", "--data-dir"])
        .arg(directory.path().join("data"))
        .env("NOTIFY_SOCKET", &address)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = || {
        let mut state = [0; 64];
        let length = manager.recv(&mut state).unwrap();
        String::from_utf8_lossy(&state[..length]).into_owned()
    };
    assert_eq!(told(), "READY=1");
    kill_process(Pid::from_child(&broker), Signal::TERM).unwrap();
    assert_eq!(told(), "STOPPING=1");
    assert!(broker.wait().unwrap().success());
}

/// What bash offers behind these words.
fn completed(words: &str) -> String {
    let program = format!(
        "source <({BROKER} completion bash); COMP_WORDS=(leveret {words}); \
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         _leveret leveret \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; \
         echo \"${{COMPREPLY[*]}}\""
    );
    let output = Command::new("bash").args(["-c", &program]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn bash_completes_flags_values_and_commands() {
    assert_eq!(completed("--fsy"), "--fsync");
    assert_eq!(completed("serve --log-format j"), "json");
    assert!(completed("p").contains("perf"));
    for shell in ["fish", "zsh"] {
        let output = Command::new(BROKER).args(["completion", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("fsync"), "{shell}: {script}");
    }
}

#[cfg(feature = "management")]
#[test]
fn bash_completes_the_commands_of_ctl() {
    let queues = completed("ctl list_q");
    assert_eq!(queues, "list_queues");
    assert!(completed("ctl pur").starts_with("purge_queue"));
}
