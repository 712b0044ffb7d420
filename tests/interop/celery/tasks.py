"""The application that the worker runs and the stories call. Results come back over AMQP (rpc://)."""

import os

import celery
import kombu

URL = os.environ["AMQP_URL"]
QUEUE = os.environ["STORY_QUEUE"]
QUORUM = os.environ.get("STORY_QUEUE_TYPE") == "quorum"

app = celery.Celery("stories", broker=URL, backend="rpc://")
app.conf.update(
    task_default_queue=QUEUE,
    task_default_exchange=QUEUE,
    task_default_routing_key=QUEUE,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    broker_connection_retry_on_startup=False,
    broker_transport_options={"confirm_publish": True},
    control_exchange=f"{QUEUE}.control",
    event_exchange=f"{QUEUE}.events",
)
if QUORUM:
    app.conf.task_default_queue_type = "quorum"
    app.conf.task_default_exchange_type = "topic"
    app.conf.worker_detect_quorum_queues = True
    app.conf.task_queues = [
        kombu.Queue(
            QUEUE,
            kombu.Exchange(QUEUE, type="topic"),
            routing_key=QUEUE,
            queue_arguments={"x-queue-type": "quorum"},
        )
    ]


@app.task
def add(left, right):
    return left + right


@app.task
def fail(why):
    raise ValueError(why)


@app.task(bind=True, max_retries=3)
def flaky(self):
    """Fails twice, and says at which try it succeeded."""
    if self.request.retries < 2:
        raise self.retry(countdown=1)
    return self.request.retries


@app.task(bind=True)
def told(self):
    """What the broker told of this very message."""
    information = self.request.delivery_info
    return [information["routing_key"], information["redelivered"]]
