package main

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// confirms waits for the broker's word in the three usual ways: after each message, after each
// batch, and beside the publishing. A confirmed persistent message is on disk.
func confirms([]string) {
	connection, channel := open()
	defer connection.Close()
	must(channel.Confirm(false))
	queue := try(channel.QueueDeclare(unique("confirms"), true, false, false, false, nil)).Name
	defer channel.QueueDelete(queue, false, false, false)

	oneByOne(channel, queue, 20)
	inBatches(channel, queue, 5, 20)
	asynchronously(channel, queue, 500)
	expect("stored", try(channel.QueueInspect(queue)).Messages, 620)
	refused(channel)

	must(channel.Confirm(false)) // once more: the count goes on
	expect("next", channel.GetNextPublishSeqNo() > 620, true)
}

func oneByOne(channel *amqp.Channel, queue string, count int) {
	for i := 0; i < count; i++ {
		expect("confirmed", publishDeferred(channel, queue).Wait(), true)
	}
}

func inBatches(channel *amqp.Channel, queue string, batches, size int) {
	for i := 0; i < batches; i++ {
		var batch []*amqp.DeferredConfirmation
		for j := 0; j < size; j++ {
			batch = append(batch, publishDeferred(channel, queue))
		}
		for _, message := range batch {
			expect("confirmed", message.Wait(), true)
		}
	}
}

func asynchronously(channel *amqp.Channel, queue string, count int) {
	confirmations := channel.NotifyPublish(make(chan amqp.Confirmation, count))
	first := channel.GetNextPublishSeqNo()
	for i := 0; i < count; i++ {
		publishDeferred(channel, queue)
	}
	for i := 0; i < count; i++ {
		confirmation := receive("a confirm", confirmations)
		expect("in order", confirmation, amqp.Confirmation{DeliveryTag: first + uint64(i), Ack: true})
	}
}

// refused fills a queue that refuses what is too much: such a message gets a nack.
func refused(channel *amqp.Channel) {
	full := try(channel.QueueDeclare("", false, false, true, false,
		amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})).Name
	answers := []string{}
	for i := 0; i < 3; i++ {
		answers = append(answers, fmt.Sprint(publishDeferred(channel, full).Wait()))
	}
	expect("a full queue", answers, []string{"true", "false", "false"})
}

func publishDeferred(channel *amqp.Channel, queue string) *amqp.DeferredConfirmation {
	return try(channel.PublishWithDeferredConfirmWithContext(context.Background(), "", queue, false, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("to be kept")}))
}

// mandatory publishes to nowhere: the message comes back, and its confirm follows.
func mandatory([]string) {
	connection, channel := open()
	defer connection.Close()
	must(channel.Confirm(false))
	// Both are unbuffered, so that the order in which this client hands them on can be seen.
	returns := channel.NotifyReturn(make(chan amqp.Return))
	confirmations := channel.NotifyPublish(make(chan amqp.Confirmation))
	events := make(chan string, 10)
	go func() {
		for {
			select {
			case message := <-returns:
				events <- fmt.Sprintf("returned %s: %d %s to %q by %q", message.Body, message.ReplyCode,
					message.ReplyText, message.RoutingKey, message.Exchange)
			case confirmation := <-confirmations:
				events <- fmt.Sprintf("confirmed %d", confirmation.DeliveryTag)
			}
		}
	}()
	queue := privateQueue(channel)
	for _, key := range []string{"nowhere", queue} {
		must(channel.PublishWithContext(context.Background(), "", key, true, false,
			amqp.Publishing{Body: []byte("lost?")}))
	}
	expect("first", receive("a return", events), `returned lost?: 312 NO_ROUTE to "nowhere" by ""`)
	expect("second", receive("its confirm", events), "confirmed 1")
	expect("third", receive("the confirm of the other", events), "confirmed 2")
}
