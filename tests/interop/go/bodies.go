package main

import (
	"bytes"
	"math/rand"

	amqp "github.com/rabbitmq/amqp091-go"
)

// bodies sends nothing at all, and much more than a frame holds.
func bodies([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := privateQueue(channel)
	// 131064 octets is what one frame of 131072 holds.
	sizes := []int{0, 1, 131063, 131064, 131065, 2 * 131064, 1 << 20, 10 << 20, 0}
	random := rand.New(rand.NewSource(1))
	var sent [][]byte
	for _, size := range sizes {
		body := make([]byte, size)
		random.Read(body)
		sent = append(sent, body)
		must(publish(channel, "", queue, amqp.Publishing{Body: body}))
	}
	expect("gotten", bytes.Equal(take(channel, queue).Body, sent[0]), true)
	messages := consume(channel, queue)
	for _, body := range sent[1:] {
		message := receive("a body", messages)
		if !bytes.Equal(message.Body, body) {
			fail("a body of %d octets came back with %d, or changed", len(body), len(message.Body))
		}
		must(message.Ack(false))
	}
}
