//! GET requests, for calls.

use std::time::Duration;

use super::Exchange;
use super::post::finish;
use crate::{Address, Secret};

/// Creates a GET request for a percent-encoded path on the controller. After the answer the
/// connection may be idle for `keep_alive`; if that is zero, it is closed.
pub(crate) fn get(
    address: &Address,
    path: &str,
    authorization: Option<&Secret>,
    keep_alive: Duration,
    is_repeatable: bool,
) -> Exchange {
    let close = match keep_alive.is_zero() {
        true => "Connection: close\r\n",
        // HTTP/1.1 keeps connections open by default.
        false => "",
    };
    let mut head = format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Accept: */*\r\n\
         {close}",
        path = address.path(path),
        host = address.authority(),
    )
    .into_bytes();
    Exchange::call(finish(&mut head, authorization), keep_alive, is_repeatable)
}
