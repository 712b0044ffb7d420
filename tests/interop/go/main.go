// The Go stories: each is a small program that shows one use of AMQP 0-9-1 with the client
// github.com/rabbitmq/amqp091-go, and checks that the broker does what the reader expects.
//
//	AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f stories hello    runs one
//	stories list                                                  names them
package main

import (
	"fmt"
	"os"
)

var stories = []struct {
	name string
	run  func(arguments []string)
}{
	{"hello", hello},
	{"work_queue", workQueue},
	{"publish_subscribe", publishSubscribe},
	{"routing", routing},
	{"topics", topics},
	{"headers", headers},
	{"rpc", rpc},
	{"confirms", confirms},
	{"mandatory", mandatory},
	{"properties", properties},
	{"closing", closing},
	{"transactions", transactions},
	{"exchanges", exchanges},
	{"bodies", bodies},
	{"get_and_requeue", getAndRequeue},
	{"cancel_notification", cancelNotification},
	{"retry_loop", retryLoop},
	{"priorities", priorities},
	{"delayed", delayed},
	{"streams", streams},
	{"single_active", singleActive},
	{"exclusive", exclusive},
	{"login", login},
	{"channel_errors", channelErrors},
	{"connection_errors", connectionErrors},
	{"forgiven", forgiven},
	{"restart", restart}, // driven by the runner, in phases
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: stories list | STORY [ARGUMENT…]")
	}
	for _, story := range stories {
		switch os.Args[1] {
		case "list":
			fmt.Println(story.name)
		case story.name:
			story.run(os.Args[2:])
			return
		}
	}
	if os.Args[1] != "list" {
		fail("no story %q", os.Args[1])
	}
}
