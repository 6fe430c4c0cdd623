//! Whether a value of the input may stand in the output.

use standin_model::{Bound, Constraints, Document, Kind, Service, Shape, ShapeIx};

use crate::pattern::{self, Verdict};

/// Echoed values nested deeper than this are made up instead.
const DEPTH_MAX: usize = 32;

/// Whether a value fits a shape. Patterns are looked at unless `trusted`: then the input has the same shape and its check
/// has done so.
pub(super) fn conforms(service: &Service, shape: ShapeIx, value: &Document, trusted: bool) -> bool {
    fits(service, service.shape(shape), value, trusted, 0)
}

fn fits(service: &Service, shape: &Shape, value: &Document, trusted: bool, depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    let limits = shape.constraints.as_deref();
    match (&shape.kind, value) {
        (Kind::String { enum_values }, Document::String(text)) => {
            (enum_values.is_empty() || enum_values.iter().any(|known| *known == text))
                && length(limits, || text.chars().count())
                && (trusted
                    || limits
                        .and_then(|limits| limits.pattern)
                        .is_none_or(|wanted| pattern::matches(wanted, text) != Verdict::No))
        }
        (Kind::Boolean, Document::Bool(_)) | (Kind::Timestamp(_), Document::Timestamp(_)) => true,
        (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger, Document::Int(number)) => {
            #[expect(clippy::cast_precision_loss, reason = "bounds beyond 2^53 are compared approximately")]
            let number = *number as f64;
            within(limits, number)
        }
        (Kind::Float | Kind::Double | Kind::BigDecimal, Document::Float(number)) => within(limits, *number),
        (Kind::Blob { .. }, Document::Blob(bytes)) => length(limits, || bytes.len()),
        (Kind::Document, _) => true,
        (Kind::List(list), Document::List(items)) => {
            length(limits, || items.len())
                && items.iter().all(|item| {
                    (list.sparse && item.is_null())
                        || fits(service, service.shape(list.member.target), item, trusted, depth + 1)
                })
        }
        (Kind::Map(map), Document::Map(fields)) => {
            length(limits, || fields.len())
                && fields.iter().all(|(key, item)| {
                    let key = Document::String(key.clone());
                    fits(service, service.shape(map.key.target), &key, trusted, depth + 1)
                        && ((map.sparse && item.is_null())
                            || fits(service, service.shape(map.value.target), item, trusted, depth + 1))
                })
        }
        (Kind::Structure(structure), Document::Map(fields)) => {
            let known = fields.iter().filter(|(_, item)| !item.is_null()).all(|(key, item)| {
                structure
                    .member(key)
                    .is_some_and(|member| fits(service, service.shape(member.target), item, trusted, depth + 1))
            });
            let whole = structure
                .members
                .iter()
                .all(|member| !member.required || fields.get(member.name).is_some_and(|item| !item.is_null()));
            known && whole && (!structure.union || fields.len() == 1)
        }
        _ => false,
    }
}

fn length(limits: Option<&Constraints>, count: impl FnOnce() -> usize) -> bool {
    let Some(limits) = limits else { return true };
    if limits.min.is_none() && limits.max.is_none() {
        return true;
    }
    let count = i64::try_from(count()).unwrap_or(i64::MAX);
    limits.min.is_none_or(|min| Bound::as_i64(min) <= count) && limits.max.is_none_or(|max| count <= Bound::as_i64(max))
}

fn within(limits: Option<&Constraints>, number: f64) -> bool {
    limits.is_none_or(|limits| {
        limits.min.is_none_or(|min| min.as_f64() <= number) && limits.max.is_none_or(|max| number <= max.as_f64())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_may_stand() {
        let service = standin_model::Catalogue::shared().newest("mwaa").expect("served").open().expect("opens");
        let check = |shape: &str, value: Document, expect: bool| {
            let ix = service.shape_named(shape).expect("modelled");
            assert_eq!(conforms(service, ix, &value, false), expect, "{shape} {value:?}");
        };
        check("EnvironmentName", "demo".into(), true);
        check("EnvironmentName", "1 demo".into(), false);
        check("EnvironmentName", Document::Int(1), false);
        check("EnvironmentName", "x".repeat(500).into(), false);
        check("EnvironmentStatus", "AVAILABLE".into(), true);
        check("EnvironmentStatus", "NEVER".into(), false);
    }
}
