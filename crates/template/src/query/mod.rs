//! Languages that find values in values.

pub(crate) mod condition;
pub(crate) mod jmespath;
pub(crate) mod jsonpath;
