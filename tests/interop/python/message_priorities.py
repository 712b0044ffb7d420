"""A queue with priorities gives the urgent first, and equals in the order they were published in."""

import pika
from support import connected, expect, take, take_all

with connected() as connection:
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True, arguments={"x-max-priority": 5}).method.queue
    for priority, body in [(None, "a"), (1, "b"), (5, "c"), (0, "d"), (9, "e"), (1, "f")]:
        channel.basic_publish("", queue, body, pika.BasicProperties(priority=priority))
    method, properties, body = take(channel, queue)
    expect((body, properties.priority), (b"c", 5))
    channel.basic_nack(method.delivery_tag)  # it goes back to its place
    expect("".join(take_all(channel, queue)), "cebfad")
