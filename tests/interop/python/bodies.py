"""Sends nothing at all, and much more than a frame holds, with frames of several sizes."""

import os

from support import connected, expect, private_queue, take

SIZES = [0, 1, 4088, 4089, 131_064, 131_065, 1 << 20, 10 << 20, 0]

for frame_max in [131_072, 16_384]:
    with connected(frame_max=frame_max) as connection:
        channel = connection.channel()
        queue = private_queue(channel)
        bodies = [os.urandom(size) for size in SIZES]
        for body in bodies:
            channel.basic_publish("", queue, body)
        for body in bodies:
            assert take(channel, queue)[2] == body, f"{len(body)} octets changed on their way"
        expect(channel.basic_get(queue)[0], None)
