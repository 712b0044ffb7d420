"""Reads a stream as often as one likes: from an offset, from a time, filtered, and on from where one was."""

import time

import pika
from support import connected, expect, refused, unique

FIRST = {"x-stream-offset": "first"}


def read(connection, stream, count, arguments, tag="", done=None):
    """The offsets and bodies of the next messages; acknowledges those that `done` names, or all."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=count)
    received = []

    def on_message(_, method, properties, body):
        assert not method.redelivered
        received.append((properties.headers["x-stream-offset"], body.decode()))
        if done is None or body.decode() in done:
            channel.basic_ack(method.delivery_tag)

    options = {"consumer_tag": tag} if tag else {}
    channel.basic_consume(stream, on_message, arguments=arguments, **options)
    deadline = time.monotonic() + 10
    while len(received) < count:
        assert time.monotonic() < deadline, f"only {received} came"
        connection.process_data_events(time_limit=1)
    channel.close()
    return received[:count]


with connected() as connection:
    channel, stream = connection.channel(), unique("stream")
    channel.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream", "x-max-age": "1D"})
    channel.confirm_delivery()
    for number, colour in enumerate(["red", "blue", None, "red"]):
        headers = {"x-stream-filter-value": colour} if colour else {}
        channel.basic_publish("", stream, str(number), pika.BasicProperties(headers=headers))

    everything = [(number, str(number)) for number in range(4)]
    for arguments, expected in [
        (FIRST, everything),
        (FIRST, everything),
        ({"x-stream-offset": 2}, everything[2:]),
        ({"x-stream-offset": "last"}, everything[3:]),
        ({"x-stream-offset": "1h"}, everything),
        ({**FIRST, "x-stream-filter": "red"}, [(0, "0"), (3, "3")]),
        ({**FIRST, "x-stream-filter": ["blue"], "x-stream-match-unfiltered": True}, everything[1:3]),
    ]:
        expect(read(connection, stream, len(expected), arguments), expected)

    tracked = {**FIRST, "x-stream-automatic-offset-tracking": True}
    expect(read(connection, stream, 3, tracked, "reader", done=["0"]), everything[:3])
    expect(read(connection, stream, 3, tracked, "reader"), everything[1:])

    other = connection.channel()
    refused(
        406,
        f"PRECONDITION_FAILED - consumer prefetch count is not set for stream queue '{stream}' in vhost '/'",
        other.basic_consume,
        stream,
        print,
    )
    channel.queue_delete(stream)
