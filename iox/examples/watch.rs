//! Prints the live events and the status of the stream.
//!
//! `IOX_PASSWORD=… cargo run -p iox --all-features --example watch -- https://eisy.local:8443 sha256:…`

use iox::Notification;
use iox::tokio::EventStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: URL [FINGERPRINT]")?;
    let password = std::env::var("IOX_PASSWORD").map_err(|_| "no password in IOX_PASSWORD")?;
    let mut options = EventStream::builder(url).local_account("admin", password);
    if let Some(fingerprint) = std::env::args().nth(2) {
        options = options.pin(fingerprint);
    }

    let mut stream = options.start()?;
    while let Some(notification) = stream.next().await {
        match notification {
            Notification::Event(event) if event.is_live() => println!("{event}"),
            Notification::Status(change) => println!("{change}"),
            _ => {}
        }
    }
    Ok(stream.handle().closed().await?)
}
