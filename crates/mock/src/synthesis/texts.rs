//! What a text member holds, by its name, its place, its shape and its pattern.

use standin_model::{Kind, Member, Shape, ShapeIx, Str};

use super::compile::{Compiler, Mode, Scope, salt};
use super::facts::Verb;
use super::lists::is_tags;
use super::plan::{Node, TextNode};
use super::template::{Piece, Reading, read};
use super::time::TimeRole;
use super::trial::{Limits, accepted, limits, node};
use super::{arn, examples, scalars, settled, tables};
use standin_model::words::{ends_in, kebab, singular, split};

/// What a member's name says it is.
enum Role {
    Arn,
    Id,
    Name,
    Plain,
}

impl Compiler {
    /// Plans a text.
    pub(super) fn text(
        &mut self,
        shape: &'static Shape,
        member: Option<(ShapeIx, &Member)>,
        name: &str,
        siblings: &[String],
        scope: &Scope,
    ) -> Node {
        if member.is_some_and(|(_, member)| member.json_value) {
            return Node::Json;
        }
        let awaited =
            member.and_then(|(structure, member)| self.facts.awaited.of(self.service, structure, member.name));
        let awaited = awaited.filter(|_| self.mode == Mode::Output);
        if let Kind::String { enum_values } = &shape.kind
            && !enum_values.is_empty()
        {
            if enum_values.iter().filter(|value| looks_like_region(value)).count() * 2 > enum_values.len() {
                return Node::Region(enum_values);
            }
            let chosen = settled::choose(enum_values, shape.constraints.as_deref(), self.verb == Verb::Delete);
            let chosen = chosen.unwrap_or_default();
            // Some wait for the end of a resource; that is not what most want to see.
            if let Some(value) = awaited.and_then(|awaited| enum_values.iter().find(|value| **value == awaited))
                && settled::is_wanted(value)
            {
                return Node::Fixed(value);
            }
            return Node::Fixed(examples::value(scope.example, enum_values, chosen).unwrap_or(chosen));
        }
        let limits = limits(shape, member.map(|(_, member)| member));
        if let Some(awaited) = awaited
            && accepted(&limits, awaited)
            && settled::is_wanted(awaited)
        {
            return Node::Fixed(awaited);
        }
        self.free(shape, &limits, name, siblings, scope)
    }

    /// A text from the first of the templates that fits, or what fits instead.
    pub(super) fn of_templates(
        &mut self,
        shape: &'static Shape,
        templates: &'static [Str],
        scope: &Scope,
    ) -> Box<TextNode> {
        let limits = limits(shape, None);
        let reading = Reading { noun: "tag", member: "tag", service: self.service.signing_name };
        let found = self.first_fit(templates, &reading, scope.noun, 1, &limits);
        Box::new(found.unwrap_or_else(|| {
            let pieces = self.by_pattern(scope.noun, 1, &limits);
            node(pieces, scope.noun, 1, &limits, false)
        }))
    }

