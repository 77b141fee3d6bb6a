//! The host names that requests to the server may use.

use std::net::{IpAddr, SocketAddr};

/// The names and addresses of the server.
#[derive(Debug)]
pub(super) struct Hosts {
    listens_on: IpAddr,
    names: Vec<String>,
}

impl Hosts {
    pub(super) fn new(address: SocketAddr, names: &[String]) -> Self {
        Self {
            listens_on: address.ip().to_canonical(),
            names: names.iter().map(|name| name.to_lowercase()).collect(),
        }
    }

    /// Whether a `Host` header names the server. The port is ignored, because it may be forwarded.
    pub(super) fn has(&self, host: &str) -> bool {
        let host = without_port(host).to_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            // A server on all addresses accepts any address: DNS rebinding needs a name.
            return address == self.listens_on
                || self.listens_on.is_unspecified()
                || (address.is_loopback() && self.listens_on.is_loopback());
        }
        host == "localhost" || self.names.iter().any(|name| name == host)
    }
}

/// Returns the host of `host:port` or `[address]:port`, without brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str) -> Hosts {
        Hosts::new(address.parse().unwrap(), &["Bridge.LAN".to_owned()])
    }

    #[test]
    fn the_server_is_called_by_its_address_localhost_and_configured_names() {
        let hosts = hosts("127.0.0.1:9994");
        for host in [
            "127.0.0.1:9994",
            "127.0.0.1",
            "localhost",
            "LOCALHOST:1",
            "[::1]:9994",
            "bridge.lan",
            "bridge.lan.:80",
        ] {
            assert!(hosts.has(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "[",
            ":9994",
        ] {
            assert!(!hosts.has(host), "{host}");
        }
    }

    #[test]
    fn a_server_on_all_addresses_accepts_any_address_but_no_other_name() {
        let hosts = hosts("[::]:9994");
        assert!(hosts.has("192.168.1.7:9994") && hosts.has("[fd00::1]:9994"));
        assert!(!hosts.has("evil.example"));
    }
}
