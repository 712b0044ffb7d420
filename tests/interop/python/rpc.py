"""Asks a server for Fibonacci numbers: reply-to names the answer's queue, correlation-id its question."""

import threading
import uuid

import pika
from support import connected, expect, private_queue


def serve(ready, questions):
    """Answers until the connection is told to stop with an empty question."""

    def on_question(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        if not body:
            return channel.stop_consuming()
        answer = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, str(fibonacci(int(body))), answer)

    with connected() as connection:
        channel = connection.channel()
        questions.append(channel.queue_declare("", auto_delete=True).method.queue)
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(questions[0], on_question)
        ready.set()
        channel.start_consuming()


def ask(channel, questions, reply_to):
    """Puts one question after the other."""
    answers = channel.consume(reply_to, inactivity_timeout=10)
    for n, fibonacci_number in enumerate([0, 1, 1, 2, 3, 5, 8, 13, 21]):
        mark = str(uuid.uuid4())
        asked = pika.BasicProperties(reply_to=reply_to, correlation_id=mark)
        channel.basic_publish("", questions, str(n), asked)
        _, properties, body = next(answers)
        expect((properties.correlation_id, int(body)), (mark, fibonacci_number))
    channel.cancel()


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


ready, names = threading.Event(), []
threading.Thread(target=serve, args=(ready, names)).start()
assert ready.wait(10)
with connected() as connection:
    channel = connection.channel()
    ask(channel, names[0], private_queue(channel))
    channel.basic_publish("", names[0], "")
