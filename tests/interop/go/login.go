package main

import (
	"net/url"
	"os"
	"regexp"

	amqp "github.com/rabbitmq/amqp091-go"
)

// login reads what the broker says of itself, and is refused with a wrong password, user or
// virtual host.
func login([]string) {
	connection, _ := open()
	defer connection.Close()
	expect("version", regexp.MustCompile(`^\d+\.\d+\.\d+`).MatchString(connection.Properties["version"].(string)), true)
	capabilities := connection.Properties["capabilities"].(amqp.Table)
	for _, capability := range []string{"publisher_confirms", "exchange_exchange_bindings", "basic.nack",
		"consumer_cancel_notify", "connection.blocked", "consumer_priorities",
		"authentication_failure_close", "per_consumer_qos", "direct_reply_to"} {
		expect(capability, capabilities[capability], true)
	}
	expect("tune", []int{connection.Config.ChannelMax, connection.Config.FrameSize}, []int{2047, 131072})

	// This client does not announce authentication_failure_close: the broker hangs up without a
	// word, and the client takes that for a refusal.
	address := try(url.Parse(os.Getenv("AMQP_URL")))
	for _, user := range []*url.Userinfo{url.UserPassword("guest", "wrong"), url.UserPassword("nobody", "guest")} {
		stranger := *address
		stranger.User = user
		_, err := amqp.Dial(stranger.String())
		expectRefusal("login", err, amqp.ErrCredentials.Code, amqp.ErrCredentials.Reason)
	}
	_, err := amqp.DialConfig(address.String(), amqp.Config{Vhost: "nowhere"})
	expect("vhost", err, error(amqp.ErrVhost)) // the client's own word for 530
}
