"""Sends all 14 properties with a header of every type that pika writes, and receives the same."""

import datetime
import decimal

import pika
from support import URL, connected, expect, private_queue, take

UTC = datetime.timezone.utc
HEADERS = {
    "true": True,
    "false": False,
    "int": -(2**31),
    "long": -(2**63),
    "decimal": decimal.Decimal("123.45"),
    "text": "grüße ☃",
    "empty": "",
    "much": "x" * 70_000,
    "bytes": b"\x00\xff\xce",
    "time": datetime.datetime(2020, 2, 29, 12, 0, tzinfo=UTC),
    "void": None,
    "array": ["a", 1, [True, None, []], {"deep": "er"}],
    "table": {"a": {"b": {"c": 1}}},
    "none": {},
}
SENT = pika.BasicProperties(
    content_type="application/json",
    content_encoding="gzip",
    headers=HEADERS,
    delivery_mode=2,
    priority=9,
    correlation_id="correlation",
    reply_to="reply to",
    expiration="3600000",
    message_id="message id",
    timestamp=1_700_000_000,
    type="type",
    user_id=pika.URLParameters(URL).credentials.username,
    app_id="app id",
    cluster_id="cluster id",
)

with connected() as connection:
    channel = connection.channel()
    queue = private_queue(channel)
    channel.basic_publish("", queue, "all", SENT)
    channel.basic_publish("", queue, "none", pika.BasicProperties())
    expect(vars(take(channel, queue)[1]), vars(SENT))
    expect(vars(take(channel, queue)[1]), vars(pika.BasicProperties()))
