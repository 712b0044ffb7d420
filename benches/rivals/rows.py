"""What is compared: each row is a load or another measurement, with the figures it gives.

A measurement is a function of a session (a started broker, see run); it returns its figures by
name. `Figure.more_is_better` says which way the ratio goes.
"""

import dataclasses
import time


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number of a row. `elsewhere`: what RabbitMQ 4.3.6 did, with another generator."""

    name: str
    unit: str
    more_is_better: bool = True
    elsewhere: str = ""


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


def churn(name, title, scenario, elsewhere, *arguments):
    def measure(session):
        seconds = str(session.seconds)
        flags = ("--scenario", scenario, "--duration", seconds, "--threads", "4", *arguments)
        return [session.perf(*flags)["per_second"]]

    return Row(name, title, (Figure("churned", "/s", True, elsewhere),), measure)


def consumed(elsewhere=""):
    return Figure("consumed", "/s", True, elsewhere)


def confirmed(elsewhere=""):
    return Figure("confirmed", "/s", True, elsewhere)


def microseconds(name, elsewhere=""):
    return Figure(name, "µs", False, elsewhere)


ACKED = "--persistent --ack 50 --prefetch 500"

ROWS = [
    load("transient-16", "16 B transient, 1 to 1, auto-ack", "--size 16", consumed("120,000")),
    load("transient-1k", "1 KiB transient, the same", "--size 1024", consumed("68,000")),
    load(
        "persistent-1k",
        "1 KiB persistent, ack every 50, prefetch 500",
        f"--size 1024 {ACKED}",
        consumed("48,000"),
    ),
    load("confirm-1", "persistent, confirm window 1", f"{ACKED} --confirm 1", confirmed("2,200")),
    load("confirm-100", "window 100", f"{ACKED} --confirm 100", confirmed("29,000")),
    load("confirm-1000", "window 1,000", f"{ACKED} --confirm 1000", confirmed("36,000")),
    load(
        "queues-100",
        "100 durable queues, a publisher and a consumer each, window 100",
        f"{ACKED} --queues 100 --publishers 100 --consumers 100 --confirm 100 --threads 1",
        confirmed("18,000"),
    ),
    load(
        "fanout-10",
        "fan-out 1 to 10, deliveries",
        "--exchange fanout --queues 10 --consumers 10 --threads 1",
        consumed("113,000"),
    ),
    load(
        "many-1",
        "50 publishers, 50 consumers, 1 queue, window 200",
        "--publishers 50 --consumers 50 --confirm 200 --threads 1",
        consumed("35,000"),
    ),
    load(
        "many-50",
        "50 publishers, 50 consumers, 50 queues, window 200",
        "--publishers 50 --consumers 50 --queues 50 --confirm 200 --threads 1",
        consumed("59,000"),
    ),
    Row(
        "publish-drain",
        "publish only 100 B persistent, then drain",
        (
            Figure("published", "/s", True, "80,000"),
            Figure("drained", "/s", True, "69,000"),
            Figure("disk", "B each", False),
        ),
        publish_then_drain,
    ),
    load(
        "bodies-64k", "64 KiB bodies", "--size 65536", Figure("bodies", "MB/s", True, "977")
    ),
    load(
        "bodies-1m", "1 MiB bodies", "--size 1048576", Figure("bodies", "MB/s", True, "1,625")
    ),
    load(
        "topic-1000",
        "topic exchange with 1,000 bindings",
        "--exchange topic --bindings 1000 --keys 1000",
        consumed("17,000"),
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
        microseconds("deliver p50", "198"),
        microseconds("deliver p99", "436"),
    ),
    load(
        "latency-confirm",
        "persistent with confirm at 1,000/s",
        "--rate 1000 --persistent --confirm 1000 --ack 1",
        microseconds("deliver p50", "324"),
        microseconds("deliver p99", "827"),
        microseconds("confirm p50", "651"),
    ),
    Row(
        "start-clean",
        "backlog (5 M by default): start after a clean stop",
        (Figure("start", "s", False, "7.8"),),
        start_with_backlog("TERM"),
    ),
    Row(
        "start-killed",
        "backlog (5 M by default): start after kill -9",
        (Figure("start", "s", False, "196"),),
        start_with_backlog("KILL"),
    ),
    Row(
        "idle",
        "idle resident",
        (Figure("resident", "MiB", False, "140"),),
        idle_memory,
    ),
    Row(
        "idle-connection",
        "a connection with a channel (of 1,000)",
        (Figure("resident", "KiB", False, "76"),),
        held_memory("idle-connections", 1000),
    ),
    Row(
        "idle-queue",
        "a durable queue (of 2,000)",
        (Figure("resident", "KiB", False, "26"),),
        held_memory("idle-queues", 2000, "--durable"),
    ),
    churn("churn-connections", "connections, four at a time", "connection-churn", "409"),
    churn("churn-channels", "channels", "channel-churn", "2,400"),
    churn("churn-queues", "durable queues", "queue-churn", "257", "--durable"),
    churn("churn-bindings", "durable bindings", "binding-churn", "804", "--durable"),
]
