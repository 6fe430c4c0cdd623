//! Partitions: the groups of regions that share nothing but the models.

use crate::codec::{CodecError, Pack, Reader, Writer, pack_struct};
use crate::ir::Str;

/// One partition, from botocore's `partitions.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// `aws`, `aws-cn`, `aws-us-gov` …; the second part of every ARN.
    pub id: Str,
    /// `amazonaws.com`
    pub dns_suffix: Str,
    /// `api.aws`
    pub dual_stack_dns_suffix: Str,
    /// The region in which the partition's global services live.
    pub implicit_global_region: Str,
    /// The alternatives of the region pattern's first part: `us`, `eu`, … Empty when only `regions` count.
    pub region_prefixes: Box<[Str]>,
    pub regions: Box<[Str]>,
}
pack_struct!(Partition { id, dns_suffix, dual_stack_dns_suffix, implicit_global_region, region_prefixes, regions });

/// All partitions; the first is the default, `aws`.
#[derive(Debug, Clone)]
pub struct Partitions(Box<[Partition]>);

impl Default for Partitions {
    fn default() -> Self {
        Self(Box::new([Partition {
            id: "aws",
            dns_suffix: "amazonaws.com",
            dual_stack_dns_suffix: "api.aws",
            implicit_global_region: "us-east-1",
            region_prefixes: Box::new([]),
            regions: Box::new(["us-east-1"]),
        }]))
    }
}

impl Partitions {
    /// `list` must not be empty; an empty one becomes the default.
    pub fn new(list: Box<[Partition]>) -> Self {
        if list.is_empty() { Self::default() } else { Self(list) }
    }

    pub fn all(&self) -> &[Partition] {
        &self.0
    }

    /// The partition that a region belongs to; `aws` for regions that nobody knows.
    pub fn of_region(&self, region: &str) -> &Partition {
        self.0
            .iter()
            .find(|partition| partition.regions.contains(&region))
            .or_else(|| {
                self.0
                    .iter()
                    .find(|partition| partition.region_prefixes.iter().any(|prefix| looks_like_region(region, prefix)))
            })
            .unwrap_or(&self.0[0])
    }

    /// Whether some partition lists that region or has regions of that form.
    pub fn knows_region(&self, region: &str) -> bool {
        self.0.iter().any(|partition| {
            partition.regions.contains(&region)
                || partition.region_prefixes.iter().any(|prefix| looks_like_region(region, prefix))
        })
    }
}

/// `PREFIX-word-N`
fn looks_like_region(region: &str, prefix: &str) -> bool {
    region
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(word, number)| {
            !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use crate::Catalogue;

    #[test]
    fn regions_find_their_partition() {
        let catalogue = Catalogue::embedded();
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("eu-future-7", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("mars", "aws"),
        ] {
            assert_eq!(catalogue.partitions().of_region(region).id, partition, "{region}");
        }
        assert!(!catalogue.partitions().knows_region("mars"));
    }
}
