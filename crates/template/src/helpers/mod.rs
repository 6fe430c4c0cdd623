//! What templates can call.

mod blocks;
mod data;
mod dates;
mod lists;
mod math;
pub(crate) mod path;
mod random;
mod request;
mod text;

pub(crate) use blocks::each;

use crate::Value;
use crate::render::{Args, Rendered};

/// A helper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Helper {
    pub(crate) run: Run,
    pub(crate) needs: Needs,
}

/// A helper gives a value, or writes what its block makes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    Value(GiveValue),
    Block(WriteBlock),
}

pub(crate) type GiveValue = fn(&mut Args<'_, '_, '_, '_>) -> Rendered<Value>;
pub(crate) type WriteBlock = fn(&mut Args<'_, '_, '_, '_>, &mut String) -> Rendered<()>;

/// What has to be there for a helper to be; otherwise its name may be that of a member of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Request,
    Data,
    Status,
}

pub(crate) fn find(name: &str) -> Option<Helper> {
    let value = |run, needs| Helper { run: Run::Value(run), needs };
    blocks::find(name)
        .map(|run| Helper { run, needs: Needs::Nothing })
        .or_else(|| text::find(name).map(|run| value(run, Needs::Nothing)))
        .or_else(|| lists::find(name).map(|run| value(run, Needs::Nothing)))
        .or_else(|| path::find(name).map(|run| value(run, Needs::Nothing)))
        .or_else(|| dates::find(name).map(|run| value(run, Needs::Nothing)))
        .or_else(|| random::find(name).map(|run| value(run, Needs::Nothing)))
        .or_else(|| math::find(name).map(|run| value(run, Needs::Nothing)))
        .or_else(|| request::find(name).map(|run| value(run, Needs::Request)))
        .or_else(|| data::find(name))
}

/// A whole number from `min` to `max`, both included.
fn random_between(random: &crate::Random, min: f64, max: f64) -> f64 {
    let (low, high) = (min.min(max).ceil(), min.max(max).floor());
    (low + random.other() * (high - low + 1.0)).floor()
}
