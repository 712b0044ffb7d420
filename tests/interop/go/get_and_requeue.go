package main

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// getAndRequeue takes messages one by one and gives them back: they return to their old place.
func getAndRequeue([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := privateQueue(channel)
	for i := 1; i <= 5; i++ {
		send(channel, "", queue, fmt.Sprint(i))
	}

	one := take(channel, queue)
	expect("ready after the first", one.MessageCount, uint32(4))
	two, three := take(channel, queue), take(channel, queue)
	must(two.Reject(true))
	must(one.Nack(false, true))
	expect("order", []string{next(channel, queue), next(channel, queue)}, []string{"1 again", "2 again"})
	expect("not touched", next(channel, queue), "4")
	must(three.Ack(false))
	must(channel.Recover(true)) // all that is unacked goes back: 1, 2 and 4
	expect("recovered", []string{next(channel, queue), next(channel, queue), next(channel, queue),
		next(channel, queue)}, []string{"1 again", "2 again", "4 again", "5"})

	must(channel.Nack(0, true, true)) // tag 0 and multiple: all of them
	expect("all back", next(channel, queue), "1 again")
	_, four := take(channel, queue), take(channel, queue)
	must(four.Ack(true)) // this one and all before
	expect("the last one", next(channel, queue), "5 again")
	must(channel.Ack(0, true))
	_, found, err := channel.Get(queue, false)
	must(err)
	expect("empty", found, false)

	send(channel, "", queue, "purged")
	expect("purged", try(channel.QueuePurge(queue, false)), 1)
}

func next(channel *amqp.Channel, queue string) string {
	message := take(channel, queue)
	if message.Redelivered {
		return string(message.Body) + " again"
	}
	return string(message.Body)
}
