//! Where rows live.

use std::sync::Arc;

/// What one service keeps for one account in one region. Nothing of one space is visible in another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space {
    /// 12 digits.
    pub account: Arc<str>,
    /// Empty for what a service keeps once per account.
    pub region: Arc<str>,
    /// The catalogue's id of the service.
    pub service: Arc<str>,
}

impl Space {
    pub fn new(account: &str, region: &str, service: &str) -> Self {
        Self { account: account.into(), region: region.into(), service: service.into() }
    }

    pub fn table(&self, name: impl Into<Arc<str>>) -> Table {
        Table { space: self.clone(), name: name.into() }
    }
}

/// A set of rows of one kind within a space. There as soon as it has a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    pub space: Space,
    pub name: Arc<str>,
}

/// Picks spaces: each part that is given must be equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    pub account: Option<String>,
    pub region: Option<String>,
    pub service: Option<String>,
}

impl Selector {
    /// All spaces.
    pub fn all() -> Self {
        Self::default()
    }

    pub fn picks(&self, space: &Space) -> bool {
        let fits = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        fits(&self.account, &space.account) && fits(&self.region, &space.region) && fits(&self.service, &space.service)
    }
}
