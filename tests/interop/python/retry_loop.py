"""A failing task waits in a second queue and comes back, until the third try; x-death counts."""

from support import PERSISTENT, connected, expect, unique


def deaths(properties):
    """What x-death tells, newest first: (queue, reason, how often)."""
    told = (properties.headers or {}).get("x-death", [])
    return [(death["queue"], death["reason"], death["count"]) for death in told]


with connected() as connection:
    channel = connection.channel()
    work, wait = unique("work"), unique("wait")
    for queue, other, more in [(work, wait, {}), (wait, work, {"x-message-ttl": 50})]:
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": other, **more}
        channel.queue_declare(queue, durable=True, arguments=arguments)
    channel.basic_publish("", work, "a task", PERSISTENT)
    tries = []
    for method, properties, body in channel.consume(work, inactivity_timeout=10):
        assert method, f"after {tries} nothing came within 10 s"
        tries.append(deaths(properties))
        expect(body, b"a task")
        if len(tries) == 3:
            expect(properties.headers["x-first-death-queue"], work)
            expect(properties.headers["x-last-death-queue"], wait)
            channel.basic_ack(method.delivery_tag)
            break
        channel.basic_reject(method.delivery_tag, requeue=False)
    again = [[(wait, "expired", count), (work, "rejected", count)] for count in (1, 2)]
    expect(tries, [[], *again])
    channel.cancel()
    for queue in work, wait:
        expect(channel.queue_delete(queue).method.message_count, 0)
