"""Tasks that are tried again, and tasks for later: retry, countdown, an absolute time (ETA)."""

import datetime
import time

from support import WAIT_SECONDS_MAX, expect, worker
from tasks import add, app, flaky

with worker(app):
    expect(flaky.delay().get(WAIT_SECONDS_MAX), 2)
    began = time.monotonic()
    later = add.apply_async((1, 1), countdown=1)
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    absolute = add.apply_async((2, 2), eta=at)
    expect(add.delay(3, 3).get(WAIT_SECONDS_MAX), 6)  # not held up by those that wait
    expect([later.get(WAIT_SECONDS_MAX), absolute.get(WAIT_SECONDS_MAX)], [2, 4])
    assert time.monotonic() - began >= 1, "a task ran before its time"
