package main

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// exclusive keeps a queue for one connection: others are refused (but may publish to it), and it
// is gone before the connection's close is answered.
func exclusive([]string) {
	owner, owning := open()
	queue := try(owning.QueueDeclare(unique("exclusive"), false, false, true, false, nil)).Name
	must(owning.QueueBind(queue, "key", "amq.direct", false, nil))
	stranger, _ := open()
	defer stranger.Close()

	for what, attempt := range map[string]func(*amqp.Channel) error{
		"declare": func(c *amqp.Channel) error { _, e := c.QueueDeclare(queue, false, false, true, false, nil); return e },
		"passive": func(c *amqp.Channel) error { _, e := c.QueueInspect(queue); return e },
		"consume": func(c *amqp.Channel) error { _, e := c.Consume(queue, "", false, false, false, false, nil); return e },
		"get":     func(c *amqp.Channel) error { _, _, e := c.Get(queue, false); return e },
		"bind":    func(c *amqp.Channel) error { return c.QueueBind(queue, "k", "amq.direct", false, nil) },
		"unbind":  func(c *amqp.Channel) error { return c.QueueUnbind(queue, "key", "amq.direct", nil) },
		"purge":   func(c *amqp.Channel) error { _, e := c.QueuePurge(queue, false); return e },
		"delete":  func(c *amqp.Channel) error { _, e := c.QueueDelete(queue, false, false, false); return e },
	} {
		expectRefusal(what, attempt(try(stranger.Channel())), 405, "RESOURCE_LOCKED - cannot obtain exclusive "+
			"access to locked queue '"+queue+"' in vhost '/'. It could be originally declared on another "+
			"connection or the exclusive property value does not match that of the original declaration.")
	}
	outside := try(stranger.Channel())
	must(outside.Confirm(false))
	expect("publishing is open to all", publishDeferred(outside, queue).Wait(), true)
	expect("it arrived", string(take(owning, queue).Body), "to be kept")

	must(owner.Close())
	_, err := outside.QueueInspect(queue)
	expectRefusal("after its connection", err, 404, "NOT_FOUND - no queue '"+queue+"' in vhost '/'")
}
