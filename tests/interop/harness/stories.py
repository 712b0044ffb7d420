"""Runs one story and tells how it went."""

import dataclasses
import os
import subprocess
import time

STORY_SECONDS_MAX = 120


@dataclasses.dataclass
class Result:
    """A line of the report, with the program's own words below it if it failed."""

    name: str
    trouble: str
    seconds: float = 0.0

    @property
    def passed(self):
        return not self.trouble

    def __str__(self):
        line = f"{'ok  ' if self.passed else 'FAIL'}  {self.name:<36} {self.seconds:6.2f} s"
        told = [words[:300] for words in self.trouble.splitlines()[-30:]]
        return "\n        ".join([line, *told])


def run_story(name, command, broker):
    began = time.monotonic()
    trouble = run(command, broker)
    if died := broker.complaint():
        trouble += died
        broker.start()  # a fresh process for the stories that follow
    return Result(name, trouble, time.monotonic() - began)


def run_restart(name, command, broker, how):
    """Fills the broker, stops it with a signal, starts it again, looks what is there."""
    began = time.monotonic()
    filling = start([*command, "prepare", how], broker)
    said = filling.stdout.readline()
    if said != "ready\n":
        filling.kill()
        trouble = finish(filling) or f"expected `ready`, got {said!r}"
    else:
        trouble = broker.restart(how)
        if trouble:
            filling.kill()
        trouble = trouble or finish(filling) or run([*command, "check"], broker)
    return Result(name, trouble, time.monotonic() - began)


def run(command, broker):
    """Runs a program to its end; gives its complaint, or nothing."""
    return finish(start(command, broker))


def start(command, broker):
    return subprocess.Popen(
        command,
        env={**os.environ, "AMQP_URL": broker.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    try:
        output, errors = process.communicate(timeout=STORY_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        errors += f"\nnot done after {STORY_SECONDS_MAX} s"
        return (output + errors).strip()
    if process.returncode == 0:
        return ""
    return (output + errors).strip() or f"ended with {process.returncode}"
