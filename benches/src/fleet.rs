//! A controller for a working fleet, and the bare loops that receive from it. Each subscriber gets
//! an event per second, at a different moment, and a heartbeat every 30 s.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use futures_rustls::rustls::pki_types::pem::PemObject as _;
use futures_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use futures_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use futures_rustls::{TlsAcceptor, TlsConnector};
use futures_util::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use ioxsim::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocketConfig};

use crate::clients::{REQUEST, Result};
use crate::clock;

/// The time between two events of a subscriber.
pub const PERIOD: Duration = Duration::from_secs(1);
/// One event in this many is replaced by a heartbeat.
const HEARTBEAT: u64 = 30;

/// Listens on loopback until the process ends, and passes its address to `listening`.
///
/// # Errors
///
/// If no port is available, or the identity is invalid.
pub async fn serve(tls: Option<&Tls>, listening: impl FnOnce(SocketAddr)) -> Result<()> {
    let acceptor = tls.map(acceptor).transpose()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    listening(listener.local_addr()?);
    for number in 0.. {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client disconnects when it has seen enough, which is not an error.
            match acceptor {
                Some(acceptor) => {
                    let socket = acceptor.accept(socket.compat()).await?;
                    subscription(socket, number).await
                }
                None => subscription(socket.compat(), number).await,
            }
        });
    }
    Ok(())
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let key = PrivateKeyDer::from_pem_slice(tls.to_pem().as_bytes())?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate(tls)], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificate(tls: &Tls) -> CertificateDer<'static> {
    CertificateDer::from(tls.certificate().to_vec())
}

async fn subscription<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    number: u64,
) -> io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut buffer).await? {
            0 => return Ok(()),
            length => head.extend(&buffer[..length]),
        }
    }
    socket
        .write_all(pretend::accepting(&head).as_bytes())
        .await?;
    // The golden ratio spreads any number of subscribers evenly over the period.
    let phase = PERIOD.mul_f64((number as f64 * 0.618_033_988_75).fract());
    let mut due = Instant::now() + phase;
    for seqnum in 0.. {
        sleep_until(due).await;
        socket.write_all(&frame(seqnum)).await?;
        socket.flush().await?;
        due += PERIOD;
    }
    Ok(())
}

/// Returns a WebSocket frame with an event that has the time of sending in its `fmtName`.
fn frame(seqnum: u64) -> Vec<u8> {
    let event = match seqnum % HEARTBEAT {
        0 => "<control>_0</control><action>90</action><node></node>",
        _ => {
            "<control>ST</control><action uom=\"100\" prec=\"0\">128</action><node>1A 2B 3C 1</node>"
        }
    };
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"{seqnum}\" sid=\"uuid:17\" \
         timestamp=\"2026-05-05T18:52:41.875777-07:00\">{event}<eventInfo></eventInfo>\
         <fmtAct>50%</fmtAct><fmtName>{:020}</fmtName></Event>",
        clock::nanoseconds()
    );
    // Between 126 bytes and 64 KiB.
    let length = (document.len() as u16).to_be_bytes();
    [&[0x81, 126], &length[..], document.as_bytes()].concat()
}

/// Subscribes with async-tungstenite alone, over tokio, and passes on each text.
///
/// # Errors
///
/// If the connection breaks.
pub async fn bare(
    address: SocketAddr,
    tls: Option<&Tls>,
    connected: impl FnOnce(),
    seen: impl FnMut(&str),
) -> Result<()> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    match tls {
        Some(tls) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(tls))?;
            let config = ClientConfig::builder()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let connector = TlsConnector::from(Arc::new(config));
            let name = ServerName::from(address.ip());
            let socket = connector.connect(name, socket.compat()).await?;
            bare_on(socket, connected, seen).await
        }
        None => bare_on(socket.compat(), connected, seen).await,
    }
}

async fn bare_on<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    connected: impl FnOnce(),
    mut seen: impl FnMut(&str),
) -> Result<()> {
    socket.write_all(REQUEST.as_bytes()).await?;
    socket.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).await?;
        head.extend(byte);
    }
    connected();
    // The default buffer of 128 KiB per socket would be more than a gigabyte in all.
    let configuration = WebSocketConfig::default().read_buffer_size(4 * 1024);
    let mut websocket =
        WebSocketStream::from_raw_socket(socket, Role::Client, Some(configuration)).await;
    while let Some(message) = websocket.next().await {
        if let Message::Text(text) = message? {
            seen(&text);
        }
    }
    Err("the server hung up".into())
}
