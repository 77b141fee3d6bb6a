//! Resolves host names without a runtime.
//!
//! The system's lookup cannot be interrupted, and a runtime's lookup can delay its shutdown. So
//! each name is looked up on a detached thread that holds only the name and the slot for the
//! answer. Waiters may give up at any time, and further requests for the same name wait for the
//! same answer. The thread may outlive its stream if the lookup hangs.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::failure::is_out_of_resources;

/// Looks up a host: an IP literal immediately, a name on its own thread.
pub(crate) fn lookup(host: &str, port: u16) -> Lookup {
    let pending = match host.parse::<IpAddr>() {
        Ok(address) => Pending::answered(Ok(vec![SocketAddr::new(address, 0)])),
        Err(_) => pending(host),
    };
    Lookup { pending, port }
}

/// A lookup in progress, for any runtime.
#[derive(Debug)]
#[must_use = "a lookup is a future"]
pub(crate) struct Lookup {
    pending: Arc<Pending>,
    port: u16,
}

/// The lookup of one name, which all its callers share.
#[derive(Debug, Default)]
struct Pending {
    state: Mutex<State>,
}

/// The answer, once it is known, and the wakers of the callers.
#[derive(Debug, Default)]
struct State {
    /// The addresses with the scope that mDNS returns for link-local ones, and without the port.
    answer: Option<Result<Vec<SocketAddr>, Arc<io::Error>>>,
    /// The wakers of the tasks that wait for the answer.
    waiting: Vec<Waker>,
}

impl Pending {
    fn answered(answer: io::Result<Vec<SocketAddr>>) -> Arc<Self> {
        let pending = Self::default();
        pending.answer(answer);
        Arc::new(pending)
    }

    fn answer(&self, answer: io::Result<Vec<SocketAddr>>) {
        let mut state = lock(&self.state);
        state.answer = Some(answer.map_err(Arc::new));
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Future for Lookup {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.pending.state);
        match &state.answer {
            Some(Ok(addresses)) => {
                let port = self.port;
                let mut addresses = addresses.clone();
                for address in &mut addresses {
                    address.set_port(port);
                }
                Poll::Ready(Ok(addresses))
            }
            Some(Err(error)) => Poll::Ready(Err(io::Error::new(error.kind(), Arc::clone(error)))),
            None => {
                if !state
                    .waiting
                    .iter()
                    .any(|waker| waker.will_wake(context.waker()))
                {
                    state.waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// The cause of a failed lookup. Without a free descriptor, some resolvers (glibc with
/// `mdns4_minimal`) report a known name as unknown; a socket of our own then shows the true cause.
fn cause(error: io::Error) -> io::Error {
    match UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
        Err(own) if is_out_of_resources(&own) => own,
        _ => error,
    }
}

/// The lookups in progress in this process, by name.
static IN_PROGRESS: Mutex<BTreeMap<String, Arc<Pending>>> = Mutex::new(BTreeMap::new());

fn pending(host: &str) -> Arc<Pending> {
    let mut under_way = lock(&IN_PROGRESS);
    if let Some(pending) = under_way.get(host) {
        return Arc::clone(pending);
    }
    let pending = Arc::new(Pending::default());
    let (name, place) = (host.to_owned(), Arc::clone(&pending));
    let spawned = std::thread::Builder::new()
        .name("iox-lookup".into())
        .spawn(move || {
            let answer = (name.as_str(), 0).to_socket_addrs().map_err(cause);
            lock(&IN_PROGRESS).remove(&name);
            place.answer(answer.map(Iterator::collect));
        });
    match spawned {
        Ok(_) => {
            under_way.insert(host.to_owned(), Arc::clone(&pending));
            pending
        }
        Err(error) => Pending::answered(Err(error)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_both_families_need_no_thread() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            let mut lookup = lookup(host, 80);
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(found) = Pin::new(&mut lookup).poll(&mut context) else {
                panic!("the lookup is still pending")
            };
            assert_eq!(found.unwrap(), [expected.parse::<SocketAddr>().unwrap()]);
        }
    }

    #[test]
    fn a_name_resolves_and_nonsense_is_an_error() {
        let blocked = |host: &str| pollster(lookup(host, 7));
        let local = blocked("localhost").unwrap();
        assert!(
            local
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 7),
            "{local:?}"
        );
        assert!(blocked("no such name").is_err());
    }

    /// Blocks this thread until a lookup completes.
    fn pollster(mut lookup: Lookup) -> io::Result<Vec<SocketAddr>> {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(found) = Pin::new(&mut lookup).poll(&mut context) {
                return found;
            }
            std::thread::park();
        }
    }
}
