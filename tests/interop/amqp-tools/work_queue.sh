# A consumer is killed in the middle of its task; the next one gets that task.
set -eu
queue=$(amqp-declare-queue --url "$AMQP_URL" -d -q "c.tasks.$$")
directory=$(mktemp -d)
trap 'rm -r "$directory"; amqp-delete-queue --url "$AMQP_URL" -q "$queue" >/dev/null' EXIT
mkfifo "$directory/began"
amqp-publish --url "$AMQP_URL" -p -r "$queue" -b 'a task'

# The first worker's command says that it has begun (by its process id), and does not end.
amqp-consume --url "$AMQP_URL" -q "$queue" -p 1 -- \
  bash -c "echo \$\$ >'$directory/began'; exec sleep 600" >/dev/null 2>&1 &
victim=$!
read -r command <"$directory/began"
kill -KILL "$victim" "$command"
wait "$victim" 2>/dev/null || true

task=$(timeout 20 amqp-consume --url "$AMQP_URL" -q "$queue" -c 1 cat 2>/dev/null)
[ "$task" = 'a task' ] || { echo "got: $task" >&2; exit 1; }
