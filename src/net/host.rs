//! Hosts that no proxy can reach for us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Is this host on this machine or on its own link? A proxy elsewhere would reach another one under that name, and would
/// see requests that are meant for nobody else. `host` is that of a URL; an IPv6 address may stand in brackets.
pub(super) fn is_near(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare.unwrap_or(&host).parse() {
        Ok(IpAddr::V4(address)) => near_v4(address),
        Ok(IpAddr::V6(address)) => near_v6(address),
        Err(_) => names_this_machine(&host),
    }
}

fn near_v4(address: Ipv4Addr) -> bool {
    // The link: where the credentials of instances and containers are.
    address.is_loopback() || address.is_unspecified() || address.is_link_local()
}

fn near_v6(address: Ipv6Addr) -> bool {
    // The instance metadata service has this address besides one on the link.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let near = address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local();
    near || address == METADATA || address.to_ipv4_mapped().is_some_and(near_v4)
}

/// `localhost` and what is below it (RFC 6761, section 6.3), and the name by which LocalStack gives itself certificates:
/// it and what is below it lead to 127.0.0.1.
fn names_this_machine(host: &str) -> bool {
    ["localhost", "localhost.localstack.cloud"].iter().any(|name| {
        host.strip_suffix(name)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_this_machine_is_known() {
        for host in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "::1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "abc.execute-api.localhost",
            "localhost.localstack.cloud",
            "sqs.us-east-1.localhost.localstack.cloud",
        ] {
            assert!(is_near(host), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_far() {
        for host in [
            "10.0.0.1",
            "192.168.0.1",
            "128.0.0.1",
            "[2001:db8::1]",
            "sts.us-east-1.amazonaws.com",
            "notlocalhost",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "",
        ] {
            assert!(!is_near(host), "{host}");
        }
    }
}