    fn free(&mut self, shape: &'static Shape, limits: &Limits, name: &str, siblings: &[String], scope: &Scope) -> Node {
        let mut words = split(name);
        if let Some(last) = words.last_mut() {
            *last = singular(last).to_owned();
        }
        let squashed = words.concat();
        let salt = salt(&squashed);
        let member = kebab(&words);
        let noun_words = self.nouns[usize::from(scope.noun)].kebab.clone();
        let service = self.service.signing_name;
        // What no rule covers.
        if let Some(templates) = self.special(&squashed) {
            let reading = Reading { noun: &noun_words, member: &member, service };
            if let Some(node) = self.first_fit(templates, &reading, scope.noun, salt, limits) {
                return Node::Text(Box::new(node));
            }
        }
        if let Some(node) = self.pair(&squashed, siblings, scope, limits) {
            return node;
        }
        // An enumeration written as a pattern.
        if let Some(choices) = limits.pattern.and_then(arn::literals)
            && let Some(best) = settled::best(&choices)
            && accepted(limits, best)
        {
            return Node::Sample(best.into());
        }
        match role(&words, shape, limits) {
            Role::Arn => {
                let node = self.arn(&words, limits, salt, scope);
                return self.lifted(node, siblings, scope);
            }
            Role::Id if tables_exact(&words).is_none() => {
                let node = self.id(&words, limits, salt, siblings, scope);
                return self.lifted(node, siblings, scope);
            }
            Role::Name if tables_exact(&words).is_none() => {
                let node = self.name(&words, limits, salt, scope);
                return self.lifted(node, siblings, scope);
            }
            _ => {}
        }
        let reading = Reading { noun: &noun_words, member: &member, service };
        if let Some(role) = TimeRole::of_scalar(name) {
            let templates: &[Str] = match role {
                TimeRole::Created => &["{time:created}", "{date:created}", "{seconds:created}"],
                TimeRole::Started => &["{time:start}", "{date:start}", "{seconds:start}"],
                TimeRole::Updated => &["{time:updated}", "{date:updated}", "{seconds:updated}"],
                TimeRole::Ended => &["{time:end}", "{date:end}", "{seconds:end}"],
                TimeRole::Used => &["{time:lastused}", "{date:lastused}", "{seconds:lastused}"],
                TimeRole::Next => &["{time:next}", "{date:next}", "{seconds:next}"],
                TimeRole::Expires => &["{time:expires}", "{date:expires}", "{seconds:expires}"],
            };
            if let Some(node) = self.first_fit(templates, &reading, scope.noun, salt, limits) {
                return Node::Text(Box::new(node));
            }
        }
        let names = matches!(words.last().map(String::as_str), Some("name" | "key" | "id" | "identifier" | "value"));
        if let Some(text) = examples::text(scope.example).filter(|_| !siblings.is_empty() && !names)
            && accepted(limits, text)
        {
            return Node::Fixed(text);
        }
        // A member named after a resource names one.
        let own = self.facts.nouns.get(squashed.as_str()).is_some_and(|fact| fact.own);
        let known = tables::TEXTS.iter().any(|(row, _)| *row == squashed);
        let aspect = words.last().is_some_and(|last| tables::ASPECTS.contains(&last.as_str()));
        let own = own && !aspect;
        if own && words.len() > 1 && !known {
            return self.name(&words, limits, salt, scope);
        }
        if squashed.contains("numberof") && self.fits(&[Piece::Number(0, 9)], scope.noun, salt, limits) {
            return Node::Text(Box::new(node(Box::new([Piece::Number(0, 9)]), scope.noun, salt, limits, false)));
        }
        if let Some(templates) = tables_longest(&words)
            && let Some(node) = self.first_fit(templates, &reading, scope.noun, salt, limits)
        {
            return Node::Text(Box::new(node));
        }
        // A text that may be an ARN and nothing else.
        if limits.pattern.is_some_and(|pattern| pattern.contains("arn:")) {
            return self.arn(&words, limits, salt, scope);
        }
        if own {
            return self.name(&words, limits, salt, scope);
        }
        if let Some((low, high)) = scalars::told(&words) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the table's numbers are small"
            )]
            let pieces = [Piece::Number(low.max(0.0) as u32, high.max(0.0) as u32)];
            if self.fits(&pieces, scope.noun, salt, limits) {
                return Node::Text(Box::new(node(Box::new(pieces), scope.noun, salt, limits, false)));
            }
        }
        let plain: &[Str] = &["{word}-{member}", "{word}", "{Word}", "{WORD}", "1", "{uuid}", "{digits:12}", "/{word}"];
        if let Some(node) = self.first_fit(plain, &reading, scope.noun, salt, limits) {
            return Node::Text(Box::new(node));
        }
        let pieces = self.by_pattern(scope.noun, salt, limits);
        if let [Piece::Pattern(_)] = &*pieces {
            return Node::Sample(self.sample(&pieces, scope.noun, salt, limits).into());
        }
        Node::Text(Box::new(node(pieces, scope.noun, salt, limits, false)))
    }

    fn special(&self, member: &str) -> Option<&'static [Str]> {
        let operation = self.operation.map_or("", |operation| operation.name);
        tables::SPECIAL
            .iter()
            .find(|(service, row, _)| {
                (*service == self.service.id || *service == "*")
                    && row.split_once('.').map_or(*row == member, |(of, name)| of == operation && name == member)
            })
            .map(|(_, _, templates)| *templates)
    }

    /// The key and value of a tag.
    fn pair(&mut self, name: &str, siblings: &[String], scope: &Scope, limits: &Limits) -> Option<Node> {
        let tag = is_tags(&self.nouns[usize::from(scope.noun)].noun.text);
        let paired = siblings.iter().any(|s| matches!(s.as_str(), "value" | "tagvalue"))
            && siblings.iter().any(|s| matches!(s.as_str(), "key" | "tagkey"));
        let template = match name {
            "key" | "tagkey" if tag || (paired && siblings.len() == 2) => tables::TAG_KEYS,
            "value" | "tagvalue" if tag || (paired && siblings.len() == 2) => tables::TAG_VALUES,
            _ => return None,
        };
        let pieces = read(template, &Reading { noun: "tag", member: "tag", service: self.service.signing_name });
        self.fits(&pieces, scope.noun, 1, limits)
            .then(|| Node::Text(Box::new(node(pieces, scope.noun, 1, limits, false))))
    }
}

