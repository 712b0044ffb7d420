//! What people bring from RabbitMQ, with the broker as a process: who can log in then, and what
//! stops the start.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use leveret::client::{Client, Login};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A place for a data directory and files beside it.
struct Place(TempDir);

/// A broker that runs.
struct Running {
    child: Child,
    address: String,
}

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        command.args(["--management", "off", "--password-hashing", "rabbitmq", "--data-dir"]);
        command.arg(self.path("data")).args(flags);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("RABBITMQ_") || name.starts_with("LEVERET_") {
                command.env_remove(name);
            }
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a broker that listens at a free port of this machine unless the flags say otherwise.
    fn start(&self, flags: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.command(&[&["--listen", "127.0.0.1:0"], flags].concat());
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split([' ', ',']).nth(2).unwrap_or_default().to_owned();
        if address.is_empty() {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            unreachable!("it does not start: {errors}");
        }
        Running { child, address }
    }

    /// The one line with which a start is refused.
    fn refused(&self, flags: &[&str]) -> String {
        let output = self.command(flags).output().unwrap();
        assert!(!output.status.success(), "{flags:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        errors.lines().last().unwrap_or_default().to_owned()
    }
}

impl Running {
    fn admits(&self, user: &str, password: &str, vhost: &str) -> bool {
        let login = Login { user, password, virtual_host: vhost };
        Client::log_in(&*self.address, &login).is_ok()
    }

