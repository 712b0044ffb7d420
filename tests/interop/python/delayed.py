"""Publishes through an x-delayed-message exchange: what is due first comes first."""

import pika
from support import connected, expect, private_queue, unique


def after(delay):
    """Properties of a persistent message with this delay in milliseconds."""
    return pika.BasicProperties(delivery_mode=2, headers={"x-delay": delay})


with connected() as connection:
    channel = connection.channel()
    exchange, queue = unique("delayed"), private_queue(channel)
    channel.exchange_declare(
        exchange, "x-delayed-message", durable=True, arguments={"x-delayed-type": "direct"}
    )
    channel.queue_bind(queue, exchange, "k")
    channel.confirm_delivery()
    for delay, body in [(300, "last"), (150, "second"), (0, "first")]:
        channel.basic_publish(exchange, "k", body, after(delay), mandatory=True)
    received = []
    for _, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=10):
        assert body is not None, f"only {received} came"
        received.append((body.decode(), properties.headers["x-delay"]))
        if len(received) == 3:
            break
    channel.cancel()
    expect(received, [("first", 0), ("second", -150), ("last", -300)])
    channel.exchange_delete(exchange)
