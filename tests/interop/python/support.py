"""What the Python stories share: a connection, small checks. The client is pika."""

import contextlib
import os

import pika

URL = os.environ["AMQP_URL"]
PERSISTENT = pika.BasicProperties(delivery_mode=2)


@contextlib.contextmanager
def connected(**changes):
    """A blocking connection to the broker that AMQP_URL names; the parameters may be changed."""
    parameters = pika.URLParameters(URL)
    for name, value in changes.items():
        setattr(parameters, name, value)
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection
    finally:
        if connection.is_open:
            connection.close()


def private_queue(channel):
    """An exclusive queue that the server names."""
    return channel.queue_declare("", exclusive=True).method.queue


def unique(name):
    """A name that no other run uses."""
    return f"py.{name}.{os.getpid()}"


def take(channel, queue):
    """One message that must be there: (method, properties, body)."""
    method, properties, body = channel.basic_get(queue)
    assert method is not None, f"{queue} is empty"
    return method, properties, body


def take_all(channel, queue):
    """Drains a queue, gives the bodies in their order."""
    bodies = []
    while (message := channel.basic_get(queue, auto_ack=True))[0]:
        bodies.append(message[2].decode())
    return bodies


def refused(code, text, attempt, *arguments, **options):
    """Checks that the broker refuses an attempt with this code and text."""
    try:
        attempt(*arguments, **options)
    except (pika.exceptions.ChannelClosed, pika.exceptions.ConnectionClosed) as refusal:
        expect(f"{refusal.reply_code} {refusal.reply_text}", f"{code} {text}")
    else:
        raise AssertionError(f"not refused, expected {code} {text}")


def expect(got, wanted):
    assert got == wanted, f"\n     got {got!r}\nexpected {wanted!r}"
