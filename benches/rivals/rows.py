"""What is compared: each row is a load or another measurement, with the figures it gives.

A measurement is a function of a session (a started broker, see run); it returns its figures by
name. `Figure.more_is_better` says which way the ratio goes.
"""

import dataclasses
import time


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number of a row. `aim`: what we are after, and so many times what RabbitMQ 4.3.6 did."""

    name: str
    unit: str
    more_is_better: bool = True
    aim: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """A measurement: `measure(session)` gives a value for each figure, or None."""

    name: str
    title: str
    figures: tuple
    measure: object


def load(name, title, arguments, *figures):
    """A row that is one run of leveret perf."""

    def measure(session):
        seconds = ["--warm-up", str(session.warm_up), "--duration", str(session.seconds)]
        result = session.perf(*arguments.split(), *seconds)
        return [FIGURES[figure.name](result) for figure in figures]

    return Row(name, title, figures, measure)


def latency(which, quantile):
    return lambda result: (result["latency_us"][which] or {}).get(quantile)


FIGURES = {
    "consumed": lambda result: result["consumed"]["per_second"],
    "confirmed": lambda result: result["confirmed"]["per_second"],
    "bodies": lambda result: result["consumed"]["octets_per_second"] / 1e6,
    "deliver p50": latency("deliver", "p50"),
    "deliver p99": latency("deliver", "p99"),
    "confirm p50": latency("confirm", "p50"),
}


def publish_then_drain(session):
    """Fills a queue for the duration, looks at the disk, and empties it."""
    size = ("--size", "100", "--persistent")
    seconds = str(session.seconds)
    filled = session.perf(*size, "--publish-only", "--duration", seconds)
    octets = session.broker.disk() / filled["total"]["published"]
    drained = session.perf(*size, "--drain")
    return [filled["published"]["per_second"], drained["consumed"]["per_second"], octets]


def start_with_backlog(how):
    def measure(session):
        session.perf(
            *("--persistent", "--confirm", "1000", "--size", "16", "--publish-only"),
            *("--messages", str(session.backlog), "--patience", "600"),
        )
        session.broker.stop(how)
        seconds = session.broker.start()
        session.perf("--drain", "--prefetch", "1000", "--ack", "500", "--patience", "600")
        return [seconds]

    return measure


def idle_memory(session):
    time.sleep(3)
    return [session.broker.memory("VmRSS") / 2**20]


def held_memory(scenario, count, *arguments):
    """Memory of one thing: so many are held, and what the broker has grown by is divided."""

    def measure(session):
        time.sleep(3)
        before = session.broker.memory("VmRSS")
        flags = ("--scenario", scenario, "--count", str(count), *arguments)
        during = session.perf_while_it_holds(*flags)
        return [(during - before) / count / 1024]

    return measure


def churn(name, title, scenario, aim, *arguments):
    def measure(session):
        seconds = str(session.seconds)
        flags = ("--scenario", scenario, "--duration", seconds, "--threads", "4", *arguments)
        return [session.perf(*flags)["per_second"]]

    return Row(name, title, (Figure("churned", "/s", True, aim),), measure)


def consumed(aim=""):
    return Figure("consumed", "/s", True, aim)


def confirmed(aim=""):
    return Figure("confirmed", "/s", True, aim)


def microseconds(name, aim=""):
    return Figure(name, "µs", False, aim)


ACKED = "--persistent --ack 50 --prefetch 500"

ROWS = [
    load("transient-16", "16 B transient, 1 to 1, auto-ack", "--size 16", consumed("4 M, 33 ×")),
    load("transient-1k", "1 KiB transient, the same", "--size 1024", consumed("1.2 M, 18 ×")),
    load(
        "persistent-1k",
        "1 KiB persistent, ack every 50, prefetch 500",
        f"--size 1024 {ACKED}",
        consumed("600,000, 12 ×"),
    ),
    load("confirm-1", "persistent, confirm window 1", f"{ACKED} --confirm 1", confirmed("4,500, 2.0 ×")),
    load("confirm-100", "window 100", f"{ACKED} --confirm 100", confirmed("250,000, 8.6 ×")),
    load("confirm-1000", "window 1,000", f"{ACKED} --confirm 1000", confirmed("700,000, 19 ×")),
    load(
        "queues-100",
        "100 durable queues, a publisher and a consumer each, window 100",
        f"{ACKED} --queues 100 --publishers 100 --consumers 100 --confirm 100 --threads 1",
        confirmed("400,000, 22 ×"),
    ),
    load(
        "fanout-10",
        "fan-out 1 to 10, deliveries",
        "--exchange fanout --queues 10 --consumers 10 --threads 1",
        consumed("4 M, 35 ×"),
    ),
    load(
        "many-1",
        "50 publishers, 50 consumers, 1 queue, window 200",
        "--publishers 50 --consumers 50 --confirm 200 --threads 1",
        consumed("1.5 M, 43 ×"),
    ),
    load(
        "many-50",
        "50 publishers, 50 consumers, 50 queues, window 200",
        "--publishers 50 --consumers 50 --queues 50 --confirm 200 --threads 1",
        consumed("1.5 M, 25 ×"),
    ),
    Row(
        "publish-drain",
        "publish only 100 B persistent, then drain",
        (
            Figure("published", "/s", True, "2.5 M, 31 ×"),
            Figure("drained", "/s", True, "4 M, 58 ×"),
            Figure("disk", "B each", False, "130 B"),
        ),
        publish_then_drain,
    ),
    load(
        "bodies-64k", "64 KiB bodies", "--size 65536", Figure("bodies", "MB/s", True, "1,500, 1.5 ×")
    ),
    load(
        "bodies-1m", "1 MiB bodies", "--size 1048576", Figure("bodies", "MB/s", True, "1,700, 1.05 ×")
    ),
    load(
        "topic-1000",
        "topic exchange with 1,000 bindings",
        "--exchange topic --bindings 1000 --keys 1000",
        consumed("2 M, 118 ×"),
    ),
    load(
        "headers-1000",
        "headers exchange with 1,000 bindings",
        "--exchange headers --bindings 1000 --keys 1000",
        consumed(),
    ),
    load(
        "topic-100000",
        "topic exchange with 100,000 bindings, 1,000 keys in use",
        "--exchange topic --bindings 100000 --keys 1000",
        consumed(),
    ),
    load(
        "latency",
        "one-way latency at 1,000/s",
        "--rate 1000",
        microseconds("deliver p50", "90, 2.2 ×"),
        microseconds("deliver p99", "200, 2.2 ×"),
    ),
    load(
        "latency-confirm",
        "persistent with confirm at 1,000/s",
        "--rate 1000 --persistent --confirm 1000 --ack 1",
        microseconds("deliver p50", "120, 2.7 ×"),
        microseconds("deliver p99", "300, 2.8 ×"),
        microseconds("confirm p50", "250, 2.6 ×"),
    ),
    Row(
        "start-clean",
        "backlog (5 M by default): start after a clean stop",
        (Figure("start", "s", False, "0.3, 26 ×"),),
        start_with_backlog("TERM"),
    ),
    Row(
        "start-killed",
        "backlog (5 M by default): start after kill -9",
        (Figure("start", "s", False, "0.3, 653 ×"),),
        start_with_backlog("KILL"),
    ),
    Row(
        "idle",
        "idle resident",
        (Figure("resident", "MiB", False, "10, 14 ×"),),
        idle_memory,
    ),
    Row(
        "idle-connection",
        "a connection with a channel (of 1,000)",
        (Figure("resident", "KiB", False, "20, 3.8 ×"),),
        held_memory("idle-connections", 1000),
    ),
    Row(
        "idle-queue",
        "a durable queue (of 2,000)",
        (Figure("resident", "KiB", False, "4, 6.5 ×"),),
        held_memory("idle-queues", 2000, "--durable"),
    ),
    churn("churn-connections", "connections, four at a time", "connection-churn", "5,000, 12 ×"),
    churn("churn-channels", "channels", "channel-churn", "20,000, 8.3 ×"),
    churn("churn-queues", "durable queues", "queue-churn", "1,000, 3.9 ×", "--durable"),
    churn("churn-bindings", "durable bindings", "binding-churn", "2,000, 2.5 ×", "--durable"),
]