fn role(words: &[String], shape: &Shape, limits: &Limits) -> Role {
    let last = words.last().map_or("", String::as_str);
    let arn_shape = (shape.name.ends_with("Arn") || shape.name.ends_with("ARN")) && !matches!(last, "id" | "name");
    let arn_pattern = limits.pattern.is_some_and(|pattern| {
        pattern.trim_start_matches(['^', '(']).starts_with("arn")
            && !pattern.contains(")?([a-z")
            && !pattern.contains('|')
    });
    match last {
        "arn" => Role::Arn,
        _ if arn_shape || arn_pattern => Role::Arn,
        "id" | "identifier" => Role::Id,
        "name" => Role::Name,
        _ => Role::Plain,
    }
}

fn looks_like_region(value: &str) -> bool {
    let mut parts = value.split('-');
    parts.next().is_some_and(|first| first.len() == 2 && first.bytes().all(|b| b.is_ascii_lowercase()))
        && value.split('-').count() >= 3
        && value.ends_with(|c: char| c.is_ascii_digit())
}

/// The row of [`tables::TEXTS`] that says more than `Id` or `Name` would: of the whole member, or of an ending such as
/// `requesttoken` or `username`.
fn tables_exact(words: &[String]) -> Option<&'static [Str]> {
    let member = words.concat();
    let whole = tables::TEXTS.iter().find(|(row, _)| row.trim_start_matches('=') == member);
    whole.map(|(_, templates)| *templates).or_else(|| tables_where(words, |row| row.len() > 5 && !row.starts_with('~')))
}

/// The row of [`tables::TEXTS`] with the longest ending of the member's name.
fn tables_longest(words: &[String]) -> Option<&'static [Str]> {
    tables_where(words, |_| true)
}

fn tables_where(words: &[String], wanted: impl Fn(&str) -> bool) -> Option<&'static [Str]> {
    let member = words.concat();
    tables::TEXTS
        .iter()
        .filter(|(row, _)| match row.strip_prefix('=') {
            Some(whole) => whole == member,
            // `~`: not where the last words are a noun and `name`.
            None => wanted(row) && ends_in(words, row.trim_start_matches('~')),
        })
        .max_by_key(|(row, _)| row.len())
        .map(|(_, templates)| *templates)
}
