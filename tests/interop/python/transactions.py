"""Publishes and acknowledges all at once, or not at all."""

from support import connected, expect, private_queue, take, take_all

with connected() as connection:
    channel, watching = connection.channel(), connection.channel()
    queue = private_queue(channel)
    channel.tx_select()
    channel.basic_publish("", queue, "never")
    channel.tx_rollback()
    channel.basic_publish("", queue, "one")
    channel.basic_publish("", queue, "two")
    expect(watching.basic_get(queue)[0], None)
    channel.tx_commit()

    tag = take(channel, queue)[0].delivery_tag
    channel.basic_ack(tag)
    channel.tx_rollback()  # "one" is unacked as before
    channel.basic_ack(tag)
    channel.tx_commit()
    channel.basic_nack(take(channel, queue)[0].delivery_tag, requeue=True)
    expect(watching.basic_get(queue)[0], None)  # "two" is held until the commit
    channel.tx_commit()
    expect(take_all(watching, queue), ["two"])
