"""The brokers that are compared: how each is started, stopped and looked at.

Every broker gets a data directory of its own in a temporary directory, free ports on 127.0.0.1,
and the login guest/guest. Nothing of the machine's own broker is touched.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

START_SECONDS_MAX = 900
STOP_SECONDS_MAX = 120
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Broker:
    """A process that serves AMQP."""

    name = ""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.port = free_port()
        self.uri = f"amqp://guest:guest@127.0.0.1:{self.port}/%2f"
        self.process = None

    def start(self):
        """Starts it and returns how many seconds it took until its port was open."""
        self.data.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "output", "ab") as output:
            began = time.monotonic()
            self.process = subprocess.Popen(
                self.command(),
                env=os.environ | self.environment(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while not is_open(self.port):
            if self.process.poll() is not None or time.monotonic() - began > START_SECONDS_MAX:
                self.stop("KILL")
                raise SystemExit(f"{self.name} does not start:\n{self.output_tail()}")
            time.sleep(0.005)
        return time.monotonic() - began

    def stop(self, how="TERM"):
        """Sends the signal to its processes and waits until they are gone."""
        if self.process is None:
            return
        pids = self.signalled() if how == "TERM" else self.pids()
        for pid in pids:
            send(pid, getattr(signal, "SIG" + how))
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                send(pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
        while is_open(self.port):
            time.sleep(0.05)

    def cleanup(self):
        """Called once when it will not be started again."""
        self.stop("KILL")
        shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self):
        return {}

    def signalled(self):
        """Which processes are asked to stop."""
        return [self.process.pid]

    def pids(self):
        """Its processes: the one that was started, and all that these started."""
        children = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            if fields := stat_fields(entry):
                children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self):
        """Processor time of all its processes, of user and system."""
        total = 0
        for pid in self.pids():
            if fields := stat_fields(pathlib.Path(f"/proc/{pid}/stat")):
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory(self, field):
        """Octets of VmRSS (now) or VmHWM (at most so far) of all its processes."""
        total = 0
        for pid in self.pids():
            try:
                lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
        return total

    def disk(self):
        """Octets of disk that the data directory uses."""
        files = (path for path in self.data.rglob("*") if path.is_file())
        return sum(path.stat().st_blocks * 512 for path in files)

    def output_tail(self):
        return (self.directory / "output").read_text(errors="replace")[-2000:]


class Leveret(Broker):
    name = "Leveret"

    def __init__(self, directory, binary):
        super().__init__(directory)
        self.binary = pathlib.Path(binary).resolve()

    def command(self):
        listen = f"127.0.0.1:{self.port}"
        return [self.binary, "--data-dir", self.data, "--listen", listen, "--management", "off", "--log", "warn"]

    def version(self):
        return run_text([self.binary, "--version"]).removeprefix("leveret ").strip()


class RabbitMQ(Broker):
    """Debian's package, as a node of its own with an epmd of its own.

    With a root, a folder made by debootstrap, it is the package installed there that runs, by
    chroot; the broker's directory is inside that root then.
    """

    name = "RabbitMQ"
    script = "usr/lib/rabbitmq/bin/rabbitmq-server"

    def __init__(self, directory, root=None):
        super().__init__(directory)
        self.root = root or pathlib.Path("/")
        self.epmd_port = free_port()
        if not (self.root / self.script).exists():
            raise SystemExit(f"{self.root / self.script} is missing: install rabbitmq-server")

    def within(self, command):
        """A command, run in the root."""
        return command if self.root == pathlib.Path("/") else ["chroot", self.root, *command]

    def inside(self, path):
        """What a path is called in the root."""
        return "/" + str(path.resolve().relative_to(self.root))

    def command(self):
        return self.within(["/" + self.script])

    def environment(self):
        (self.directory / "nothing").touch()
        nothing = self.inside(self.directory / "nothing")
        return {
            "HOME": self.inside(self.directory),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "rivals@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": self.inside(self.data),
            "RABBITMQ_LOG_BASE": self.inside(self.directory / "log"),
            "RABBITMQ_CONF_ENV_FILE": nothing,
            "RABBITMQ_CONFIG_FILE": self.inside(self.directory / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": nothing,
            "RABBITMQ_PID_FILE": self.inside(self.directory / "pid"),
        }

    def signalled(self):
        """The Erlang machine handles SIGTERM; the script around it does not."""
        return [pid for pid in self.pids() if command_name(pid) == "beam.smp"]

    def cleanup(self):
        environment = os.environ | {"ERL_EPMD_PORT": str(self.epmd_port)}
        self.stop("KILL")
        kill = self.within(["epmd", "-kill"])
        subprocess.run(kill, env=environment, capture_output=True, check=False)
        super().cleanup()

    def version(self):
        text = run_text(self.within(["dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"]))
        return text.strip() or "unknown"


class LavinMQ(Broker):
    name = "LavinMQ"

    def __init__(self, directory, binary):
        super().__init__(directory)
        self.binary = pathlib.Path(binary).resolve()

    def command(self):
        return [
            self.binary,
            f"--data-dir={self.data}",
            "--bind=127.0.0.1",
            f"--amqp-port={self.port}",
            f"--http-port={free_port()}",
        ]

    def version(self):
        return run_text([self.binary, "--version"]).strip()


def stat_fields(path):
    """The fields of a /proc/PID/stat behind the command's name, or None if it is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return None


def command_name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def run_text(command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False
