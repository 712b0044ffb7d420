# A wrong password, an unknown virtual host, a missing queue, a missing exchange: each is refused.
set -eu
refused() { # refused TEXT COMMAND…: the command fails and says TEXT
  if said=$("${@:2}" 2>&1 </dev/null); then
    echo "not refused: ${*:2}" >&2
    exit 1
  fi
  case $said in
  *"$1"*) ;;
  *) echo "expected $1, got $said" >&2 && exit 1 ;;
  esac
}
port=${AMQP_URL##*:}
port=${port%%/*}
refused 'server connection error 403' amqp-get --server localhost --port "$port" --password wrong -q q
refused 'server connection error 530' amqp-get --server localhost --port "$port" --vhost nowhere -q q
refused "404, message: NOT_FOUND - no queue 'c.nothing' in vhost '/'" \
  amqp-get --url "$AMQP_URL" -q c.nothing
refused "404, message: NOT_FOUND - no queue 'c.nothing' in vhost '/'" \
  amqp-consume --url "$AMQP_URL" -q c.nothing cat
