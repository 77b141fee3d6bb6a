//! By which names requests may call the server.

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

    /// Whether a `Host` header names the server. The port does not count: it may be forwarded.
    pub(super) fn has(&self, host: &str) -> bool {
        let host = without_port(host).to_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            // A rebound name is not an address, so that any address will do where all are listened
            // on.
            return address == self.listens_on
                || self.listens_on.is_unspecified()
                || (address.is_loopback() && self.listens_on.is_loopback());
        }
        host == "localhost" || self.names.iter().any(|name| name == host)
    }
}

/// The host of `host:port` or `[address]:port`, without brackets.
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
    fn where_all_addresses_are_listened_on_any_address_will_do_and_no_other_name() {
        let hosts = hosts("[::]:9994");
        assert!(hosts.has("192.168.1.7:9994") && hosts.has("[fd00::1]:9994"));
        assert!(!hosts.has("evil.example"));
    }
}
