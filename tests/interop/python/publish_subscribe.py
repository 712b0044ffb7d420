"""Sends log lines to everybody who listens at the moment: a fanout exchange and private queues."""

from support import connected, expect, private_queue, take_all, unique

with connected() as connection:
    channel = connection.channel()
    logs = unique("logs")
    channel.exchange_declare(logs, "fanout", auto_delete=True)
    channel.basic_publish(logs, "", "nobody hears this")
    listeners = [private_queue(channel), private_queue(channel)]
    for queue in listeners:
        assert queue.startswith("amq.gen-"), queue
        channel.queue_bind(queue, logs)
    channel.basic_publish(logs, "ignored", "one")
    channel.basic_publish(logs, "", "two")
    for queue in listeners:
        expect(take_all(channel, queue), ["one", "two"])
