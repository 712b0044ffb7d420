//! The broker as a process: what an operator sees of it, and can tell it while it runs.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A broker whose file may be written anew.
struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
    file: PathBuf,
    _directory: TempDir,
}

impl Process {
    fn start(settings: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("leveret.toml");
        fs::write(&file, settings).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_leveret"))
            .args(["--listen", "127.0.0.1:0", "--management", "off"])
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .arg("--config")
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, file, _directory: directory }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Writes the file anew, and has it read.
    fn reload(&self, settings: &str) {
        fs::write(&self.file, settings).unwrap();
        self.signal(Signal::HUP);
    }

    /// Reads the log up to a line with these words.
    fn logs(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ends without '{words}'");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Stops the broker and returns the rest of the log.
    fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only a test that has failed leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn settings_change_on_sighup_or_not_at_all() {
    let mut broker = Process::start("disk_free_limit = 0\nlog = 'info'\n");
    broker.reload("disk_free_limit = '9000000GiB'\nlog = 'debug'\nstrict = true\nnonsense = 1\n");
    broker.logs("unknown key 'nonsense'");
    broker.logs("disk-free-limit is 9000000GiB, was 0");
    broker.logs("log is debug, was info");
    assert!(broker.logs("strict is true from the next start").contains("WARN"));
    broker.logs("publishers are blocked: low on disk");
    broker.reload("disk_free_limit = 0\nlog = 'loud'\n");
    let line = broker.logs("the settings in use stay: ");
    assert!(line.contains("'loud'"), "{line}");
    broker.reload("disk_free_limit = 0\n");
    broker.logs("disk-free-limit is 0, was 9000000GiB");
    broker.logs("no longer low on disk");
    broker.stop();
}
