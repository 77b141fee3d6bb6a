//! A driver for another runtime: async-io for sockets and timers, and a thread for each task.
//!
//! ```sh
//! IOX_PASSWORD=… cargo run -p ioxdriver-async --example thread_runtime -- http://eisy.local:8080
//! ```

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use async_io::{Async, Timer};
use ioxdriver::{BuildError, Options, Socket};
use ioxdriver_async::{Io, Runtime};

#[derive(Clone)]
pub(crate) struct Threads;

impl Runtime for Threads {
    fn current() -> Result<Self, BuildError> {
        Ok(Self)
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Io> {
        let socket = Async::<TcpStream>::connect(to).await?;
        socket.get_ref().set_nodelay(true)?;
        Ok(Box::new(socket))
    }

    fn adopt(&self, socket: Socket) -> io::Result<Io> {
        match socket {
            Socket::Tcp(socket) => Ok(Box::new(Async::new(socket)?)),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::at(at);
        async move {
            timer.await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(|| async_io::block_on(task));
    }
}

/// The stream on this runtime, for applications.
pub(crate) type EventStream = ioxdriver_async::EventStream<Threads>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: thread_runtime URL")?;
    let password = std::env::var("IOX_PASSWORD").map_err(|_| "no password in IOX_PASSWORD")?;
    let mut stream = EventStream::start(Options::new(url).local_account("admin", password))?;
    async_io::block_on(async {
        while let Some(notification) = stream.next().await {
            println!("{notification:?}");
        }
        Ok(stream.handle().closed().await?)
    })
}
