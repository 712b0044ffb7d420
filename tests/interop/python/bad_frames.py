"""Does what no client does by itself: breaks the protocol, frame by frame.

The frames are written and read with pika's codec over a plain socket. In each case the broker must
end the connection with the right code, or hang up without a word where the protocol wants that.
"""

import socket
import struct

import pika
from pika import frame, spec
from support import URL, expect

PARAMETERS = pika.URLParameters(URL)


class Wire:
    """A socket that speaks in frames."""

    def __init__(self, header=b"AMQP\x00\x00\x09\x01"):
        self.socket = socket.create_connection((PARAMETERS.host, PARAMETERS.port), timeout=15)
        self.socket.sendall(header)
        self.buffer = b""

    def send(self, *methods, channel=1):
        self.raw(b"".join(frame.Method(channel, method).marshal() for method in methods))

    def raw(self, octets):
        self.socket.sendall(octets)

    def read(self):
        """The next method; None at the end."""
        while True:
            consumed, got = frame.decode_frame(self.buffer)
            self.buffer = self.buffer[consumed:]
            if got is not None and hasattr(got, "method"):
                return got.method
            if got is None and not self.fill():
                return None

    def fill(self):
        try:
            received = self.socket.recv(65_536)
        except ConnectionResetError:
            received = b""
        self.buffer += received
        return bool(received)

    def until(self, wanted):
        """The next method of this class; others in between are left out."""
        while not isinstance(method := self.read(), wanted):
            assert method is not None, f"the end came before {wanted.NAME}"
        return method

    def log_in(self):
        self.until(spec.Connection.Start)
        user = PARAMETERS.credentials
        response = f"\0{user.username}\0{user.password}"
        self.send(spec.Connection.StartOk({}, "PLAIN", response, "en_US"), channel=0)
        return self.until(spec.Connection.Tune)

    def open(self, channel_max=2047, frame_max=131_072):
        """All of the handshake, and channel 1."""
        self.log_in()
        tune_ok = spec.Connection.TuneOk(channel_max, frame_max, 0)
        self.send(tune_ok, spec.Connection.Open("/"), channel=0)
        self.until(spec.Connection.OpenOk)
        self.send(spec.Channel.Open())
        self.until(spec.Channel.OpenOk)
        return self

    def expect_close(self, code, text):
        """The broker closes the connection, and after close-ok the socket."""
        close = self.until(spec.Connection.Close)
        expect((close.reply_code, close.reply_text), (code, text))
        self.send(spec.Connection.CloseOk(), channel=0)
        self.socket.close()


def bytes_of(kind, channel, payload, end=b"\xce"):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


def protocol_headers():
    for header in [b"AMQP\x00\x00\x08\x00", b"AMQP\x00\x00\x00\x00"]:
        wire = Wire(header)
        wire.fill()
        expect(wire.buffer, b"AMQP\x00\x00\x09\x01")  # "this is what I speak", then the end
        assert not wire.fill()
    Wire(b"AMQP\x01\x01\x00\x09").log_in()  # the old spelling is taken


def tuning():
    tune = Wire().log_in()
    expect((tune.channel_max, tune.frame_max, tune.heartbeat), (2047, 131_072, 60))
    for bad in [(0, 131_072), (2048, 131_072), (2047, 0), (2047, 131_073), (2047, 4095)]:
        wire = Wire()
        wire.log_in()
        wire.send(spec.Connection.TuneOk(*bad, 0), channel=0)
        close = wire.read()  # 530 or just the end: before `open` both are right
        assert close is None or close.reply_code == 530, (bad, close)


def channels():
    wire = Wire().open()
    wire.send(spec.Channel.Open())
    wire.expect_close(504, "CHANNEL_ERROR - second 'channel.open' seen")
    wire = Wire().open()
    wire.send(spec.Basic.Qos(), channel=2)
    wire.expect_close(504, "CHANNEL_ERROR - expected 'channel.open'")
    wire = Wire().open(channel_max=2)
    wire.send(spec.Channel.Open(), channel=60_000)  # the limit is on their count, not on their numbers
    wire.until(spec.Channel.OpenOk)
    wire.send(spec.Channel.Open(), channel=3)
    limit = "number of channels opened (2) has reached the negotiated channel_max (2)"
    wire.expect_close(530, f"NOT_ALLOWED - {limit}")


def frames():
    wire = Wire().open()
    wire.raw(struct.pack(">BHI", 3, 1, 200_000) + b"\0" * 200_001)
    too_large = "type 3, all octets = <<>>: {frame_too_large,200000,131064}"
    wire.expect_close(501, f"FRAME_ERROR - {too_large}")
    qos = struct.pack(">HHIHB", 60, 10, 0, 0, 0)
    for codes, octets in [
        ([501], bytes_of(1, 1, qos, end=b"\0")),  # no frame end
        ([505], bytes_of(8, 1, b"")),  # a heartbeat belongs to channel 0
        ([501], bytes_of(8, 0, b"x")),  # and is empty
        ([501], bytes_of(9, 1, b"")),  # no such frame
        ([505], bytes_of(3, 1, b"x")),  # a body that nothing announced
        ([501, 502, 503, 540, 541, None], bytes_of(1, 1, struct.pack(">HH", 60, 999))),  # no such method
        ([501, 502, 503, 540, 541, None], bytes_of(1, 1, qos[:5])),  # half a method
    ]:
        wire = Wire().open()
        wire.raw(octets)
        close = wire.read()
        code = close and close.reply_code
        assert code in codes, (octets, close)


def short_strings():
    """Names are UTF-8; routing keys of messages may be any octets."""
    wire = Wire().open()
    wire.raw(bytes_of(1, 1, struct.pack(">HHHB", 50, 10, 0, 2) + b"\xff\xfe" + b"\0" + b"\0" * 4))
    expect(wire.until(spec.Connection.Close).reply_code, 501)


def crossing_closes():
    wire = Wire().open()
    nothing = spec.Queue.Declare(queue="py.nothing", passive=True)
    wire.send(nothing, spec.Queue.Declare(queue="ignored"), spec.Channel.Close(200, "", 0, 0))
    expect(wire.until(spec.Channel.Close).reply_code, 404)
    wire.until(spec.Channel.CloseOk)  # the crossing close is answered
    wire.send(spec.Channel.CloseOk(), spec.Channel.Open())
    wire.until(spec.Channel.OpenOk)


protocol_headers()
tuning()
channels()
frames()
short_strings()
crossing_closes()
