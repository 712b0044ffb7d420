package main

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// death is one entry of the header x-death.
type death struct {
	queue, reason string
	count         int64
}

// retryLoop lets a failing task wait in a second queue and come back, until the third try.
func retryLoop([]string) {
	connection, channel := open()
	defer connection.Close()
	work, wait := unique("work"), unique("wait")
	declareTo(channel, work, amqp.Table{"x-dead-letter-routing-key": wait})
	declareTo(channel, wait, amqp.Table{"x-dead-letter-routing-key": work, "x-message-ttl": int32(50)})
	send(channel, "", work, "a task")
	tasks := consume(channel, work)
	for tries := int64(0); tries < 3; tries++ {
		task := receive("a task", tasks)
		expect("the task", string(task.Body), "a task")
		told := []death{}
		if tries > 0 {
			told = []death{{wait, "expired", tries}, {work, "rejected", tries}}
		}
		expect("x-death", deaths(task), told)
		if tries < 2 {
			must(task.Reject(false))
		} else {
			must(task.Ack(false))
		}
	}
	for _, queue := range []string{work, wait} {
		expect("left", try(channel.QueueDelete(queue, false, false, false)), 0)
	}
}

// declareTo declares a queue whose dead letters go to another queue.
func declareTo(channel *amqp.Channel, queue string, arguments amqp.Table) {
	arguments["x-dead-letter-exchange"] = ""
	try(channel.QueueDeclare(queue, true, false, false, false, arguments))
}

// deaths reads what x-death tells, newest first.
func deaths(message amqp.Delivery) []death {
	told := []death{}
	entries, _ := message.Headers["x-death"].([]any)
	for _, entry := range entries {
		table := entry.(amqp.Table)
		told = append(told, death{
			table["queue"].(string), table["reason"].(string), table["count"].(int64),
		})
	}
	return told
}
