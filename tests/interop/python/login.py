"""Is refused with a wrong password, an unknown user, an unknown virtual host."""

import time

import pika
from support import connected

REFUSED = (
    "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
    "For details see the broker logfile."
)


def log_in(user, password, **capabilities):
    """Tries; gives the client's error and the seconds until it came."""
    properties = {"capabilities": capabilities}
    began = time.monotonic()
    try:
        with connected(
            credentials=pika.PlainCredentials(user, password), client_properties=properties
        ):
            return None, 0
    except pika.exceptions.AMQPConnectionError as error:
        return error, time.monotonic() - began


# Nobody learns whether it was the name or the password. The broker takes its time, if not to say
# so then to hang up: that makes guessing slow.
for user, password in [("guest", "wrong"), ("nobody", "guest")]:
    error, seconds = log_in(user, password, authentication_failure_close=True)
    assert isinstance(error, pika.exceptions.ProbableAuthenticationError), repr(error)
    assert REFUSED in str(error), error
    assert seconds < 10, seconds
    error, seconds = log_in(user, password, authentication_failure_close=False)
    assert REFUSED not in str(error), error  # such a client is only hung up on
    assert 1 < seconds < 10, seconds

for vhost in ["nowhere", "/nowhere"]:
    text = f"NOT_ALLOWED - vhost {vhost} not found"
    try:
        with connected(virtual_host=vhost):
            raise AssertionError("let in")
    except pika.exceptions.ProbableAccessDeniedError as error:
        assert f"(530) '{text}'" in str(error), error

with connected() as connection:
    connection.update_secret("a new one", "the old one expires")  # RabbitMQ answers ok
