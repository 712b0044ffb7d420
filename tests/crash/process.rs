//! The broker's process: started with or without strace around it, and killed.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest that a broker may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a broker lives: its directory and its address, over all its lives.
pub(crate) struct Home {
    folder: TempDir,
    pub address: SocketAddr,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { folder, address }
    }

    fn said(&self) -> PathBuf {
        self.folder.path().join("said")
    }

    /// The broker's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs the broker and waits until it listens.
    pub(crate) fn start(&self, tiny_files: bool) -> Broker {
        let mut broker = self.spawn(tiny_files, None);
        assert!(broker.listens(), "the broker ended by itself: {}", self.last_words());
        broker
    }

    /// The same with at most so many open files.
    pub(crate) fn start_limited(&self, descriptors: &str) -> Broker {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={descriptors}:{descriptors}"));
        command.arg(env!("CARGO_BIN_EXE_leveret"));
        let mut broker = self.run(command, false);
        assert!(broker.listens(), "the broker ended by itself: {}", self.last_words());
        broker
    }

    /// Runs the broker, and does not wait. With `inject`, strace does that to its system calls.
    pub(crate) fn spawn(&self, tiny_files: bool, inject: Option<&str>) -> Broker {
        let program = Path::new(env!("CARGO_BIN_EXE_leveret"));
        let command = match inject {
            Some(inject) => self.strace(inject, program),
            None => Command::new(program),
        };
        self.run(command, tiny_files)
    }

    fn run(&self, mut command: Command, tiny_files: bool) -> Broker {
        command.args([
            "--listen",
            &self.address.to_string(),
            "--log",
            "info",
            "--management",
            "off",
            "--data-dir",
        ]);
        command.arg(self.data());
        if tiny_files {
            command.arg("--tiny-files");
        }
        command.stdout(Stdio::null()).stderr(File::create(self.said()).unwrap());
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        Broker { child, address: self.address }
    }

    /// strace as a grandchild (-D), so that the broker is the child: it is killed, and waited for,
    /// as if nobody stood between. Each thread's calls are counted on their own. Without
    /// --seccomp-bpf, with which strace 6.1 sends no signals.
    fn strace(&self, inject: &str, program: &Path) -> Command {
        let calls = inject.split(':').next().unwrap();
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq"]);
        command.arg("-o").arg(self.folder.path().join("calls"));
        command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={inject}")]);
        command.arg(program);
        command
    }

    /// What the last broker said on standard error.
    pub(crate) fn last_words(&self) -> String {
        fs::read_to_string(self.said()).unwrap()
    }

    /// The system calls of the last broker that strace was about.
    pub(crate) fn calls(&self) -> String {
        fs::read_to_string(self.folder.path().join("calls")).unwrap()
    }
}

/// A broker that runs, or did.
pub(crate) struct Broker {
    child: Child,
    address: SocketAddr,
}

impl Broker {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until clients can connect; false if it ends before.
    pub(crate) fn listens(&mut self) -> bool {
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if self.ended().is_some() {
                return false;
            }
            assert!(began.elapsed() < PATIENCE, "the broker does not listen");
            thread::sleep(Duration::from_millis(2));
        }
        true
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits so long for it to end.
    pub(crate) fn ends_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if began.elapsed() > patience {
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for it to end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        self.ends_within(PATIENCE).expect("the broker does not end")
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    /// A test that fails leaves no broker behind.
    fn drop(&mut self) {
        self.kill();
    }
}
