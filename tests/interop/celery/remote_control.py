"""Remote control: ping, inspect, a task that is revoked before its time, shutdown."""

import celery.exceptions
from support import WAIT_SECONDS_MAX, expect, worker
from tasks import add, app

with worker(app, "--hostname", "story@here") as process:
    expect(app.control.ping(timeout=5, limit=1), [{"story@here": {"ok": "pong"}}])
    inspect = app.control.inspect(timeout=5, limit=1)
    queues = inspect.active_queues()["story@here"]
    expect([queue["name"] for queue in queues], [app.conf.task_default_queue])
    assert "tasks.add" in inspect.registered()["story@here"]
    waiting = add.apply_async((1, 1), countdown=3)
    app.control.revoke(waiting.id, reply=True, timeout=5, limit=1)
    expect(inspect.revoked(), {"story@here": [waiting.id]})
    try:
        waiting.get(WAIT_SECONDS_MAX)
    except celery.exceptions.TaskRevokedError:
        pass
    else:
        raise AssertionError("the revoked task ran")
    app.control.shutdown()
    expect(process.wait(WAIT_SECONDS_MAX), 0)
