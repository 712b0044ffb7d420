package main

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// exchanges binds exchanges to exchanges, and catches with an alternate exchange what matches
// nothing.
func exchanges([]string) {
	connection, channel := open()
	defer connection.Close()
	exchangeToExchange(channel)
	alternateExchange(channel)
}

func exchangeToExchange(channel *amqp.Channel) {
	source, sink := unique("source"), unique("sink")
	must(channel.ExchangeDeclare(source, "topic", false, false, false, false, nil))
	must(channel.ExchangeDeclare(sink, "fanout", false, false, true, false, nil)) // internal
	defer channel.ExchangeDelete(source, false, false)
	defer channel.ExchangeDelete(sink, false, false)
	queue := privateQueue(channel)
	must(channel.QueueBind(queue, "", sink, false, nil))
	must(channel.QueueBind(queue, "error.disk", source, false, nil)) // two ways, one copy
	must(channel.ExchangeBind(sink, "error.#", source, false, nil))
	must(channel.ExchangeBind(source, "", sink, false, nil)) // a cycle does no harm
	send(channel, source, "error.disk", "both ways")
	send(channel, source, "info", "nowhere")
	expect("bound", takeAll(channel, queue), []string{"both ways"})

	must(channel.ExchangeUnbind(sink, "error.#", source, false, nil))
	send(channel, source, "error.net", "unbound")
	expect("unbound", takeAll(channel, queue), []string{})
}

func alternateExchange(channel *amqp.Channel) {
	main, alternate := unique("main"), unique("alternate")
	must(channel.ExchangeDeclare(alternate, "fanout", false, false, false, false, nil))
	must(channel.ExchangeDeclare(main, "direct", false, false, false, false,
		amqp.Table{"alternate-exchange": alternate}))
	defer channel.ExchangeDelete(main, false, false)
	defer channel.ExchangeDelete(alternate, false, false)
	known, rest := privateQueue(channel), privateQueue(channel)
	must(channel.QueueBind(known, "known", main, false, nil))
	must(channel.QueueBind(rest, "", alternate, false, nil))
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	for _, key := range []string{"known", "unknown"} {
		must(channel.PublishWithContext(context.Background(), main, key, true, false,
			amqp.Publishing{Body: []byte(key)}))
	}
	expect("known", takeAll(channel, known), []string{"known"})
	expect("the rest", takeAll(channel, rest), []string{"unknown"})
	expect("nothing comes back", len(returns), 0)
}
