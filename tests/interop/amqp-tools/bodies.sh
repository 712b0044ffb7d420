# One mebibyte in and out again, unchanged; and an empty body.
set -eu
queue=$(amqp-declare-queue --url "$AMQP_URL" -q "c.bodies.$$")
file=$(mktemp)
trap 'rm "$file"; amqp-delete-queue --url "$AMQP_URL" -q "$queue" >/dev/null' EXIT
head -c 1048576 /dev/urandom >"$file"
amqp-publish --url "$AMQP_URL" -r "$queue" -C application/octet-stream <"$file"
amqp-publish --url "$AMQP_URL" -r "$queue" </dev/null
amqp-get --url "$AMQP_URL" -q "$queue" | cmp - "$file"
amqp-get --url "$AMQP_URL" -q "$queue" | cmp - /dev/null
