//! `Fn::Cidr`: a block of addresses divided.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

/// Blocks that one call gives, at most. Source: "Fn::Cidr".
const COUNT_MAX: i64 = 256;

/// The first `count` blocks in a block; each leaves `bits` bits for hosts: 8 makes a /24 of IPv4.
pub(crate) fn divide(block: &str, count: i64, bits: Option<i64>) -> Result<Vec<Value>, String> {
    let wrong = || format!("{block} is no block of addresses such as 10.0.0.0/16");
    let (address, prefix) = block.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(format!("the count {count} is not between 1 and {COUNT_MAX}"));
    }
    let width: u32 = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => u32::try_from(bits)
            .ok()
            .filter(|bits| (1..width).contains(bits))
            .ok_or_else(|| format!("{bits} bits are not between 1 and {}", width - 1))?,
        None => 8,
    };
    if prefix > width || width - prefix < bits {
        return Err(format!("{block} has no room for blocks of {bits} bits"));
    }
    let room = width - prefix - bits;
    let fits = room >= 63 || i64::try_from(1_u64 << room).is_ok_and(|most| count <= most);
    if !fits {
        return Err(format!("{block} has no room for {count} blocks of {bits} bits"));
    }
    let start: u128 = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let host = width - prefix;
    let start = if host >= 128 { 0 } else { start >> host << host };
    let at = |number: i64| {
        let address = start + (u128::from(number.unsigned_abs()) << bits);
        let address = match width {
            32 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(address).unwrap_or(u32::MAX))),
            _ => IpAddr::V6(Ipv6Addr::from_bits(address)),
        };
        Value::from(format!("{address}/{}", width - bits))
    };
    Ok((0..count).map(at).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_divided() {
        let check = |block: &str, count: i64, bits: i64, expect: &[&str]| {
            assert_eq!(divide(block, count, Some(bits)).unwrap(), expect, "{block}");
        };
        check("10.0.0.0/16", 3, 8, &["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]);
        check(
            "192.168.0.0/24",
            6,
            5,
            &[
                "192.168.0.0/27",
                "192.168.0.32/27",
                "192.168.0.64/27",
                "192.168.0.96/27",
                "192.168.0.128/27",
                "192.168.0.160/27",
            ],
        );
        check("2001:db8:1234:1a00::/56", 2, 64, &["2001:db8:1234:1a00::/64", "2001:db8:1234:1a01::/64"]);
        check("10.1.2.3/16", 1, 8, &["10.1.0.0/24"]);
        for (block, count, bits) in [
            ("10.0.0.0/24", 2, 8),
            ("10.0.0.0", 1, 8),
            ("x/8", 1, 8),
            ("10.0.0.0/16", 0, 8),
            ("10.0.0.0/16", 300, 4),
            ("10.0.0.0/40", 1, 8),
            ("10.0.0.0/16", 1, 40),
        ] {
            assert!(divide(block, count, Some(bits)).is_err(), "{block} {count} {bits}");
        }
        assert!(divide("::/0", 1, Some(64)).is_ok());
    }
}
