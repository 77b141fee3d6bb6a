//! A scripted REST interface in front of a simulated controller.
//!
//! It answers requests for the paths that a scenario has replies for, one after the other on a
//! connection. It forwards every other connection to the controller, such as the stream and logins.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ioxsim::Tls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a read blocks before the other direction is served and the end is checked.
const READ_TIMEOUT: Duration = Duration::from_millis(2);
/// How long a connection beyond the limit waits until another one ends: a client may close one just
/// before it opens the next.
const CLOSE_DELAY: Duration = Duration::from_secs(5);

/// The reply to a request for a path.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "made for the scenarios of this crate"
)]
pub enum Reply {
    /// An answer with this status and body.
    Answer(u16, String),
    /// An answer with this status and body, and then the end of the connection, which the answer
    /// does not announce.
    AnswerAndEnd(u16, String),
    /// No answer, while the connection stays open.
    Silence,
    /// The end of the connection.
    End,
    /// The head of an answer and part of its body, then nothing.
    Half,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The number of its connection, counted from 1.
    pub connection: usize,
    /// The path, with its query.
    pub path: String,
    /// The whole head.
    pub head: String,
}

/// A scripted REST interface; it ends when it is dropped.
pub struct Front {
    address: SocketAddr,
    tls: Option<Tls>,
    script: Arc<Script>,
}

/// The state that the threads of the interface share.
struct Script {
    controller: SocketAddr,
    /// The replies for each path, in turn; the last one is repeated.
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    /// The requests so far.
    asked: Mutex<Vec<Asked>>,
    /// The number of connections so far.
    connections: AtomicUsize,
    /// The number of open connections.
    open: AtomicUsize,
    /// How many connections a client may have at a time.
    limit: AtomicUsize,
    /// Whether a client had more.
    exceeded: AtomicBool,
    closed: AtomicBool,
}

/// A connection with or without TLS.
trait Io: Read + Write + Send {}

impl<T: Read + Write + Send> Io for T {}

impl Front {
    /// Starts the interface in front of a controller that listens at this address without TLS. The
    /// interface itself uses TLS if `tls` is given.
    ///
    /// # Errors
    ///
    /// The error of the operating system if it cannot open a socket.
    pub fn start(controller: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let script = Arc::new(Script {
            controller,
            replies: Mutex::default(),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            limit: AtomicUsize::new(usize::MAX),
            exceeded: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let front = Self {
            address: listener.local_addr()?,
            tls,
            script,
        };
        let acceptor = front.tls.as_ref().map(acceptor).transpose()?;
        let script = Arc::clone(&front.script);
        thread::spawn(move || {
            for socket in listener.incoming() {
                if script.is_closed() {
                    return;
                }
                let Ok(socket) = socket else { continue };
                let (script, acceptor) = (Arc::clone(&script), acceptor.clone());
                let number = script.count();
                // It does not matter if the client disconnects.
                thread::spawn(move || {
                    let _ = script.serve(socket, acceptor, number);
                    script.open.fetch_sub(1, Ordering::AcqRel);
                });
            }
        });
        Ok(front)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The fingerprint of its certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.tls.as_ref().map(Tls::fingerprint)
    }

    /// Sets the replies to requests for a path, in turn; the last one is repeated.
    pub fn reply(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies = replies.into_iter().collect();
        lock(&self.script.replies).insert(path.to_owned(), replies);
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.script.connections.load(Ordering::Acquire)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.script.open.load(Ordering::Acquire)
    }

    /// Limits the number of connections at a time, as in small controllers.
    pub fn limit(&self, connections: usize) {
        self.script.limit.store(connections, Ordering::Release);
    }

    /// Whether a client had more connections open than the [`limit`](Self::limit).
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.script.exceeded.load(Ordering::Acquire)
    }

    /// The requests for scripted paths so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.script.asked).clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.script.closed.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

impl Script {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Counts a connection once the limit allows it, and returns its number.
    fn count(&self) -> usize {
        let until = Instant::now() + CLOSE_DELAY;
        let limit = self.limit.load(Ordering::Acquire);
        while self.open.load(Ordering::Acquire) >= limit && !self.is_closed() {
            if Instant::now() >= until {
                self.exceeded.store(true, Ordering::Release);
                break;
            }
            thread::sleep(READ_TIMEOUT);
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        self.connections.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn serve(
        &self,
        socket: TcpStream,
        acceptor: Option<Arc<ServerConfig>>,
        number: usize,
    ) -> io::Result<()> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        let mut client: Box<dyn Io> = match acceptor {
            None => Box::new(socket),
            Some(config) => {
                let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, socket))
            }
        };
        while self.exchange(&mut *client, number)? {}
        Ok(())
    }

    /// Serves one request. Returns whether another one may follow on the connection.
    fn exchange(&self, client: &mut dyn Io, connection: usize) -> io::Result<bool> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.read(client, &mut byte)? {
                0 => return Ok(false),
                _ => head.push(byte[0]),
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let Some(reply) = self.next_reply(&path) else {
            return self.relay(client, &head).map(|()| false);
        };
        lock(&self.asked).push(Asked {
            connection,
            path,
            head: text,
        });
        let is_kept = matches!(reply, Reply::Answer(..));
        match reply {
            Reply::Answer(status, body) | Reply::AnswerAndEnd(status, body) => {
                let length = body.len();
                write!(
                    client,
                    "HTTP/1.1 {status} Scripted\r\nContent-Length: {length}\r\n\r\n{body}"
                )?;
                client.flush()?;
            }
            Reply::End => {}
            Reply::Silence => self.hold(client)?,
            Reply::Half => {
                client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<nodes>")?;
                client.flush()?;
                self.hold(client)?;
            }
        }
        Ok(is_kept)
    }

    fn next_reply(&self, path: &str) -> Option<Reply> {
        let mut replies = lock(&self.replies);
        let replies = replies.get_mut(path)?;
        match replies.len() {
            0 => None,
            1 => replies.front().cloned(),
            _ => replies.pop_front(),
        }
    }

    /// Keeps a connection open until the client disconnects.
    fn hold(&self, client: &mut dyn Io) -> io::Result<()> {
        while self.read(client, &mut [0; 1024])? > 0 {}
        Ok(())
    }

    /// Reads some bytes. Waits for them until the interface is dropped.
    fn read(&self, from: &mut dyn Io, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match from.read(buffer) {
                Err(error) if is_nothing_yet(&error) && !self.is_closed() => {}
                read => return read,
            }
        }
    }

    /// Forwards bytes between the client and the controller, in both directions.
    fn relay(&self, client: &mut dyn Io, head: &[u8]) -> io::Result<()> {
        let mut controller = TcpStream::connect(self.controller)?;
        controller.set_nodelay(true)?;
        controller.set_read_timeout(Some(READ_TIMEOUT))?;
        controller.write_all(head)?;
        let mut buffer = vec![0; 64 * 1024];
        while !self.is_closed() {
            if !forward(client, &mut controller, &mut buffer)?
                || !forward(&mut controller, client, &mut buffer)?
            {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Forwards the bytes that have arrived; `false` at the end.
fn forward(from: &mut dyn Io, to: &mut dyn Io, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read(buffer) {
        Ok(0) => Ok(false),
        Ok(length) => {
            to.write_all(&buffer[..length])?;
            to.flush()?;
            Ok(true)
        }
        Err(error) if is_nothing_yet(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn acceptor(tls: &Tls) -> io::Result<Arc<ServerConfig>> {
    let pem = tls.to_pem();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
