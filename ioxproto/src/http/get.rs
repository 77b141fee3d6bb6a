//! Requests of calls.

use super::Exchange;
use super::post::finish;
use crate::{Address, Secret};

/// A GET of a path on the controller, which is percent-encoded already.
pub(crate) fn get(address: &Address, path: &str, authorization: Option<&Secret>) -> Exchange {
    let mut head = format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Accept: */*\r\n\
         Connection: close\r\n",
        path = address.path(path),
        host = address.authority(),
    )
    .into_bytes();
    Exchange::call(finish(&mut head, authorization))
}
