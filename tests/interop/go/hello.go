package main

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// hello sends a message to a queue by the default exchange and receives it.
func hello([]string) {
	connection, channel := open()
	defer connection.Close()

	queue := try(channel.QueueDeclare(unique("hello"), false, true, false, false, nil))
	must(channel.PublishWithContext(context.Background(), "", queue.Name, false, false, amqp.Publishing{
		ContentType: "text/plain",
		Body:        []byte("Hello World!"),
	}))

	messages := try(channel.Consume(queue.Name, "", true, false, false, false, nil))
	message := receive("hello", messages)
	expect("body", string(message.Body), "Hello World!")
	expect("content type", message.ContentType, "text/plain")
	expect("routing key", message.RoutingKey, queue.Name)
	expect("redelivered", message.Redelivered, false)
}
