"""Tasks with results: one, a failure, many at once, a chain."""

import celery
from support import WAIT_SECONDS_MAX, expect, worker
from tasks import add, app, fail, told

with worker(app):
    expect(add.delay(2, 3).get(WAIT_SECONDS_MAX), 5)
    expect(told.delay().get(WAIT_SECONDS_MAX), [app.conf.task_default_queue, False])
    many = celery.group(add.s(n, n) for n in range(50)).apply_async()
    expect(many.get(WAIT_SECONDS_MAX), [2 * n for n in range(50)])
    chain = (add.s(1, 2) | add.s(3) | add.s(4)).apply_async()
    expect(chain.get(WAIT_SECONDS_MAX), 10)
    try:
        fail.delay("as asked").get(WAIT_SECONDS_MAX)
    except ValueError as error:
        expect(str(error), "as asked")
    else:
        raise AssertionError("the failure did not come back")
