//! Connects to the controller through a Unix socket, such as the one that
//! `ssh -L /run/iox.sock:eisy.local:8080 gateway` opens.
//!
//! ```sh
//! IOX_PASSWORD=… cargo run -p ioxtransport-tokio --example unix_socket -- /run/iox.sock
//! ```

#[cfg(unix)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::env;

    use ioxtransport_tokio::{EventStream, Notification};

    let path = env::args().nth(1).ok_or("usage: unix_socket PATH")?;
    // The host in the URL is used in the request and, with `https`, to verify the certificate.
    let builder = EventStream::builder("http://eisy.local:8080")
        .local_account("admin", env::var("IOX_PASSWORD")?);
    let mut stream = through(builder, path).start()?;
    while let Some(notification) = stream.next().await {
        match notification {
            Notification::Event(event) => println!("{event}"),
            Notification::Status(change) => println!("{change}"),
            _ => {}
        }
    }
    Ok(stream.handle().closed().await?)
}

/// Makes the stream connect through a Unix socket.
#[cfg(unix)]
pub(crate) fn through(
    builder: ioxtransport_tokio::Builder,
    path: impl Into<std::path::PathBuf>,
) -> ioxtransport_tokio::Builder {
    let path = path.into();
    builder.connector(move |_address| {
        let path = path.clone();
        async move {
            let socket = tokio::net::UnixStream::connect(path).await?;
            Ok(socket.into_std()?.into())
        }
    })
}

#[cfg(not(unix))]
fn main() {
    eprintln!("there are no Unix sockets here");
}
