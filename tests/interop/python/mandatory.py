"""Publishes with confirms to a queue and to nowhere: the latter comes back, then is confirmed."""

import pika
from support import PERSISTENT, connected, expect, private_queue

with connected() as connection:
    channel = connection.channel()
    channel.confirm_delivery()  # from here on basic_publish waits for the confirm
    queue = private_queue(channel)
    channel.basic_publish("", queue, "arrives", PERSISTENT, mandatory=True)
    try:
        channel.basic_publish("", "nowhere", "comes back", PERSISTENT, mandatory=True)
        raise AssertionError("not returned")
    except pika.exceptions.UnroutableError as error:
        returned = error.messages[0]
        expect((returned.method.reply_code, returned.method.reply_text), (312, "NO_ROUTE"))
        expect((returned.method.routing_key, returned.body), ("nowhere", b"comes back"))
        expect(returned.properties.delivery_mode, 2)
    channel.basic_publish("", "nowhere", "not mandatory: it is dropped")

    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    full = channel.queue_declare("", exclusive=True, arguments=arguments).method.queue
    channel.basic_publish("", full, "fits")
    try:
        channel.basic_publish("", full, "does not fit")
        raise AssertionError("not refused")
    except pika.exceptions.NackError:
        pass