    /// Stops it and returns its log.
    fn stop(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

const OWN_USER: &str = "default_vhost = prod\ndefault_user = app\ndefault_pass = s3cret\n\
    default_user_tags.administrator = true\nloopback_users.guest = false\n\
    listeners.tcp.default = 5672\nlog.console = true\nlog.console.level = info\n";

#[test]
fn ones_own_user_is_the_only_one_and_stays() {
    let place = Place::new();
    let file = place.write("rabbitmq.conf", OWN_USER);
    let flags = ["--config", file.to_str().unwrap()];
    let running = place.start(&flags, &[]);
    assert!(running.admits("app", "s3cret", "prod"));
    assert!(!running.admits("guest", "guest", "prod"));
    let log = running.stop();
    assert!(!log.contains("s3cret"), "{log}");
    // A second start changes nothing, whatever the settings say by then.
    let running = place.start(&["--default-user", "other"], &[]);
    assert!(running.admits("app", "s3cret", "prod"));
    assert!(!running.admits("other", "guest", "/"));
    running.stop();
}

#[test]
fn the_longest_password_that_can_be_set_logs_in() {
    let place = Place::new();
    let longest = "x".repeat(4096);
    let running = place.start(&["--default-user", "app", "--default-pass", &longest], &[]);
    assert!(running.admits("app", &longest, "/"));
    running.stop();
    let line = place.refused(&["--default-pass", &format!("{longest}x")]);
    assert!(line.contains("no client could log in with it") && !line.contains("xxx"), "{line}");
}

#[test]
fn rabbitmqs_variables_name_the_user_too() {
    let place = Place::new();
    let password = place.write("password", "s3cret\n");
    let variables = [
        ("RABBITMQ_DEFAULT_USER", "app"),
        ("RABBITMQ_DEFAULT_PASS_FILE", password.to_str().unwrap()),
        ("RABBITMQ_DEFAULT_VHOST", "prod"),
        ("LEVERET_FSYC", "never"),
    ];
    let running = place.start(&[], &variables);
    assert!(running.admits("app", "s3cret", "prod"));
    assert!(!running.admits("guest", "guest", "/"));
    let log = running.stop();
    assert!(log.contains("LEVERET_FSYC is not known; did you mean 'LEVERET_FSYNC'?"), "{log}");
}

#[test]
fn a_default_password_that_others_can_use_is_one_warning() {
    let warned = |flags: &[&str]| {
        let place = Place::new();
        let log = place.start(flags, &[]).stop();
        let about = |level: &str| {
            let lines = log.lines().filter(|line| line.contains("user 'guest'"));
            lines.filter(|line| line.contains(level)).count()
        };
        (about("WARN"), about("INFO"))
    };
    let open = ["--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0"];
    assert_eq!(warned(&[]), (0, 0));
    assert_eq!(warned(&open), (0, 1));
    assert_eq!(warned(&[&open[..], &["--loopback-users", ""]].concat()), (1, 0));
}

#[test]
fn what_restricts_and_cannot_be_kept_stops_the_start_before_anything_is_made() {
    let place = Place::new();
    for (text, reason) in [
        ("auth_backends.1 = ldap\n", "rabbitmq.conf:1: 'auth_backends.1': 'ldap' is not there"),
        ("heartbeat = 5\ndefualt_pass = x\n", "rabbitmq.conf:2: unknown key 'defualt_pass'"),
        ("listeners.tcp.default = localhost\n", "rabbitmq.conf:1: 'listeners.tcp.default'"),
        ("channel_max = many\n", "rabbitmq.conf:1: 'channel_max': 'many' is no number"),
        ("log.console.level = loud\n", "rabbitmq.conf:1: log.console.level: "),
        (
            "listeners.tcp = none\nlisteners.ssl.default = 5671\n\
             ssl_options.cacertfile = /nowhere/ca.pem\nssl_options.certfile = /nowhere/server.pem\n\
             ssl_options.keyfile = /nowhere/server.key\nssl_options.verify = verify_peer\n",
            "/nowhere/server.pem",
        ),
        ("ssl_options.certfile = /a.pem\nssl_options.keyfile = /a.key\n", "no address for it"),
    ] {
        let file = place.write("rabbitmq.conf", text);
        let line = place.refused(&["--config", file.to_str().unwrap()]);
        assert!(line.starts_with("leveret: ") && line.contains(reason), "{text}: {line}");
        assert!(!place.path("data").exists(), "{text}");
    }
    let line = place.refused(&["--listen", "0.0.0.0"]);
    assert!(line.contains("'0.0.0.0' has no port: ADDRESS:PORT or PORT is expected"), "{line}");
}

#[test]
fn somebody_elses_directory_is_refused_and_an_open_one_is_a_warning() {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    fs::write(place.path("data").join("thesis.tex"), "\\begin{document}").unwrap();
    for _ in 0..2 {
        let line = place.refused(&["--listen", "127.0.0.1:0"]);
        assert!(line.contains("holds files that are not Leveret's ('thesis.tex')"), "{line}");
        assert_eq!(fs::read_dir(place.path("data")).unwrap().count(), 1);
    }
    fs::remove_file(place.path("data").join("thesis.tex")).unwrap();
    fs::set_permissions(place.path("data"), fs::Permissions::from_mode(0o777)).unwrap();
    let log = place.start(&[], &[]).stop();
    assert!(log.contains("everybody on this machine may change the data directory"), "{log}");
}

#[cfg(feature = "management")]
#[test]
fn definitions_of_a_running_rabbitmq_are_taken() {
    let place = Place::new();
    let user = "{\"name\": \"admin\", \"tags\": \"administrator\", \"password_hash\": \
                \"c2FsdL7ekDhtRQzqi3e4IviIcGXk5avxMsL53M/Mf71Mul41\"}";
    let permissions = "{\"user\": \"admin\", \"vhost\": \"/\", \"configure\": \".*\", \
                       \"write\": \".*\", \"read\": \".*\"}";
    fs::create_dir(place.path("definitions")).unwrap();
    let first = format!(
        "\u{feff}{{\"vhosts\": [{{\"name\": \"/\", \"default_queue_type\": \"quorum\"}}], \
         \"users\": [{user}], \"permissions\": [{permissions}]}}"
    );
    place.write("definitions/1.json", &first);
    let queues = "{\"queues\": [{\"name\": \"amq.gen-1\", \"vhost\": \"/\", \"durable\": true}, \
                  {\"name\": \"orders\", \"vhost\": \"/\"}], \"global_parameters\": \
                  [{\"name\": \"cluster_name\", \"value\": \"rabbit@old\"}]}";
    place.write("definitions/2.json", queues);
    let directory = place.path("definitions");
    let running = place.start(&["--definitions", directory.to_str().unwrap()], &[]);
    assert!(running.admits("admin", "secret", "/"));
    assert!(!running.admits("guest", "guest", "/"));
    let log = running.stop();
    assert!(log.contains("2.json: queues[0]: queue 'amq.gen-1' is left out"), "{log}");
    let output = Command::new(env!("CARGO_BIN_EXE_leveret"))
        .args(["definitions", "--data-dir"])
        .arg(place.path("data"))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("\"type\": \"quorum\"") && printed.contains("\"orders\""),
        "{printed}"
    );
    // What is refused names the file and the thing, and imports nothing.
    place.write(
        "definitions/3.json",
        "{\"queues\": [{\"name\": \"q\", \"vhost\": \"/\", \
        \"durable\": false, \"arguments\": {\"x-queue-type\": \"quorum\"}}]}",
    );
    let listen = ["--listen", "127.0.0.1:0", "--definitions", directory.to_str().unwrap()];
    let line = place.refused(&listen);
    assert!(line.contains("invalid property 'non-durable' for queue 'q' in vhost '/'"), "{line}");
}
