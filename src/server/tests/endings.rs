//! How connections end: which side closes the socket, and when.

use std::io::ErrorKind;

use super::*;
use crate::wire::{channel, connection, write_method_frame};

/// Longer than any test here needs, shorter than close-ok is awaited.
const PATIENCE: Duration = Duration::from_secs(10);

fn connect(server: &Server) -> TcpStream {
    let client = Client::connect(server.addresses()[0], "guest", "guest").unwrap();
    let (stream, read) = client.into_stream();
    assert!(read.is_empty());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(super) fn frame(channel: u16, method: impl Into<Method>) -> Vec<u8> {
    let mut octets = Vec::new();
    write_method_frame(&mut octets, ChannelNumber(channel), &method.into());
    octets
}

fn read_frame(stream: &mut TcpStream) -> Method {
    let mut head = [0; 7];
    stream.read_exact(&mut head).unwrap();
    let size = u32::from_be_bytes(head[3..].try_into().unwrap());
    let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
    stream.read_exact(&mut payload).unwrap();
    payload.pop();
    Method::decode(&payload).unwrap()
}

#[test]
fn a_connection_that_the_broker_closed_ends_as_soon_as_the_client_answers() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let mut stream = connect(&server);
    // On a channel that is not open.
    stream.write_all(&frame(1, basic::Qos::default())).unwrap();
    let close = read_frame(&mut stream);
    assert!(close.to_string().starts_with("connection.close reply_code=504"), "{close}");
    // Without an answer the socket stays.
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&frame(0, connection::CloseOk::default())).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    server.stop();
}

#[test]
fn a_client_that_closed_may_go_on_writing_and_holds_no_place() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let mut stream = connect(&server);
    let declare = queue::Declare { queue: ShortString::clipped("late"), ..Default::default() };
    let late = [frame(1, channel::Open::default()), frame(1, declare)].concat();
    let close = connection::Close { reply_code: 200, ..Default::default() };
    stream.write_all(&[frame(0, close), late.clone()].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, frame(0, connection::CloseOk::default()));
    // More than the buffers of two sockets hold: it is read, and thrown away.
    let flood = late.repeat(200_000);
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&flood).unwrap();
    stream.write_all(&late).unwrap();
    assert_eq!(server.rim.seats.counted().0, 0);
    drop(stream);
    let (mut client, channel) = open(&server);
    let queue = ShortString::clipped("late");
    let passive = queue::Declare { queue, passive: true, ..Default::default() };
    assert!(client.call(channel, passive).is_err(), "what came behind the close has no effect");
    drop(client);
    server.stop();
}

#[test]
fn clients_beyond_those_that_are_heard_out_are_not_kept() {
    let seats = Seats::new(1, 1);
    assert!(seats.linger() && !seats.linger());
    assert!(seats.take().is_some(), "who is heard out holds no seat");
    seats.stop_lingering();
    assert!(seats.linger());
}
