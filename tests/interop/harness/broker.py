"""The broker under test: one of our own, or one that runs already."""

import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


class OwnBroker:
    """A Leveret process with a data directory of its own on a free port."""

    can_restart = True

    def __init__(self, binary, data, flags=()):
        self.binary, self.data, self.flags = binary, data, flags
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2f"
        self.log = tempfile.TemporaryFile()
        self.process = None

    def start(self):
        command = [self.binary, "--data-dir", self.data, "--listen", f"127.0.0.1:{self.port}"]
        command += ["--management", "off", *self.flags]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        wait_for_port("127.0.0.1", self.port, self.complaint)

    def complaint(self):
        """Why the broker is not there, or None while it runs."""
        if self.process is None or self.process.poll() is None:
            return None
        self.log.seek(0)
        tail = self.log.read().decode(errors="replace")[-2000:]
        return f"the broker ended with {self.process.returncode}:\n{tail}"

    def stop(self, how="TERM"):
        """Ends the process, says what is wrong with the way it ended."""
        if self.process is None or self.process.poll() is not None:
            return self.complaint()
        self.process.send_signal(getattr(signal, "SIG" + how))
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"the broker did not stop within {STOP_SECONDS_MAX} s"
        if how == "TERM" and code != 0:
            return self.complaint()
        return None

    def restart(self, how):
        trouble = self.stop(how)
        self.start()
        return trouble


class ForeignBroker:
    """A broker that somebody else started; it is only restarted by their command."""

    def __init__(self, url, restart_command):
        self.url, self.restart_command = url, restart_command
        self.can_restart = restart_command is not None

    def start(self):
        address = urllib.parse.urlsplit(self.url)
        wait_for_port(address.hostname, address.port or 5672, self.complaint)

    def complaint(self):
        return None

    def stop(self, how="TERM"):
        return None

    def restart(self, how):
        done = subprocess.run([*self.restart_command.split(), how], stdin=subprocess.DEVNULL)
        self.start()
        return None if done.returncode == 0 else f"{self.restart_command} failed"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(host, port, complaint):
    """Returns when the port accepts connections, which is when the broker is ready."""
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end:
        if trouble := complaint():
            raise SystemExit(trouble)
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on {host}:{port} after {START_SECONDS_MAX} s")
