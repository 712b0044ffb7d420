"""Quorum queues, with Celery's own delays: 28 queues with times to live, one behind the other."""

import os

os.environ["STORY_QUEUE_TYPE"] = "quorum"

from support import WAIT_SECONDS_MAX, expect, worker  # noqa: E402
from tasks import add, app, flaky  # noqa: E402

with worker(app):
    expect(add.delay(2, 3).get(WAIT_SECONDS_MAX), 5)
    later = add.apply_async((4, 4), countdown=1)
    expect(flaky.delay().get(WAIT_SECONDS_MAX), 2)
    expect(later.get(WAIT_SECONDS_MAX), 8)
