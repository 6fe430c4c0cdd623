//! Names of models, taken apart into words.

/// Lower-case letters and digits only: `DBInstanceIdentifier` and `db-instance_identifier` are the same.
pub fn squash(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The words of a name, in lower case: `KmsKeyId` → `kms`, `key`, `id`; `DBInstanceArn` → `db`, `instance`, `arn`.
pub fn split(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, c) in chars.iter().enumerate() {
        let lower_before = at > 0 && (chars[at - 1].is_ascii_lowercase() || chars[at - 1].is_ascii_digit());
        let acronym_ends = at > 0
            && chars[at - 1].is_ascii_uppercase()
            && chars.get(at + 1).is_some_and(char::is_ascii_lowercase)
            // The plural of an acronym: `ARNs`, `IDs`.
            && !(chars.get(at + 1) == Some(&'s') && chars.get(at + 2).is_none_or(char::is_ascii_uppercase));
        let begins = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && (lower_before || acronym_ends));
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// `environments` → `environment`, `policies` → `policy`, `addresses` → `address`; `status`, `dns` and the like stay.
pub fn singular(word: &str) -> &str {
    /// Also at the end of words written together.
    const STAY: [&str; 9] = ["status", "dns", "alias", "https", "progress", "analysis", "ephemeris", "redis", "basis"];
    /// Whole words only: `dashboards` is a plural.
    const NAMES: [&str; 10] = ["aws", "kms", "sns", "sqs", "ecs", "eks", "rds", "tls", "cors", "hdfs"];
    let lower = word.to_ascii_lowercase();
    let stays = STAY.iter().any(|stay| lower.ends_with(stay)) || NAMES.contains(&lower.as_str());
    if stays || word.ends_with("ss") || word.len() < 4 {
        return match word {
            "ids" => "id",
            "ips" => "ip",
            "uis" => "ui",
            other => other,
        };
    }
    for ending in ["sses", "shes", "ches", "xes", "zes", "iases", "tuses", "buses"] {
        if word.ends_with(ending) && !word.ends_with("caches") {
            return &word[..word.len() - 2];
        }
    }
    word.strip_suffix('s').unwrap_or(word)
}

/// [`singular`] of a squashed or kebab name, with `ies` made `y`.
pub fn singular_of(name: &str) -> String {
    for (many, one) in
        [("indices", "index"), ("matrices", "matrix"), ("ephemerides", "ephemeris"), ("analyses", "analysis")]
    {
        if let Some(stem) = name.strip_suffix(many) {
            return format!("{stem}{one}");
        }
    }
    if let Some(stem) = name.strip_suffix("ies")
        && stem.len() > 2
        && !name.ends_with("series")
        && !name.ends_with("movies")
    {
        return format!("{stem}y");
    }
    singular(name).to_owned()
}

/// Whether the last words, together, are `ending`: `EniIp` ends in `ip`, `ClusterZip` does not. A name without visible
/// words (`vpcid`) is taken by its letters.
pub fn ends_in(words: &[String], ending: &str) -> bool {
    if let [one] = words {
        return one == ending || (ending.len() >= 4 && one.ends_with(ending));
    }
    let mut rest = ending;
    for word in words.iter().rev() {
        if rest.is_empty() {
            break;
        }
        match rest.strip_suffix(word.as_str()) {
            Some(shorter) => rest = shorter,
            None => return false,
        }
    }
    rest.is_empty()
}

/// `kms`, `key` → `kms-key`.
pub fn kebab(words: &[String]) -> String {
    words.join("-")
}

/// A number that stands for a text; the same on every platform and in every release (FNV-1a).
pub const fn hash(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// Two numbers made one; the order counts.
pub const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    z = (z ^ (z >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    z = (z ^ (z >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    z ^ (z >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_into_words() {
        let check = |name: &str, words: &[&str]| assert_eq!(split(name), words, "{name}");
        check("KmsKeyId", &["kms", "key", "id"]);
        check("DBInstanceArn", &["db", "instance", "arn"]);
        check("securityGroupARNs", &["security", "group", "arns"]);
        check("s3_bucket-name", &["s3", "bucket", "name"]);
        check("VPCId", &["vpc", "id"]);
        check("", &[]);
    }

    #[test]
    fn endings_are_of_whole_words() {
        let check = |name: &str, ending, expect| assert_eq!(ends_in(&split(name), ending), expect, "{name} {ending}");
        check("EniIp", "ip", true);
        check("SourceZip", "ip", false);
        check("ResourceOwnerAccount", "count", false);
        check("LogGroupName", "groupname", true);
        check("vpcid", "id", false);
        check("vpcname", "name", true);
    }

    #[test]
    fn plurals_become_singular() {
        let check = |plural: &str, one: &str| assert_eq!(singular_of(plural), one);
        check("environments", "environment");
        check("policies", "policy");
        check("addresses", "address");
        check("databases", "database");
        check("status", "status");
        check("ids", "id");
        check("aliases", "alias");
        check("cases", "case");
        check("warehouses", "warehouse");
        check("indices", "index");
        check("dashboards", "dashboard");
        check("hdfs", "hdfs");
        check("access", "access");
    }
}
