package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"

	amqp "github.com/rabbitmq/amqp091-go"
)

// workQueue shares tasks between two workers. One of them is killed in the middle of its task
// (kill -9); the broker gives the task to the other, marked as redelivered.
func workQueue(arguments []string) {
	if len(arguments) == 1 {
		worker(arguments[0])
	}
	connection, channel := open()
	defer connection.Close()
	queue := try(channel.QueueDeclare(unique("tasks"), true, false, false, false, nil)).Name
	defer channel.QueueDelete(queue, false, false, false)
	for _, task := range []string{"slow", "quick"} {
		must(publish(channel, "", queue, amqp.Publishing{
			DeliveryMode: amqp.Persistent,
			Body:         []byte(task),
		}))
	}

	victim := exec.Command(os.Args[0], "work_queue", queue)
	output := bufio.NewReader(try(victim.StdoutPipe()))
	must(victim.Start())
	expect("the first worker", try(output.ReadString('\n')), "began slow, redelivered=false\n")

	must(channel.Qos(1, 0, false))
	tasks := consume(channel, queue)
	quick := receive("the task that the first worker has no room for", tasks)
	expect("second task", string(quick.Body), "quick")
	expect("redelivered", quick.Redelivered, false)

	must(victim.Process.Kill())
	must(quick.Ack(false))
	slow := receive("the task of the killed worker", tasks)
	expect("task", string(slow.Body), "slow")
	expect("redelivered", slow.Redelivered, true)
	expect("delivery mode", slow.DeliveryMode, uint8(amqp.Persistent))
	must(slow.Ack(false))
}

// worker takes one task at a time and never finishes the first.
func worker(queue string) {
	_, channel := open()
	must(channel.Qos(1, 0, false))
	for task := range consume(channel, queue) {
		fmt.Printf("began %s, redelivered=%v\n", task.Body, task.Redelivered)
	}
}
