//! What form keys are called.

use std::borrow::Cow;

use standin_model::{Kind, Member, Protocol, Service};

use crate::xml::{Names, is_flattened};

/// How one protocol names the parts of a form.
#[derive(Clone, Copy)]
pub(super) struct FormNames<'s> {
    pub(super) service: &'s Service,
    pub(super) elements: Names,
    pub(super) ec2: bool,
}

impl<'s> FormNames<'s> {
    pub(super) fn new(protocol: Protocol, service: &'s Service) -> Self {
        Self { service, elements: Names::of(service), ec2: protocol == Protocol::Ec2Query }
    }

    /// The name that clients send a member by. EC2: `queryName`, else `locationName` with a capital, else the member's own.
    pub(super) fn member(self, member: &Member) -> Cow<'static, str> {
        if !self.ec2 {
            return Cow::Borrowed(self.elements.element(self.service, member));
        }
        match (member.query_name, member.location_name) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(name)) => capitalised(name),
            (None, None) => Cow::Borrowed(member.name),
        }
    }

    /// Finds the member that a key's part means: by the name that the protocol gives it, else by whatever other name some
    /// client may send. Capitals of first letters do not count in the second try.
    pub(super) fn find<'m>(self, members: &'m [Member], part: &str) -> Option<&'m Member> {
        let by = |is: &dyn Fn(&Member) -> bool| members.iter().find(|member| is(member));
        by(&|member| self.is_member(member, part))
            .or_else(|| by(&|member| member.location_name.is_some_and(|name| same_but_capital(name, part))))
            .or_else(|| by(&|member| self.flattened_name(member).is_some_and(|name| same_but_capital(name, part))))
            .or_else(|| by(&|member| same_but_capital(member.name, part)))
    }

    fn is_member(self, member: &Member, part: &str) -> bool {
        match (self.ec2, member.query_name, member.location_name) {
            (false, ..) => self.elements.element(self.service, member) == part,
            (true, Some(name), _) => name == part,
            (true, None, Some(name)) => same_but_capital(name, part) && part.starts_with(|c: char| !c.is_lowercase()),
            (true, None, None) => member.name == part,
        }
    }

    fn flattened_name(self, member: &Member) -> Option<&'static str> {
        let target = self.service.target(member);
        match &target.kind {
            Kind::List(list) if is_flattened(member, target) => list.member.location_name,
            _ => None,
        }
    }
}

fn capitalised(name: &'static str) -> Cow<'static, str> {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) if first.is_lowercase() => Cow::Owned(first.to_uppercase().chain(letters).collect()),
        _ => Cow::Borrowed(name),
    }
}

fn same_but_capital(a: &str, b: &str) -> bool {
    match (a.as_bytes(), b.as_bytes()) {
        ([a, rest_a @ ..], [b, rest_b @ ..]) => a.eq_ignore_ascii_case(b) && rest_a == rest_b,
        _ => false,
    }
}
