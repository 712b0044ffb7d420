"""What the Celery stories share: a worker in a process of its own, small checks."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

DIRECTORY = pathlib.Path(__file__).parent
WAIT_SECONDS_MAX = 30

os.environ["STORY_QUEUE"] = f"celery.{pathlib.Path(sys.argv[0]).stem}.{os.getpid()}"


@contextlib.contextmanager
def worker(app, *options):
    """A worker that is ready; it is told to stop at the end, and its log is shown if it fails."""
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "solo"]
    command += ["--loglevel", "INFO", "--without-mingle", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=DIRECTORY, stdout=log, stderr=log)
        try:
            wait_until_ready(app, process)
            yield process
        except BaseException:
            log.seek(0)
            print(log.read().decode(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(WAIT_SECONDS_MAX)


def wait_until_ready(app, process):
    """A worker is ready when it answers a ping, which goes through a fanout exchange."""
    end = time.monotonic() + WAIT_SECONDS_MAX
    while not app.control.ping(timeout=0.2, limit=1):
        assert process.poll() is None, f"the worker ended with {process.returncode}"
        assert time.monotonic() < end, "the worker does not answer"


def expect(got, wanted):
    assert got == wanted, f"\n     got {got!r}\nexpected {wanted!r}"
