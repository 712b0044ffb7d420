"""The clients: how each is installed and built, and where its stories are."""

import os
import shutil
import subprocess
import sys

from harness.stories import Result

GO_SOURCES = "/usr/share/gocode"  # where Debian puts the libraries
GO_LIBRARY = GO_SOURCES + "/src/github.com/rabbitmq/amqp091-go"


class Client:
    """A client library and its stories, by name the command that runs each."""

    def __init__(self, name, find):
        self.name, self.find = name, find

    def prepare(self, sources, target):
        """Installs and builds what is missing: (stories, None), or ({}, what went wrong)."""
        try:
            return self.find(sources / self.name, target / self.name), None
        except (OSError, subprocess.CalledProcessError) as error:
            output = getattr(error, "stdout", None) or ""
            return {}, Result(f"{self.name} (preparing)", f"{error}\n{output[-3000:]}")


def go(sources, target):
    """Go without modules: the library comes from Debian, not from the network."""
    apt(shutil.which("go"), "golang-go")
    apt(os.path.isdir(GO_LIBRARY), "golang-github-rabbitmq-amqp091-go-dev")
    binary = target / "stories"
    environment = {"GO111MODULE": "off", "GOPATH": GO_SOURCES, "GOFLAGS": "", "GOCACHE": target / "cache"}
    call("go", "build", "-o", binary, ".", cwd=sources, env={**os.environ, **environment})
    return listed(binary)


def python(sources, target):
    return files(sources, ".py", python_with(target, "pika"))


def python_with(target, *packages):
    """An interpreter that has these packages."""
    interpreter = target / "bin" / "python"
    if not (target / "installed").exists():
        apt(shutil.which("pip3") or shutil.which("pip"), "python3-venv")
        call(sys.executable, "-m", "venv", target)
        call(interpreter, "-m", "pip", "install", "--quiet", *packages)
        (target / "installed").touch()
    return interpreter


def node(sources, target):
    apt(shutil.which("node") and shutil.which("npm"), "nodejs", "npm")
    if not (target / "node_modules" / "amqplib").exists():
        target.mkdir(exist_ok=True)
        call("npm", "install", "--silent", "--prefix", target, "amqplib")
    return files(sources, ".js", "env", f"NODE_PATH={target / 'node_modules'}", "node")


def lapin(sources, target):
    call("cargo", "build", "--quiet", "--locked", "--target-dir", target, cwd=sources)
    return listed(target / "debug" / "stories")


def amqp_tools(sources, target):
    """librabbitmq's command line tools."""
    apt(shutil.which("amqp-publish"), "amqp-tools")
    return files(sources, ".sh", "bash")


CLIENTS = [
    Client("go", go),
    Client("python", python),
    Client("node", node),
    Client("lapin", lapin),
    Client("amqp-tools", amqp_tools),
]


def listed(binary):
    """The stories of a program that has them all, and lists them when asked."""
    names = call(binary, "list").split()
    return {name: [binary, name] for name in names}


def files(sources, suffix, *interpreter):
    """The stories of a directory that has a program for each."""
    found = sorted(file for file in sources.iterdir() if file.suffix == suffix)
    return {file.stem: [*interpreter, file] for file in found if file.stem != "support"}


def apt(there, *packages):
    if not there:
        call("apt-get", "install", "-y", *packages)


def call(*command, **options):
    """Runs a command that must succeed and gives what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        **options,
    )
    return done.stdout
