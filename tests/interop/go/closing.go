package main

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// closing ends channels and connections from both sides: what was not acknowledged goes back,
// and an error on one channel leaves the others alone.
func closing([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := privateQueue(channel)
	send(channel, "", queue, "kept")

	other := try(connection.Channel())
	receive("a delivery", consume(other, queue))
	gone := other.NotifyClose(make(chan *amqp.Error, 1))
	must(other.Close()) // by the client
	if reason := <-gone; reason != nil {
		fail("an orderly close has no error, got %v", reason)
	}
	expect("given back", take(channel, queue).Redelivered, true)

	broken := try(connection.Channel()) // by the broker
	gone = broken.NotifyClose(make(chan *amqp.Error, 1))
	send(broken, "no such exchange", "", "")
	expectRefusal("a soft error", receive("channel.close", gone), 404,
		"NOT_FOUND - no exchange 'no such exchange' in vhost '/'")
	expect("the connection lives", connection.IsClosed(), false)
	try(channel.QueueInspect(queue))
	try(try(connection.Channel()).QueueInspect(queue)) // the number is free again

	doomed, first := open()
	second := try(doomed.Channel())
	gone = second.NotifyClose(make(chan *amqp.Error, 1))
	must(first.PublishWithContext(context.Background(), "", "q", false, true, amqp.Publishing{}))
	expectRefusal("a hard error ends all", receive("connection.close", gone), 540,
		"NOT_IMPLEMENTED - immediate=true")

	orderly, _ := open()
	gone = orderly.NotifyClose(make(chan *amqp.Error, 1))
	must(orderly.Close())
	if reason := <-gone; reason != nil {
		fail("an orderly close has no error, got %v", reason)
	}
}

// cancelNotification is told when the queue under a consumer goes away.
func cancelNotification([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := try(channel.QueueDeclare(unique("cancelled"), false, false, false, false, nil)).Name
	cancelled := channel.NotifyCancel(make(chan string, 1))
	messages := try(channel.Consume(queue, "the consumer", false, false, false, false, nil))
	send(channel, "", queue, "outstanding")
	message := receive("a delivery", messages)

	other := try(connection.Channel())
	expect("deleted", try(other.QueueDelete(queue, false, false, false)), 0)
	expect("consumer", receive("basic.cancel", cancelled), "the consumer")
	must(message.Ack(false)) // settling what was on a deleted queue is no error
	privateQueue(channel)    // and the channel works
}
