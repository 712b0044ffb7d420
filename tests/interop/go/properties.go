package main

import (
	"net/url"
	"os"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// properties sends every property that this client can write (all but the reserved cluster-id),
// with a header of each field type, and receives the same.
func properties([]string) {
	connection, channel := open()
	defer connection.Close()
	queue := privateQueue(channel)
	sent := amqp.Publishing{
		ContentType:     "application/json",
		ContentEncoding: "gzip",
		DeliveryMode:    amqp.Persistent,
		Priority:        7,
		CorrelationId:   "correlation",
		ReplyTo:         "reply-to",
		Expiration:      "3600000",
		MessageId:       "message id",
		Timestamp:       time.Unix(1_700_000_000, 0),
		Type:            "type",
		UserId:          try(url.Parse(os.Getenv("AMQP_URL"))).User.Username(),
		AppId:           "app id",
		Body:            []byte("body"),
		Headers: amqp.Table{
			"boolean": true, "no": false,
			"int8": int8(-128), "uint8": uint8(255), "int16": int16(-32768), "int32": int32(-1 << 31),
			"int64": int64(-1 << 63), "float32": float32(1.5), "float64": 1e300,
			"decimal": amqp.Decimal{Scale: 2, Value: 12345}, "string": "grüße", "empty": "",
			"long": strings.Repeat("x", 70_000), "bytes": []byte{0, 255, 206},
			"timestamp": time.Unix(1_600_000_000, 0), "void": nil,
			"array": []interface{}{"a", int32(1), []interface{}{true, nil}, amqp.Table{"deep": "er"}},
			"table": amqp.Table{"a": amqp.Table{"b": amqp.Table{"c": int64(1)}}}, "none": amqp.Table{},
		},
	}
	must(publish(channel, "", queue, sent))
	got := take(channel, queue)
	expect("properties", amqp.Publishing{
		ContentType: got.ContentType, ContentEncoding: got.ContentEncoding, DeliveryMode: got.DeliveryMode,
		Priority: got.Priority, CorrelationId: got.CorrelationId, ReplyTo: got.ReplyTo,
		Expiration: got.Expiration, MessageId: got.MessageId, Timestamp: got.Timestamp, Type: got.Type,
		UserId: got.UserId, AppId: got.AppId, Body: got.Body, Headers: got.Headers,
	}, sent)
}
