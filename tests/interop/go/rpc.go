package main

import (
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rpc asks a server for Fibonacci numbers: the question names a queue for the answer (reply-to)
// and carries a mark (correlation id) that the answer repeats. The second round needs no queue of
// its own: RabbitMQ's direct reply-to.
func rpc([]string) {
	connection, serving := open()
	defer connection.Close()
	questions := privateQueue(serving)
	go serve(serving, questions)

	channel := try(connection.Channel())
	answers := privateQueue(channel)
	ask(channel, questions, answers, try(channel.Consume(answers, "", true, true, false, false, nil)))

	const direct = "amq.rabbitmq.reply-to"
	ask(channel, questions, direct, try(channel.Consume(direct, "", true, false, false, false, nil)))
}

func serve(channel *amqp.Channel, questions string) {
	must(channel.Qos(1, 0, false))
	for question := range consume(channel, questions) {
		n := try(strconv.Atoi(string(question.Body)))
		must(publish(channel, "", question.ReplyTo, amqp.Publishing{
			CorrelationId: question.CorrelationId,
			Body:          []byte(strconv.Itoa(fibonacci(n))),
		}))
		must(question.Ack(false))
	}
}

func ask(channel *amqp.Channel, questions, replyTo string, answers <-chan amqp.Delivery) {
	for n, want := range []string{"0", "1", "1", "2", "3", "5", "8", "13"} {
		must(publish(channel, "", questions, amqp.Publishing{
			ReplyTo:       replyTo,
			CorrelationId: strconv.Itoa(n),
			Body:          []byte(strconv.Itoa(n)),
		}))
		answer := receive("an answer", answers)
		expect("correlation id", answer.CorrelationId, strconv.Itoa(n))
		expect("answer", string(answer.Body), want)
	}
}

func fibonacci(n int) int {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}
