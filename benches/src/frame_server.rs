//! A server that sends event frames as fast as they are read, or at a fixed interval. It checks no
//! credentials and ignores all input after the upgrade request. It has one thread per connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::clock;

/// How fast the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pace {
    /// As fast as the frames are read.
    Flood,
    /// One frame per interval, with the time of sending in `fmtName`: 20 digits of nanoseconds on
    /// `CLOCK_MONOTONIC`.
    Every(Duration),
}

/// The form of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// An XML document without an envelope.
    Raw,
    /// An XML document in a JSON envelope.
    Json,
}

/// The number of frames that a flood sends with one write.
const FRAMES_PER_WRITE: usize = 256;
/// The number of digits of a time of sending.
const TIME_DIGITS: usize = 20;
/// The number of digits of a sequence number. After 10 million frames, it wraps to 0.
const SEQNUM_DIGITS: usize = 7;

/// Starts a server on loopback, which runs until the process ends.
///
/// # Errors
///
/// If no port is available.
pub fn serve(layout: Layout, pace: Pace) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A client disconnects when it has seen enough, which is not an error.
            thread::spawn(move || drop(serve_subscription(socket, layout, pace)));
        }
    });
    Ok(address)
}

fn serve_subscription(mut socket: TcpStream, layout: Layout, pace: Pace) -> io::Result<()> {
    socket.set_nodelay(true)?;
    upgrade(&mut socket)?;
    match pace {
        Pace::Flood => {
            let frames: Vec<Frame> = (0..FRAMES_PER_WRITE)
                .map(|index| Frame::new(layout, index))
                .collect();
            let mut block: Vec<u8> = frames
                .iter()
                .flat_map(|frame| frame.bytes.clone())
                .collect();
            let mut seqnum_offsets = Vec::new();
            let mut start = 0;
            for frame in &frames {
                seqnum_offsets.push(start + frame.seqnum_offset);
                start += frame.bytes.len();
            }
            for round in 0.. {
                for (index, offset) in seqnum_offsets.iter().enumerate() {
                    write_digits(
                        &mut block[*offset..][..SEQNUM_DIGITS],
                        round * FRAMES_PER_WRITE as u64 + index as u64,
                    );
                }
                socket.write_all(&block)?;
            }
        }
        Pace::Every(pause) => {
            let mut frame = Frame::new(layout, 0);
            for seqnum in 0.. {
                write_digits(
                    &mut frame.bytes[frame.seqnum_offset..][..SEQNUM_DIGITS],
                    seqnum,
                );
                write_digits(
                    &mut frame.bytes[frame.name_offset..][..TIME_DIGITS],
                    clock::nanoseconds(),
                );
                socket.write_all(&frame.bytes)?;
                thread::sleep(pause);
            }
        }
    }
    Ok(())
}

/// Reads the request's head and answers 101.
fn upgrade(socket: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    socket.write_all(pretend::accepting(&head).as_bytes())
}

/// A WebSocket frame, and the offsets of its numbers.
struct Frame {
    bytes: Vec<u8>,
    seqnum_offset: usize,
    name_offset: usize,
}

impl Frame {
    /// 5 of 8 frames are `ST` events, the others `DON` events without display texts. In JSON, a
    /// frame has 303 bytes on average.
    fn new(layout: Layout, index: usize) -> Self {
        const SEQNUM: &str = "0123456";
        const NAME: &str = "98765432109876543210";
        let event = |parts: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"{SEQNUM}\" sid=\"uuid:17\" timestamp=\"2026-05-05T18:52:41.875777-07:00\">{parts}</Event>"
            )
        };
        let document = match index % 8 {
            0..5 => event(&format!(
                "<control>ST</control><action uom=\"100\" prec=\"0\">128</action><node>1A 2B 3C 1</node><eventInfo></eventInfo><fmtAct>50%</fmtAct><fmtName>{NAME}</fmtName>"
            )),
            _ => event(
                "<control>DON</control><action>0</action><node>1A 2B 3C 1</node><eventInfo></eventInfo>",
            ),
        };
        let payload = match layout {
            Layout::Raw => document,
            Layout::Json => crate::enveloped(&document),
        };
        let mut bytes = vec![0x81];
        match (u8::try_from(payload.len()), payload.len()) {
            (Ok(short @ 0..126), _) => bytes.push(short),
            (_, length) => {
                bytes.push(126);
                // The payload is far below 64 KiB, so its length fits.
                bytes.extend((length as u16).to_be_bytes());
            }
        }
        let head = bytes.len();
        let offset = |digits| payload.find(digits).map_or(0, |start| head + start);
        let (seqnum_offset, name_offset) = (offset(SEQNUM), offset(NAME));
        bytes.extend(payload.as_bytes());
        Self {
            bytes,
            seqnum_offset,
            name_offset,
        }
    }
}

fn write_digits(bytes: &mut [u8], mut number: u64) {
    for byte in bytes.iter_mut().rev() {
        // The remainder is a digit, so it fits.
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
