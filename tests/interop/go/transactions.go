package main

// transactions publishes and acknowledges all at once, or not at all.
func transactions([]string) {
	connection, channel := open()
	defer connection.Close()
	watching := try(connection.Channel())
	queue := privateQueue(channel)
	must(channel.Tx())

	send(channel, "", queue, "never")
	must(channel.TxRollback())
	send(channel, "", queue, "one")
	send(channel, "", queue, "two")
	expect("before the commit", try(watching.QueueInspect(queue)).Messages, 0)
	must(channel.TxCommit())
	expect("after the commit", try(watching.QueueInspect(queue)).Messages, 2)

	one := take(channel, queue)
	must(one.Ack(false))
	must(channel.TxRollback()) // the acknowledgement is undone, the message is unacked as before
	expect("still held", try(watching.QueueInspect(queue)).Messages, 1)
	must(one.Ack(false))
	must(channel.TxCommit())

	two := take(channel, queue)
	must(two.Ack(false)) // not committed when the channel ends
	must(channel.Close())
	again := take(watching, queue)
	expect("undone with its channel", string(again.Body), "two")
	expect("redelivered", again.Redelivered, true)
}
