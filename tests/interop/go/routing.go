package main

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// publishSubscribe sends log lines to everybody who listens at the moment.
func publishSubscribe([]string) {
	connection, channel := open()
	defer connection.Close()
	logs := unique("logs")
	must(channel.ExchangeDeclare(logs, "fanout", false, true, false, false, nil))
	send(channel, logs, "", "nobody hears this")

	var listeners []<-chan amqp.Delivery
	for i := 0; i < 2; i++ {
		queue := privateQueue(channel)
		expect("server-named", strings.HasPrefix(queue, "amq.gen-"), true)
		must(channel.QueueBind(queue, "", logs, false, nil))
		listeners = append(listeners, consume(channel, queue))
	}
	send(channel, logs, "ignored", "one")
	send(channel, logs, "", "two")
	for _, listener := range listeners {
		first := receive("first line", listener)
		expect("exchange", first.Exchange, logs)
		expect("first line", string(first.Body), "one")
		expect("second line", string(receive("second line", listener).Body), "two")
	}
}

// routing picks log lines by their severity with a direct exchange.
func routing([]string) {
	connection, channel := open()
	defer connection.Close()
	logs := unique("direct")
	must(channel.ExchangeDeclare(logs, "direct", false, true, false, false, nil))
	errors, all := privateQueue(channel), privateQueue(channel)
	must(channel.QueueBind(errors, "error", logs, false, nil))
	for _, severity := range []string{"info", "warning", "error"} {
		must(channel.QueueBind(all, severity, logs, false, nil))
	}
	for _, severity := range []string{"info", "error", "debug", "warning"} {
		send(channel, logs, severity, severity)
	}
	expect("errors only", takeAll(channel, errors), []string{"error"})
	expect("all that are bound", takeAll(channel, all), []string{"info", "error", "warning"})

	must(channel.QueueUnbind(all, "info", logs, nil))
	send(channel, logs, "info", "after the unbind")
	expect("unbound", takeAll(channel, all), []string{})
}

// topics picks by patterns: * is one word, # is any number of words.
func topics([]string) {
	connection, channel := open()
	defer connection.Close()
	animals := unique("topic")
	must(channel.ExchangeDeclare(animals, "topic", false, false, false, false, nil))
	defer channel.ExchangeDelete(animals, false, false)
	keys := []string{"quick.orange.rabbit", "lazy.orange.elephant", "quick.brown.fox", "lazy.pink.rabbit",
		"lazy", "orange", "lazy.orange.new.rabbit", "", "quick.orange.", "a..b"}
	for _, rule := range []struct {
		patterns string
		matches  []string
	}{
		{"*.orange.*", []string{"quick.orange.rabbit", "lazy.orange.elephant", "quick.orange."}},
		{"*.*.rabbit lazy.#", []string{"quick.orange.rabbit", "lazy.orange.elephant", "lazy.pink.rabbit",
			"lazy", "lazy.orange.new.rabbit"}},
		{"#", keys},
		{"*", []string{"lazy", "orange"}},
		{"#.rabbit", []string{"quick.orange.rabbit", "lazy.pink.rabbit", "lazy.orange.new.rabbit"}},
		{"lazy.#.rabbit", []string{"lazy.pink.rabbit", "lazy.orange.new.rabbit"}},
		{"a.*.b", []string{"a..b"}},
		{"nothing.#", []string{}},
	} {
		queue := privateQueue(channel)
		for _, pattern := range strings.Fields(rule.patterns) {
			must(channel.QueueBind(queue, pattern, animals, false, nil))
		}
		for _, key := range keys {
			send(channel, animals, key, key)
		}
		expect(rule.patterns, takeAll(channel, queue), rule.matches)
		must2(channel.QueueDelete(queue, false, false, false))
	}
}

// headers picks by the message's headers instead of its routing key.
func headers([]string) {
	connection, channel := open()
	defer connection.Close()
	reports := unique("headers")
	must(channel.ExchangeDeclare(reports, "headers", false, false, false, false, nil))
	defer channel.ExchangeDelete(reports, false, false)
	for _, rule := range []struct {
		binding amqp.Table
		matches []string
	}{
		{amqp.Table{"x-match": "all", "format": "pdf", "type": "report"}, []string{"pdf report"}},
		{amqp.Table{"format": "pdf", "type": "report"}, []string{"pdf report"}}, // all is the default
		{amqp.Table{"x-match": "any", "format": "pdf", "type": "log"}, []string{"pdf report", "pdf log", "zip log"}},
		{amqp.Table{"x-match": "all", "format": nil}, []string{"pdf report", "pdf log", "zip log"}}, // is there
		{amqp.Table{"x-match": "all", "pages": int64(7)}, []string{"pdf report"}},                   // any width
		{amqp.Table{"x-match": "all"}, []string{"pdf report", "pdf log", "zip log", "bare"}},
		{amqp.Table{"x-match": "any"}, []string{}},
		{amqp.Table{"x-match": "all", "x-trace": "yes"}, []string{"pdf report", "pdf log", "zip log", "bare"}},
		{amqp.Table{"x-match": "all-with-x", "x-trace": "yes"}, []string{"zip log"}},
		{amqp.Table{"x-match": "any-with-x", "x-trace": "yes", "type": "report"}, []string{"pdf report", "zip log"}},
	} {
		queue := privateQueue(channel)
		must(channel.QueueBind(queue, "ignored", reports, false, rule.binding))
		for _, message := range []struct {
			text    string
			headers amqp.Table
		}{
			{"pdf report", amqp.Table{"format": "pdf", "type": "report", "pages": int16(7)}},
			{"pdf log", amqp.Table{"format": "pdf", "type": "log"}},
			{"zip log", amqp.Table{"format": "zip", "type": "log", "x-trace": "yes"}},
			{"bare", nil},
		} {
			must(publish(channel, reports, "", amqp.Publishing{Headers: message.headers, Body: []byte(message.text)}))
		}
		expect(strings.TrimSpace(describe(rule.binding)), takeAll(channel, queue), rule.matches)
		must2(channel.QueueDelete(queue, false, false, false))
	}
}
