//! Requests that the guest sends itself.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

use crate::body;

/// Sends a GET and returns status and body of the response.
pub fn fetch(url: &str) -> Result<(u16, Vec<u8>), String> {
    let (scheme, rest) = url.split_once("://").ok_or("an address is http://AUTHORITY/PATH")?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };

    let request = OutgoingRequest::new(Fields::new());
    let refused = |()| "the host refuses this address".to_owned();
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(path)).map_err(refused)?;

    let future = outgoing_handler::handle(request, None).map_err(|error| error.to_string())?;
    future.subscribe().block();
    let outcome = future.get().and_then(Result::ok).ok_or("the response was taken before")?;
    let response = outcome.map_err(|error| error.to_string())?;
    Ok((response.status(), body::receive(response.consume())?))
}
