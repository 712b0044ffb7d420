"""Picks messages by patterns: * is one word, # is any number of words."""

from support import connected, expect, private_queue, take_all, unique

KEYS = ["kern.critical", "kern.info", "cron.info", "kern", "a.b.c.d", "", "kern."]
RULES = {
    ("#",): KEYS,
    ("kern.*",): ["kern.critical", "kern.info", "kern."],  # an empty word is a word
    ("*.info",): ["kern.info", "cron.info"],
    ("kern.*", "*.critical"): ["kern.critical", "kern.info", "kern."],
    ("kern.#",): ["kern.critical", "kern.info", "kern", "kern."],
    ("a.#.d", "a.*.c.*"): ["a.b.c.d"],
    ("*",): ["kern"],
    ("",): [""],
}

with connected() as connection:
    channel = connection.channel()
    topic = unique("topic")
    channel.exchange_declare(topic, "topic")
    for patterns, matches in RULES.items():
        queue = private_queue(channel)
        for pattern in patterns:
            channel.queue_bind(queue, topic, pattern)
        for key in KEYS:
            channel.basic_publish(topic, key, key)
        assert take_all(channel, queue) == matches, (patterns, matches)
        channel.queue_delete(queue)
    channel.exchange_delete(topic)
