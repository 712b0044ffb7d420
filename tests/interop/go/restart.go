package main

import (
	"context"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// restart is a story in two phases with a stop of the broker between them. The runner calls
//
//	restart prepare TERM|KILL    fills the broker, prints "ready", and waits for the end of its connection
//	restart check                looks for what must be there, and for what must be gone
func restart(arguments []string) {
	connection, channel := open()
	end := waitForEnd(connection) // before anybody is told to end it
	switch strings.Join(arguments, " ") {
	case "prepare TERM":
		prepare(connection, channel)
		expectRefusal("shutdown", receive("the end", end), 320,
			"CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'")
	case "prepare KILL":
		prepare(connection, channel)
		<-end
	case "check":
		check(connection, channel)
		connection.Close()
	default:
		fail("usage: restart prepare TERM|KILL, or restart check")
	}
}

const durableQueue, durableExchange = "interop.go.restart", "interop.go.restart.exchange"

var large = strings.Repeat("large ", 200_000)

func prepare(connection *amqp.Connection, channel *amqp.Channel) {
	must2(channel.QueueDelete(durableQueue, false, false, false)) // what a failed run left
	try(channel.QueueDeclare(durableQueue, true, false, false, false, amqp.Table{"x-max-length": 1000}))
	must(channel.ExchangeDeclare(durableExchange, "topic", true, false, false, false, nil))
	must(channel.QueueBind(durableQueue, "kept.#", durableExchange, false, nil))
	must(channel.QueueBind(durableQueue, "dropped.#", durableExchange, false, nil))
	must(channel.QueueUnbind(durableQueue, "dropped.#", durableExchange, nil))

	try(channel.QueueDeclare("interop.go.exclusive", true, false, true, false, nil))
	try(channel.QueueDeclare("interop.go.deleted", true, false, false, false, nil))
	try(channel.QueueDelete("interop.go.deleted", false, false, false))
	must(channel.ExchangeDeclare("interop.go.transient", "fanout", false, false, false, false, nil))
	try(channel.QueueDeclare("interop.go.transient", false, false, false, false, nil))
	try(channel.QueueDeclare("interop.go.auto-delete", false, true, false, false, nil))
	consume(channel, "interop.go.auto-delete")

	must(channel.Confirm(false))
	var sent []*amqp.DeferredConfirmation
	for i := 1; i <= 200; i++ {
		// The even ones are transient: they do not outlive the broker, even in a durable queue.
		mode := []uint8{amqp.Transient, amqp.Persistent}[i%2]
		sent = append(sent, publishKept(channel, mode, fmt.Sprint(i)))
	}
	sent = append(sent, publishKept(channel, amqp.Persistent, large))
	for _, message := range sent {
		expect("confirmed", message.Wait(), true)
	}
	committed := try(connection.Channel())
	must(committed.Tx())
	must(publish(committed, "", durableQueue, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("committed")}))
	must(committed.TxCommit())
	must(publish(committed, "", durableQueue, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("not committed")}))

	for i := 1; i <= 21; i++ { // 1 to 10 are acknowledged, 11 to 21 only delivered
		message := take(channel, durableQueue)
		if i <= 10 {
			must(message.Ack(false))
		} // the answer to a later get says that the broker has seen the ack
	}
	fmt.Println("ready")
}

func publishKept(channel *amqp.Channel, mode uint8, text string) *amqp.DeferredConfirmation {
	return try(channel.PublishWithDeferredConfirmWithContext(context.Background(), durableExchange, "kept.one", false, false,
		amqp.Publishing{DeliveryMode: mode, Headers: amqp.Table{"length": int32(len(text))}, Body: []byte(text)}))
}

func check(connection *amqp.Connection, channel *amqp.Channel) {
	for _, queue := range []string{"interop.go.exclusive", "interop.go.deleted", "interop.go.transient", "interop.go.auto-delete"} {
		_, err := try(connection.Channel()).QueueInspect(queue)
		expectRefusal(queue, err, 404, "NOT_FOUND - no queue '"+queue+"' in vhost '/'")
	}
	err := try(connection.Channel()).ExchangeDeclarePassive("interop.go.transient", "fanout", false, false, false, false, nil)
	expectRefusal("transient exchange", err, 404, "NOT_FOUND - no exchange 'interop.go.transient' in vhost '/'")
	must(channel.ExchangeDeclare(durableExchange, "topic", true, false, false, false, nil))
	try(channel.QueueDeclare(durableQueue, true, false, false, false, amqp.Table{"x-max-length": 1000}))

	for i := 11; i <= 200; i += 2 {
		message := take(channel, durableQueue)
		expect("order", string(message.Body), fmt.Sprint(i))
		expect("redelivered: "+string(message.Body), message.Redelivered, i <= 21)
		expect("headers", message.Headers, amqp.Table{"length": int32(len(message.Body))})
	}
	expect("large", string(take(channel, durableQueue).Body) == large, true)
	expect("committed", string(take(channel, durableQueue).Body), "committed")
	expect("no more", takeAll(channel, durableQueue), []string{})
	must(channel.Ack(0, true))

	send(channel, durableExchange, "kept.binding", "kept")
	send(channel, durableExchange, "dropped.binding", "dropped")
	expect("bindings", takeAll(channel, durableQueue), []string{"kept"})
	try(channel.QueueDelete(durableQueue, false, false, false))
	must(channel.ExchangeDelete(durableExchange, false, false))
}

func waitForEnd(connection *amqp.Connection) chan *amqp.Error {
	return connection.NotifyClose(make(chan *amqp.Error, 1))
}
