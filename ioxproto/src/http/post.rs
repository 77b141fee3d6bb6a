//! POST requests with a JSON body, and the end of every request's head.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::Exchange;
use crate::{Address, Secret};

/// Creates a POST request for a path on the controller. The JSON body may be empty.
pub(crate) fn post(
    address: &Address,
    path: &str,
    bearer: Option<&Secret>,
    json: &[u8],
) -> Exchange {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Accept: application/json\r\n\
         Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\
         Connection: close\r\n",
        path = address.path(path),
        host = address.authority(),
        length = json.len(),
    )
    .into_bytes();
    let authorization = bearer.map(|token| Secret::new(format!("Bearer {}", token.expose())));
    let head = finish(&mut head, authorization.as_ref());
    let mut request = Zeroizing::new(Vec::with_capacity(head.len() + json.len()));
    request.extend_from_slice(&head);
    request.extend_from_slice(json);
    Exchange::whole(request)
}

/// Completes a request's head, with the credentials if there are any. Allocates the buffer at its
/// final size: growth would leave a copy of a secret behind.
pub(super) fn finish(head: &mut Vec<u8>, authorization: Option<&Secret>) -> Zeroizing<Vec<u8>> {
    let value = authorization.map_or("", Secret::expose);
    let mut request = Zeroizing::new(Vec::with_capacity(head.len() + value.len() + 32));
    request.append(head);
    if authorization.is_some() {
        request.extend_from_slice(b"Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// The value of a Basic `Authorization` header, in UTF-8 (RFC 7617).
pub(crate) fn basic(username: &str, password: &Secret) -> Secret {
    let mut login = Zeroizing::new(String::with_capacity(
        username.len() + password.expose().len() + 1,
    ));
    login.push_str(username);
    login.push(':');
    login.push_str(password.expose());
    let mut value = String::with_capacity(login.len() * 4 / 3 + 16);
    value.push_str("Basic ");
    BASE64.encode_string(login.as_bytes(), &mut value);
    Secret::new(value)
}
