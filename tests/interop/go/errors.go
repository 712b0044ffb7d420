package main

import (
	"context"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A refusal is something a client must not do, and how the broker says so.
// In its text, QUEUE stands for the queue that the attempt is given.
type refusal struct {
	what    string
	code    int
	reason  string
	attempt func(channel *amqp.Channel, queue string) error
}

// channelErrors does what closes the channel: the broker says why, the connection lives on.
func channelErrors([]string) {
	connection, _ := open()
	defer connection.Close()
	for _, refusal := range channelRefusals {
		expectClosed(try(connection.Channel()), refusal)
		expect(refusal.what+": the connection", connection.IsClosed(), false)
	}
}

// connectionErrors does what closes the whole connection.
func connectionErrors([]string) {
	for _, refusal := range connectionRefusals {
		connection, channel := open()
		expectClosed(channel, refusal)
		expect(refusal.what+": the connection", connection.IsClosed(), true)
	}
}

func expectClosed(channel *amqp.Channel, refusal refusal) {
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	queue := try(channel.QueueDeclare(unique("refused"), false, true, true, false, nil)).Name
	must2(channel.QueuePurge(queue, false))
	refusal.attempt(channel, queue)
	reason := strings.ReplaceAll(refusal.reason, "QUEUE", queue)
	expectRefusal(refusal.what, receive(refusal.what, closed), refusal.code, reason)
}

var channelRefusals = []refusal{
	{"publish to no exchange", 404, "NOT_FOUND - no exchange 'nowhere' in vhost '/'",
		func(c *amqp.Channel, q string) error { return publish(c, "nowhere", "", amqp.Publishing{}) }},
	{"consume from no queue", 404, "NOT_FOUND - no queue 'nothing' in vhost '/'",
		func(c *amqp.Channel, q string) error {
			_, e := c.Consume("nothing", "", false, false, false, false, nil)
			return e
		}},
	{"get from no queue", 404, "NOT_FOUND - no queue 'nothing' in vhost '/'",
		func(c *amqp.Channel, q string) error { _, _, e := c.Get("nothing", false); return e }},
	{"bind to no exchange", 404, "NOT_FOUND - no exchange 'nowhere' in vhost '/'",
		func(c *amqp.Channel, q string) error { return c.QueueBind(q, "", "nowhere", false, nil) }},
	{"passive exchange", 404, "NOT_FOUND - no exchange 'nowhere' in vhost '/'",
		func(c *amqp.Channel, q string) error {
			return c.ExchangeDeclarePassive("nowhere", "direct", false, false, false, false, nil)
		}},
	{"an unknown delivery tag", 406, "PRECONDITION_FAILED - unknown delivery tag 82",
		func(c *amqp.Channel, q string) error { return c.Ack(82, false) }},
	{"the same tag twice", 406, "PRECONDITION_FAILED - unknown delivery tag 1",
		func(c *amqp.Channel, q string) error {
			send(c, "", q, "")
			must(take(c, q).Ack(false))
			return c.Ack(1, false)
		}},
	{"tag 0 alone", 406, "PRECONDITION_FAILED - unknown delivery tag 0",
		func(c *amqp.Channel, q string) error { return c.Ack(0, false) }},
	{"ack without need", 406, "PRECONDITION_FAILED - unknown delivery tag 1",
		func(c *amqp.Channel, q string) error {
			send(c, "", q, "")
			expect("no-ack", takeAll(c, q), []string{""})
			return c.Ack(1, false)
		}},
	{"a queue's other argument", 406, "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'QUEUE' " +
		"in vhost '/': received the value '20000' of type 'signedint' but current is none",
		func(c *amqp.Channel, q string) error {
			_, e := c.QueueDeclare(q, false, true, true, false, amqp.Table{"x-message-ttl": int32(20000)})
			return e
		}},
	{"an exchange's other type", 406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' " +
		"in vhost '/': received 'fanout' but current is 'direct'",
		func(c *amqp.Channel, q string) error {
			return c.ExchangeDeclare("amq.direct", "fanout", true, false, false, false, nil)
		}},
	{"a reserved name", 403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
		func(c *amqp.Channel, q string) error {
			return c.ExchangeDeclare("amq.mine", "fanout", true, false, false, false, nil)
		}},
	{"publish to an internal exchange", 403,
		"ACCESS_REFUSED - cannot publish to internal exchange 'interop.go.internal' in vhost '/'",
		func(c *amqp.Channel, q string) error {
			must(c.ExchangeDeclare("interop.go.internal", "fanout", false, true, true, false, nil))
			must(c.QueueBind(q, "", "interop.go.internal", false, nil)) // goes with its last binding
			return publish(c, "interop.go.internal", "", amqp.Publishing{})
		}},
	{"delete a used queue", 406, "PRECONDITION_FAILED - queue 'QUEUE' in vhost '/' in use",
		func(c *amqp.Channel, q string) error {
			consume(c, q)
			_, e := c.QueueDelete(q, true, false, false)
			return e
		}},
	{"delete a filled queue", 406, "PRECONDITION_FAILED - queue 'QUEUE' in vhost '/' not empty",
		func(c *amqp.Channel, q string) error {
			send(c, "", q, "")
			_, e := c.QueueDelete(q, false, true, false)
			return e
		}},
	{"a second exclusive consumer", 403, "ACCESS_REFUSED - queue 'QUEUE' in vhost '/' in exclusive use",
		func(c *amqp.Channel, q string) error {
			consume(c, q)
			_, e := c.Consume(q, "", false, true, false, false, nil)
			return e
		}},
	{"commit outside of a transaction", 406, "PRECONDITION_FAILED - channel is not transactional",
		func(c *amqp.Channel, q string) error { return c.TxCommit() }},
	{"from confirms to transactions", 406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
		func(c *amqp.Channel, q string) error { must(c.Confirm(false)); return c.Tx() }},
	{"from transactions to confirms", 406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
		func(c *amqp.Channel, q string) error { must(c.Tx()); return c.Confirm(false) }},
	{"another user's name", 406, "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'",
		func(c *amqp.Channel, q string) error { return publish(c, "", q, amqp.Publishing{UserId: "somebody"}) }},
}

var connectionRefusals = []refusal{
	{"immediate", 540, "NOT_IMPLEMENTED - immediate=true",
		func(c *amqp.Channel, q string) error {
			return c.PublishWithContext(context.Background(), "", q, false, true, amqp.Publishing{})
		}},
	{"a prefetch in octets", 540, "NOT_IMPLEMENTED - prefetch_size!=0 (10)",
		func(c *amqp.Channel, q string) error { return c.Qos(0, 10, false) }},
	{"recover to the same consumer", 540, "NOT_IMPLEMENTED - requeue=false",
		func(c *amqp.Channel, q string) error { return c.Recover(false) }},
}

// forgiven does what looks wrong and is fine.
func forgiven([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := privateQueue(channel)
	expect("delete no queue", try(channel.QueueDelete("nothing", false, false, false)), 0)
	must(channel.ExchangeDelete("nowhere", false, false))
	must(channel.QueueUnbind(queue, "never bound", "amq.direct", nil))
	must(channel.QueueUnbind("nothing", "", "amq.direct", nil))
	must(channel.QueueUnbind(queue, "", "nowhere", nil))
	must(channel.Cancel("nobody", false))
	must(channel.Ack(0, true)) // nothing is outstanding
	must(channel.Flow(true))

	must(channel.QueueBind(queue, "twice", "amq.direct", false, nil))
	must(channel.QueueBind(queue, "twice", "amq.direct", false, nil))
	send(channel, "amq.direct", "twice", "once")
	expect("one binding", takeAll(channel, queue), []string{"once"})

	// Integers of any width are the same argument, and arguments that nobody knows do not count.
	limited := unique("limited")
	try(channel.QueueDeclare(limited, false, false, true, false, amqp.Table{"x-max-length": int16(10)}))
	for _, same := range []interface{}{int8(10), byte(10), int32(10), int64(10)} {
		try(channel.QueueDeclare(limited, false, false, true, false, amqp.Table{"x-max-length": same}))
	}
	try(channel.QueueDeclare(limited, false, false, true, false,
		amqp.Table{"x-max-length": 10, "x-unknown": "argument"}))

	// Line breaks in names are left out.
	named := unique("named")
	expect("name", try(channel.QueueDeclare(named+"\r\n", false, false, true, false, nil)).Name, named)
}
