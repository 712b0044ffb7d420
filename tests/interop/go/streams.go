package main

import (
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// streams has several consumers read one stream, each from where it likes; nothing is used up.
func streams([]string) {
	connection, channel := open()
	defer connection.Close()
	stream := unique("stream")
	try(channel.QueueDeclare(stream, true, false, false, false, amqp.Table{
		"x-queue-type":                    "stream",
		"x-max-length-bytes":              int64(1_000_000),
		"x-stream-max-segment-size-bytes": int64(100_000),
	}))
	must(channel.Confirm(false))
	for number := 0; number < 100; number++ {
		confirmation := try(channel.PublishWithDeferredConfirm("", stream, true, false,
			amqp.Publishing{Body: []byte(strconv.Itoa(number))}))
		expect("confirmed", confirmation.Wait(), true)
	}
	for _, start := range []struct {
		offset interface{}
		first  int64
	}{{"first", 0}, {int64(42), 42}, {time.Now().Add(-time.Hour), 0}, {"last", 99}} {
		readFrom(connection, stream, start.offset, start.first)
	}
	expect("all are still there", try(channel.QueueInspect(stream)).Messages, 100)
	try(channel.QueueDelete(stream, false, false, false))
}

// readFrom reads a stream to its end with a prefetch that is smaller than what there is.
func readFrom(connection *amqp.Connection, stream string, offset interface{}, first int64) {
	channel := try(connection.Channel())
	defer channel.Close()
	must(channel.Qos(10, 0, false))
	deliveries := try(channel.Consume(stream, "", false, false, false, false,
		amqp.Table{"x-stream-offset": offset}))
	for number := first; number < 100; number++ {
		delivery := receive("a message of the stream", deliveries)
		expect("its offset", delivery.Headers["x-stream-offset"], number)
		expect("its body", string(delivery.Body), strconv.FormatInt(number, 10))
		expect("redelivered", delivery.Redelivered, false)
		must(delivery.Ack(false))
	}
}
