"""A full queue holds its publisher back (x-overflow=block) until a consumer has made room."""

import threading

from support import connected, expect, unique

MESSAGES = 200
LIMIT = 10


def consume(queue, blocked, received):
    """Begins when the publisher is held, and takes all."""
    assert blocked.wait(10), "the publisher was not told that it is blocked"
    with connected() as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        expect(channel.queue_declare(queue, passive=True).method.message_count, LIMIT)
        for method, _, body in channel.consume(queue, inactivity_timeout=10):
            assert method, f"only {len(received)} came"
            received.append(int(body))
            channel.basic_ack(method.delivery_tag)
            if len(received) == MESSAGES:
                break


blocked, received, reasons = threading.Event(), [], []


def on_blocked(_connection, frame):
    reasons.append(frame.method.reason)
    blocked.set()


queue = unique("held")
consumer = threading.Thread(target=consume, args=(queue, blocked, received))
consumer.start()
with connected() as connection:
    connection.add_on_connection_blocked_callback(on_blocked)
    channel = connection.channel()
    channel.queue_declare(
        queue, arguments={"x-max-length": LIMIT, "x-overflow": "block"}, durable=True
    )
    for number in range(MESSAGES):
        channel.basic_publish("", queue, str(number))
    while consumer.is_alive():
        connection.process_data_events(time_limit=0.1)
    expect(received, list(range(MESSAGES)))
    expect(set(reasons), {f"queue '{queue}' in vhost '/' is full"})
    channel.queue_delete(queue)
