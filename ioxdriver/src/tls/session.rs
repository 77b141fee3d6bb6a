//! TLS over a non-blocking socket.
//!
//! Unlike the adapters of TLS libraries, it continues reading while it cannot write.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};

use super::record_tracker::RecordTracker;
use crate::driver::PollIo;
use crate::net::{pending, would_block};

/// A TLS connection.
pub(crate) struct Session<S> {
    tls: ClientConnection,
    socket: S,
    records: RecordTracker,
}

impl<S: PollIo> Session<S> {
    /// Creates a session before its handshake.
    pub(crate) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        socket: S,
    ) -> io::Result<Self> {
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self {
            tls,
            socket,
            records: RecordTracker::default(),
        })
    }

    /// Ready when the handshake has completed.
    pub(crate) fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pending(self.handshake(context))
    }

    /// Reads decrypted bytes. An end without a TLS close_notify is an
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        pending(self.read(context, buffer))
    }

    /// Encrypts bytes and sends as much as possible.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        pending(self.write(context, bytes))
    }

    /// Sends the encrypted bytes.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match pending(self.send(context)) {
            Poll::Ready(Ok(())) => self.socket.poll_flush(context),
            sent => sent,
        }
    }

    /// Sends a close_notify if that is possible without waiting.
    pub(crate) fn close(&mut self, context: &mut Context<'_>) {
        self.tls.send_close_notify();
        // It does not matter if the close_notify is lost.
        let _ = self.send(context);
    }

    /// The server's certificate, once it is known.
    pub(crate) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.peer_certificates()?.first()
    }

    /// The record parser, which tells whether a record is incomplete.
    pub(crate) fn records(&mut self) -> &mut RecordTracker {
        &mut self.records
    }

    fn handshake(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        loop {
            would_block(self.send(context))?;
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            if self.receive(context)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.receive(context)?;
            would_block(self.send(context))?;
        }
    }

    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        let length = self.tls.writer().write(bytes)?;
        match self.send(context) {
            // rustls has stored these bytes.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && length > 0 => Ok(length),
            Err(error) => Err(error),
            // The buffer was full and has room again.
            Ok(()) if length == 0 => self.tls.writer().write(bytes),
            Ok(()) => Ok(length),
        }
    }

    /// Writes the bytes that rustls has ready.
    fn send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.tls.wants_write() {
            let mut adapter = BlockingAdapter::new(&mut self.socket, &mut self.records, context);
            if self.tls.write_tls(&mut adapter)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Reads once from the socket; 0 at the end of its bytes.
    fn receive(&mut self, context: &mut Context<'_>) -> io::Result<usize> {
        let mut adapter = BlockingAdapter::new(&mut self.socket, &mut self.records, context);
        let length = self.tls.read_tls(&mut adapter)?;
        if let Err(error) = self.tls.process_new_packets() {
            // Send the alert that rustls has prepared.
            let _ = self.send(context);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(length)
    }
}

/// Adapts the socket to the blocking traits that rustls uses.
struct BlockingAdapter<'a, 'b, S> {
    socket: &'a mut S,
    records: &'a mut RecordTracker,
    context: &'a mut Context<'b>,
}

impl<'a, 'b, S> BlockingAdapter<'a, 'b, S> {
    fn new(
        socket: &'a mut S,
        records: &'a mut RecordTracker,
        context: &'a mut Context<'b>,
    ) -> Self {
        Self {
            socket,
            records,
            context,
        }
    }
}

impl<S: PollIo> Read for BlockingAdapter<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = ready_or_blocked(self.socket.poll_read(self.context, buffer))?;
        self.records.receive(&buffer[..length]);
        Ok(length)
    }
}

impl<S: PollIo> Write for BlockingAdapter<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        ready_or_blocked(self.socket.poll_write(self.context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ready_or_blocked<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
