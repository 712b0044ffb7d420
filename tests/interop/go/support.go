package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// open connects to the broker that AMQP_URL names and opens a channel.
func open() (*amqp.Connection, *amqp.Channel) {
	connection := try(amqp.Dial(os.Getenv("AMQP_URL")))
	return connection, try(connection.Channel())
}

// privateQueue declares an exclusive queue that the server names.
func privateQueue(channel *amqp.Channel) string {
	return try(channel.QueueDeclare("", false, false, true, false, nil)).Name
}

// send publishes a text.
func send(channel *amqp.Channel, exchange, key, text string) {
	must(publish(channel, exchange, key, amqp.Publishing{Body: []byte(text)}))
}

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) error {
	return channel.PublishWithContext(context.Background(), exchange, key, false, false, message)
}

// consume starts a consumer that acknowledges by itself.
func consume(channel *amqp.Channel, queue string) <-chan amqp.Delivery {
	return try(channel.Consume(queue, "", false, false, false, false, nil))
}

// take gets one message that must be there.
func take(channel *amqp.Channel, queue string) amqp.Delivery {
	message, found, err := channel.Get(queue, false)
	must(err)
	expect("a message in "+queue, found, true)
	return message
}

// takeAll drains a queue and gives the bodies in their order.
func takeAll(channel *amqp.Channel, queue string) []string {
	texts := []string{}
	for {
		message, found, err := channel.Get(queue, true)
		must(err)
		if !found {
			return texts
		}
		texts = append(texts, string(message.Body))
	}
}

// unique makes a name that no other run uses.
func unique(name string) string {
	return fmt.Sprintf("go.%s.%d", name, os.Getpid())
}

// receive waits for the next value; a broker that stays silent for 10 s fails the story.
func receive[T any](what string, from <-chan T) T {
	select {
	case value, alive := <-from:
		if !alive {
			fail("%s: closed", what)
		}
		return value
	case <-time.After(10 * time.Second):
		fail("%s: nothing came", what)
		panic("not reached")
	}
}

// expectRefusal checks that an error is the broker's own, with this code and text.
func expectRefusal(what string, err error, code int, reason string) {
	var refusal *amqp.Error
	if !errors.As(err, &refusal) {
		fail("%s: expected %d, got %v", what, code, err)
	}
	expect(what, fmt.Sprintf("%d %s", refusal.Code, refusal.Reason), fmt.Sprintf("%d %s", code, reason))
}

func expect(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		fail("%s:\n     got %#v\nexpected %#v", what, got, want)
	}
}

// try unwraps a result that must not be an error.
func try[T any](value T, err error) T {
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func must2[T any](_ T, err error) { must(err) }

func describe(value any) string { return fmt.Sprintf("%v", value) }
