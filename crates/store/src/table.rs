//! Where rows live.

use std::fmt;
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

    /// A space of the store's own. No account, region or service has such a name.
    pub(crate) fn system(service: &str) -> Self {
        Self::new(SYSTEM, SYSTEM, service)
    }

    /// Whether the store keeps its own things here: jobs, the expiry of tokens.
    pub fn is_system(&self) -> bool {
        &*self.account == SYSTEM
    }
}

/// The account and the region of the store's own spaces.
const SYSTEM: &str = "-";

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, region, service } = self;
        write!(f, "{account}/{region}/{service}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.space, self.name)
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

    /// Exactly one space.
    pub fn of(space: &Space) -> Self {
        let Space { account, region, service } = space;
        Self { account: Some((**account).into()), region: Some((**region).into()), service: Some((**service).into()) }
    }

    pub fn picks(&self, space: &Space) -> bool {
        let fits = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        fits(&self.account, &space.account) && fits(&self.region, &space.region) && fits(&self.service, &space.service)
    }
}
