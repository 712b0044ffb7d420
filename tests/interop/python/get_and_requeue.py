"""Takes messages one by one and gives them back: they return to their old place."""

from support import connected, expect, private_queue, take


def following(channel, queue, count):
    """The next messages, each with a ! if it was there before."""
    messages = [take(channel, queue) for _ in range(count)]
    return [body.decode() + "!" * method.redelivered for method, _, body in messages]


with connected() as connection:
    channel = connection.channel()
    queue = private_queue(channel)
    for body in "12345":
        channel.basic_publish("", queue, body)
    tags = [take(channel, queue)[0].delivery_tag for _ in range(3)]
    channel.basic_reject(tags[1], requeue=True)
    channel.basic_nack(tags[0], requeue=True)
    expect(following(channel, queue, 3), ["1!", "2!", "4"])  # 3 is still held
    channel.basic_ack(tags[2])
    channel.basic_recover(requeue=True)
    expect(following(channel, queue, 4), ["1!", "2!", "4!", "5"])
    channel.basic_nack(0, multiple=True, requeue=True)  # tag 0: all of them
    expect(following(channel, queue, 4), ["1!", "2!", "4!", "5!"])
    channel.basic_ack(0, multiple=True)
    expect(channel.basic_get(queue), (None, None, None))
