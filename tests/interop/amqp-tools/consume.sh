# A durable queue of persistent lines, consumed three at a time by `cat`, the rest counted on delete.
set -eu
queue=$(amqp-declare-queue --url "$AMQP_URL" -d -q "c.consume.$$")
printf 'one\ntwo\nthree\nfour\n' | amqp-publish --url "$AMQP_URL" -p -l -r "$queue"
lines=$(amqp-consume --url "$AMQP_URL" -q "$queue" -c 3 -p 1 cat 2>/dev/null)
[ "$lines" = "$(printf 'one\ntwo\nthree')" ] || { echo "got: $lines" >&2; exit 1; }

left=$(amqp-delete-queue --url "$AMQP_URL" -q "$queue")
[ "$left" = 1 ] || { echo "one message should be left, not $left" >&2; exit 1; }
