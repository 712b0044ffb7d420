"""A story in two phases with a stop of the broker between them, driven by the runner.

    restart.py prepare TERM|KILL    fills the broker, says "ready", waits until its connection ends
    restart.py check                looks for what must be there, and for what must be gone
"""

import sys

import pika
from support import PERSISTENT, connected, expect, refused, take, take_all

QUEUE, TAKEN = "interop.py.restart", "interop.py.taken"
TRANSIENT = pika.BasicProperties(delivery_mode=1)
FIRST = pika.BasicProperties(delivery_mode=2, priority=5, message_id="first")


def prepare(how):
    with connected() as connection:
        channel = connection.channel()
        channel.queue_delete(QUEUE)  # what a failed run left
        channel.queue_delete(TAKEN)
        channel.confirm_delivery()
        fill(channel)
        print("ready", flush=True)
        try:
            connection.process_data_events(time_limit=60)
            raise AssertionError("still connected")
        except pika.exceptions.ConnectionClosedByBroker as end:
            shutdown = "broker forced connection closure with reason 'shutdown'"
            expect((end.reply_code, end.reply_text), (320, f"CONNECTION_FORCED - {shutdown}"))
            expect(how, "TERM")
        except pika.exceptions.AMQPConnectionError:
            expect(how, "KILL")


def fill(channel):
    channel.queue_declare(QUEUE, durable=True)
    channel.basic_publish("", QUEUE, "purged", PERSISTENT)
    channel.queue_purge(QUEUE)
    for body in ["acked", "rejected", "held", "gone", "kept", "last"]:
        channel.basic_publish("", QUEUE, body, TRANSIENT if body == "gone" else PERSISTENT)
    acked, rejected, held = [take(channel, QUEUE)[0].delivery_tag for _ in range(3)]
    channel.basic_ack(acked)
    channel.basic_reject(rejected, requeue=False)

    channel.queue_declare(TAKEN, durable=True)
    channel.basic_publish("", TAKEN, "taken without ack", PERSISTENT)
    channel.basic_publish("", TAKEN, "first", FIRST)
    channel.basic_publish("", TAKEN, "second", PERSISTENT)
    channel.basic_get(TAKEN, auto_ack=True)
    channel.queue_declare("interop.py.exclusive", exclusive=True)


def check():
    with connected() as connection:
        gone = "NOT_FOUND - no queue 'interop.py.exclusive' in vhost '/'"
        refused(404, gone, connection.channel().queue_declare, "interop.py.exclusive", passive=True)
        channel = connection.channel()
        channel.queue_declare(QUEUE, durable=True)
        channel.queue_declare(TAKEN, durable=True)
        expect(redelivered(channel, 3), [(b"held", True), (b"kept", False), (b"last", False)])
        expect(take_all(channel, QUEUE), [])
        _, properties, body = take(channel, TAKEN)
        expect((body, properties.priority, properties.message_id), (b"first", 5, "first"))
        expect(take_all(channel, TAKEN), ["second"])
        channel.queue_delete(QUEUE)
        channel.queue_delete(TAKEN)


def redelivered(channel, count):
    messages = [take(channel, QUEUE) for _ in range(count)]
    return [(body, method.redelivered) for method, _, body in messages]


if sys.argv[1:2] == ["prepare"]:
    prepare(sys.argv[2])
elif sys.argv[1:] == ["check"]:
    check()
else:
    sys.exit(__doc__)
