"""Asks without a queue for the answers: amq.rabbitmq.reply-to, and whether the asker is still there."""

import pika
from support import connected, expect, private_queue, refused

DIRECT = "amq.rabbitmq.reply-to"

with connected() as connection:
    asking, serving = connection.channel(), connection.channel()
    questions = private_queue(serving)

    def on_question(channel, _method, properties, body):
        # The probe of the pattern: a passive declaration says whether the asker still waits.
        expect(channel.queue_declare(properties.reply_to, passive=True).method.consumer_count, 1)
        answer = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, body.upper(), answer)
        seen.append(properties.reply_to)

    seen = []
    serving.basic_consume(questions, on_question, auto_ack=True)
    answers = []
    tag = asking.basic_consume(
        DIRECT, lambda _c, _m, told, body: answers.append((told.correlation_id, body)), auto_ack=True
    )
    for mark in "1", "2", "3":
        asked = pika.BasicProperties(reply_to=DIRECT, correlation_id=mark)
        asking.basic_publish("", questions, f"question {mark}", asked)
    while len(answers) < 3:
        connection.process_data_events(time_limit=10)
    expect(answers, [(mark, f"QUESTION {mark}".encode()) for mark in ("1", "2", "3")])
    asking.basic_cancel(tag)
    asking.close()
    text = f"NOT_FOUND - no queue '{seen[0]}' in vhost '/'"
    refused(404, text, serving.queue_declare, seen[0], passive=True)
