//! Whether a minor version takes every spec that an earlier minor of the same major took.

use super::{FILE, Schema, Type};
use crate::finding::Finding;

/// What makes `new` refuse inputs that `old` took, each with its place in the new schema.
pub fn incompatibilities(old: &Schema, new: &Schema) -> Vec<Finding> {
    let mut findings = Vec::new();
    let pairs = [(old.main_type(), new.main_type(), "spec"), (old.pipeline_type(), new.pipeline_type(), "pipeline")];
    for (before, after, path) in pairs {
        if let (Some(before), Some(after)) = (before, after) {
            let mut comparison = Comparison { old, new, findings: &mut findings };
            comparison.types(before, after, path, 0);
        }
    }
    findings
}

struct Comparison<'s> {
    old: &'s Schema,
    new: &'s Schema,
    findings: &'s mut Vec<Finding>,
}

impl Comparison<'_> {
    fn refuse(&mut self, at: &Type, message: impl std::fmt::Display) {
        let message = format!("{message}; that takes a new major version");
        self.findings.push(Finding::error("schema-incompatible", FILE, at.place, message));
    }

    fn types(&mut self, before: &Type, after: &Type, path: &str, depth: usize) {
        // Types that contain themselves are the same all the way down.
        if depth > 16 {
            return;
        }
        let (before, after) = (self.old.resolved(before), self.new.resolved(after));
        if let (Some(was), Some(is)) = (before.kind, after.kind)
            && was != is
        {
            return self.refuse(after, format!("{path} was {} and is {} now", was.with_article(), is.with_article()));
        }
        for (name, property) in &before.properties {
            match after.property(name) {
                None => self.refuse(after, format!("the input {path}.{name} is gone")),
                Some(now) => self.types(property, now, &format!("{path}.{name}"), depth + 1),
            }
        }
        for name in after.required.iter().filter(|name| !before.required.contains(name)) {
            let has_default =
                after.property(name).is_some_and(|property| self.new.resolved(property).default.is_some());
            if !has_default {
                let how = if before.property(name).is_some() {
                    "was optional and is required now"
                } else {
                    "is new, required and has no default"
                };
                self.refuse(after.property(name).unwrap_or(after), format!("the input {path}.{name} {how}"));
            }
        }
        if let (Some(before), Some(now)) = (&before.items, &after.items) {
            self.types(before, now, &format!("{path}[]"), depth + 1);
        }
        self.values(before, after, path);
    }

    fn values(&mut self, before: &Type, after: &Type, path: &str) {
        if let Some(values) = &after.values {
            match &before.values {
                None => self.refuse(after, format!("{path} took any value and has an enum now")),
                Some(was) => {
                    if let Some(gone) = was.iter().find(|value| !values.contains(value)) {
                        self.refuse(after, format!("{path} does not take {gone} any more"));
                    }
                }
            }
        }
        let pattern = |found: &Type| found.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        if let Some(pattern) = pattern(after).filter(|now| pattern(before).as_ref() != Some(now)) {
            self.refuse(after, format!("{path} has another pattern now: {pattern}"));
        }
        let counted = |count: Option<u64>| count.map(|count| count as f64);
        let lower = [
            ("minimum", before.minimum, after.minimum),
            ("minLength", counted(before.min_length), counted(after.min_length)),
            ("minItems", counted(before.min_items), counted(after.min_items)),
        ];
        for (name, was, is) in lower {
            if let Some(is) = is.filter(|is| was.is_none_or(|was| *is > was)) {
                self.refuse(after, format!("{name} of {path} is higher than before ({is})"));
            }
        }
        let upper = [
            ("maximum", before.maximum, after.maximum),
            ("maxLength", counted(before.max_length), counted(after.max_length)),
            ("maxItems", counted(before.max_items), counted(after.max_items)),
        ];
        for (name, was, is) in upper {
            if let Some(is) = is.filter(|is| was.is_none_or(|was| *is < was)) {
                self.refuse(after, format!("{name} of {path} is lower than before ({is})"));
            }
        }
    }
}
