//! The caller's own resolver and connector, in place of the system's lookup and TCP.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;

use ioxproto::Address;

use super::resolve;

type Boxed<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// A connected socket of the standard library, blocking or not. Every driver accepts it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A Unix socket connection.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixStream> for Socket {
    fn from(socket: std::os::unix::net::UnixStream) -> Self {
        Self::Unix(socket)
    }
}

/// A resolver that replaces the system's lookup.
#[derive(Clone)]
pub(crate) struct Resolver(Arc<dyn Fn(String, u16) -> Boxed<Vec<SocketAddr>> + Send + Sync>);

impl Resolver {
    /// Wraps a function.
    pub(crate) fn new<F>(resolve: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host, port| Box::pin(resolve(host, port))))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// A connector that replaces the driver's.
#[derive(Clone)]
pub(crate) struct Connector(Arc<dyn Fn(Address) -> Boxed<Socket> + Send + Sync>);

impl Connector {
    /// Wraps a function.
    pub(crate) fn new<F>(connect: impl Fn(Address) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Socket>> + Send + 'static,
    {
        Self(Arc::new(move |address| Box::pin(connect(address))))
    }

    /// Connects to the controller at this address.
    pub(crate) fn connect(&self, address: &Address) -> Boxed<Socket> {
        (self.0)(address.clone())
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// The addresses to try, in this order, from the resolver if there is one. Address families
/// alternate.
pub(crate) async fn addresses(
    resolver: Option<&Resolver>,
    host: &str,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    let found = match resolver {
        Some(Resolver(resolve)) => resolve(host.to_owned(), port).await?,
        None => resolve::lookup(host, port).await?,
    };
    Ok(interleaved(found))
}

/// Alternates the address families, beginning with the one that the lookup returned first (RFC 8305
/// section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut other = other.into_iter();
    let mut order = Vec::new();
    for address in preferred {
        order.push(address);
        order.extend(other.next());
    }
    order.extend(other);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_tried_in_turn() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let parsed = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        let order: Vec<_> = interleaved(parsed)
            .iter()
            .map(SocketAddr::to_string)
            .collect();
        assert_eq!(
            order,
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]
        );
    }
}
