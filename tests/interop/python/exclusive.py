"""Keeps a queue for one connection; it is gone as soon as the connection is closed."""

from support import connected, expect, refused, unique

queue = unique("mine")
LOCKED = (
    f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. "
    "It could be originally declared on another connection or the exclusive property value does "
    "not match that of the original declaration."
)

with connected() as stranger:
    with connected() as owner:
        owning = owner.channel()
        owning.queue_declare(queue, exclusive=True)
        owning.queue_bind(queue, "amq.direct", "key")
        refused(405, LOCKED, stranger.channel().queue_declare, queue)
        refused(405, LOCKED, stranger.channel().queue_declare, queue, passive=True)
        refused(405, LOCKED, stranger.channel().basic_get, queue)
        refused(405, LOCKED, stranger.channel().basic_consume, queue, print)
        refused(405, LOCKED, stranger.channel().queue_bind, queue, "amq.direct", "key")
        refused(405, LOCKED, stranger.channel().queue_unbind, queue, "amq.direct", "key")
        refused(405, LOCKED, stranger.channel().queue_purge, queue)
        refused(405, LOCKED, stranger.channel().queue_delete, queue)
        publisher = stranger.channel()
        publisher.confirm_delivery()
        publisher.basic_publish("", queue, "open to all", mandatory=True)
        expect(owning.basic_get(queue)[2], b"open to all")
    gone = f"NOT_FOUND - no queue '{queue}' in vhost '/'"
    refused(404, gone, stranger.channel().queue_declare, queue, passive=True)
