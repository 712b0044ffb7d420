"""Shares tasks between workers; one is killed in the middle of its task, the other gets it again."""

import subprocess
import sys

from support import PERSISTENT, connected, expect, unique


def main():
    with connected() as connection:
        channel = connection.channel()
        queue = unique("tasks")
        channel.queue_declare(queue, durable=True)
        for task in ["slow", "quick"]:
            channel.basic_publish("", queue, task, PERSISTENT)
        victim = subprocess.Popen(
            [sys.executable, __file__, queue], stdout=subprocess.PIPE, text=True
        )
        expect(victim.stdout.readline(), "began slow, redelivered=False\n")

        channel.basic_qos(prefetch_count=1)
        seen = []
        for method, properties, body in channel.consume(queue, inactivity_timeout=10):
            assert method, "no delivery within 10 s"
            seen.append((body, method.redelivered, properties.delivery_mode))
            if len(seen) == 1:
                victim.kill()  # SIGKILL: no goodbye from this client
            channel.basic_ack(method.delivery_tag)
            if len(seen) == 2:
                break
        expect(seen, [(b"quick", False, 2), (b"slow", True, 2)])
        channel.queue_delete(queue)


def worker(queue):
    """Takes one task at a time and never finishes the first."""

    def on_task(channel, method, properties, body):
        print(f"began {body.decode()}, redelivered={method.redelivered}", flush=True)

    with connected() as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, on_task)
        channel.start_consuming()


if len(sys.argv) > 1:
    worker(sys.argv[1])
else:
    main()
