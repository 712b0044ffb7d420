package main

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// priorities shows both kinds: the urgent message first, and the preferred consumer first.
func priorities([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := try(channel.QueueDeclare("", false, false, true, false,
		amqp.Table{"x-max-priority": int32(5)})).Name
	for _, message := range []struct {
		priority uint8
		body     string
	}{{0, "a"}, {1, "b"}, {5, "c"}, {0, "d"}, {9, "e"}, {1, "f"}} {
		must(publish(channel, "", queue,
			amqp.Publishing{Priority: message.priority, Body: []byte(message.body)}))
	}
	first := take(channel, queue)
	expect("the most urgent", string(first.Body), "c")
	must(first.Nack(false, true)) // it goes back to its place
	expect("the order", strings.Join(takeAll(channel, queue), ""), "cebfad")
	consumerPriorities(channel)
}

func consumerPriorities(channel *amqp.Channel) {
	queue := privateQueue(channel)
	must(channel.Qos(1, 0, false))
	low := prefer(channel, queue, 1)
	high := prefer(channel, queue, 9)
	send(channel, "", queue, "1")
	send(channel, "", queue, "2")
	expect("the preferred consumer", string(receive("the first", high).Body), "1")
	expect("the other", string(receive("the second", low).Body), "2")
}

// prefer starts a consumer with a priority.
func prefer(channel *amqp.Channel, queue string, priority int32) <-chan amqp.Delivery {
	return try(channel.Consume(queue, "", false, false, false, false,
		amqp.Table{"x-priority": priority}))
}
