"""Two consumers of different priority: the higher one is served while it has room."""

from support import connected, expect, private_queue

with connected() as connection:
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    queue = private_queue(channel)
    seen = {"low": [], "high": []}
    for name, priority in [("low", 1), ("high", 9)]:
        channel.basic_consume(
            queue,
            lambda _channel, method, _properties, body: seen[method.consumer_tag].append(body),
            consumer_tag=name,
            arguments={"x-priority": priority},
        )
    for body in [b"1", b"2", b"3", b"4", b"5"]:
        channel.basic_publish("", queue, body)
    while len(seen["low"]) + len(seen["high"]) < 4:
        connection.process_data_events(time_limit=1)
    expect(seen, {"low": [b"3", b"4"], "high": [b"1", b"2"]})
