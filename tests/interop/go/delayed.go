package main

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// delayed publishes through an x-delayed-message exchange: what is due first comes first.
func delayed([]string) {
	connection, channel := open()
	defer connection.Close()
	exchange, queue := unique("delayed"), privateQueue(channel)
	must(channel.ExchangeDeclare(exchange, "x-delayed-message", true, false, false, false,
		amqp.Table{"x-delayed-type": "topic"}))
	must(channel.QueueBind(queue, "a.*", exchange, false, nil))
	must(channel.Confirm(false))
	deliveries := consume(channel, queue)
	for _, message := range []struct {
		delay int32
		body  string
	}{{300, "last"}, {150, "second"}, {0, "first"}} {
		confirmation := try(channel.PublishWithDeferredConfirm(exchange, "a.b", true, false,
			amqp.Publishing{
				DeliveryMode: amqp.Persistent,
				Headers:      amqp.Table{"x-delay": message.delay},
				Body:         []byte(message.body),
			}))
		expect("confirmed", confirmation.Wait(), true)
	}
	for _, expected := range []struct {
		body  string
		delay int32
	}{{"first", 0}, {"second", -150}, {"last", -300}} {
		delivery := receive("a delayed message", deliveries)
		expect("the message", string(delivery.Body), expected.body)
		expect("its delay", delivery.Headers["x-delay"], expected.delay)
		must(delivery.Ack(false))
	}
	must(channel.ExchangeDelete(exchange, false, false))
}

// singleActive has two consumers on a queue of which one gets everything, until it is cancelled.
func singleActive([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := unique("single")
	try(channel.QueueDeclare(queue, true, false, false, false,
		amqp.Table{"x-single-active-consumer": true}))
	first := try(channel.Consume(queue, "first", true, false, false, false, nil))
	second := try(channel.Consume(queue, "second", true, false, false, false, nil))
	send(channel, "", queue, "1")
	send(channel, "", queue, "2")
	expect("the active one", string(receive("the first", first).Body), "1")
	expect("the active one", string(receive("the second", first).Body), "2")
	must(channel.Cancel("first", false))
	send(channel, "", queue, "3")
	expect("the one that follows", string(receive("the third", second).Body), "3")
	try(channel.QueueDelete(queue, false, false, false))
}
