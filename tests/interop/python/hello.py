"""Sends a message to a queue by the default exchange and receives it."""

from support import connected, expect, unique

with connected() as connection:
    channel = connection.channel()
    queue = unique("hello")
    channel.queue_declare(queue, auto_delete=True)
    channel.basic_publish(exchange="", routing_key=queue, body="Hello World!")

    def on_message(channel, method, properties, body):
        expect((body, method.routing_key, method.redelivered), (b"Hello World!", queue, False))
        channel.basic_ack(method.delivery_tag)
        channel.stop_consuming()

    channel.basic_consume(queue, on_message)
    channel.start_consuming()
