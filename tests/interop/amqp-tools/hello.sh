# Sends a message to a queue and gets it again, with librabbitmq's command line tools.
set -eu
queue=$(amqp-declare-queue --url "$AMQP_URL" -q "c.hello.$$")
trap 'amqp-delete-queue --url "$AMQP_URL" -q "$queue" >/dev/null' EXIT
amqp-publish --url "$AMQP_URL" -r "$queue" -b 'Hello World!'
[ "$(amqp-get --url "$AMQP_URL" -q "$queue")" = 'Hello World!' ]

if amqp-get --url "$AMQP_URL" -q "$queue" >/dev/null; then
  echo 'a queue that was emptied still gives messages' >&2
  exit 1
fi
