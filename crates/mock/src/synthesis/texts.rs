//! What a text member holds, by its name, its place, its shape and its pattern.

use standin_core::Draw;
use standin_model::{Document, Kind, Member, Shape, ShapeIx, Str, Timestamp};

use super::compile::{Compiler, Mode, Scope, salt};
use super::entity::{Entity, Frame, Noun, Scene};
use super::facts::{Verb, least, most};
use super::lists::is_tags;
use super::nouns::tables_row;
use super::plan::{Node, TextNode};
use super::render::fit;
use super::template::{EXTREME_WORDS, Letters, Pen, Piece, Reading, read};
use super::time::TimeRole;
use super::words::{ends_in, kebab, singular, split};
use super::{arn, examples, scalars, settled, tables};
use crate::pattern::{self, Verdict};

/// What a member's name says it is.
enum Role {
    Arn,
    Id,
    Name,
    Plain,
}

/// The limits of a text.
struct Limits {
    min: usize,
    max: usize,
    pattern: Option<Str>,
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
        let awaited = member.and_then(|(structure, member)| self.facts.awaited.of(structure, member.name));
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
                && settled::rank(value) >= settled::rank(chosen).min(0)
            {
                return Node::Fixed(value);
            }
            return Node::Fixed(examples::value(scope.example, enum_values, chosen).unwrap_or(chosen));
        }
        let limits = limits(shape, member.map(|(_, member)| member));
        if let Some(awaited) = awaited
            && accepted(&limits, awaited)
            && settled::rank(awaited) >= 0
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

    /// A text about the resource that the structure lies in, and not about the structure's own, speaks of that very one: the
    /// `ClusterId` of a cluster's nodes.
    fn lifted(&self, mut node: Node, siblings: &[String], scope: &Scope) -> Node {
        if let Node::Text(text) = &mut node
            && !siblings.is_empty()
            && text.noun != scope.noun
            && let Some((_, lists)) = scope.around.iter().rev().find(|(noun, _)| *noun == text.noun)
        {
            text.up = scope.lists - lists;
        }
        node
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

    /// The resource that a member such as `KmsKeyArn` is of: the words before the role, else what the structure describes.
    fn whose(&mut self, words: &[String], roles: &[&str], scope: &Scope) -> u16 {
        let mut rest = words;
        if rest.last().is_some_and(|last| roles.contains(&last.as_str())) {
            rest = &rest[..rest.len() - 1];
        }
        if rest.is_empty() {
            return scope.noun;
        }
        let text = rest.concat();
        let outer = &self.nouns[usize::from(scope.noun)];
        if *outer.noun.text == *text || (text.len() >= 4 && outer.noun.text.ends_with(&text)) {
            return scope.noun;
        }
        self.noun(&kebab(rest), scope.fan, false)
    }

    fn name(&mut self, words: &[String], limits: &Limits, salt: u64, scope: &Scope) -> Node {
        let noun = self.whose(words, &["name"], scope);
        let own: Box<[Piece]> = Box::new([Piece::Name]);
        if self.fits(&own, noun, salt, limits) {
            self.nouns[usize::from(noun)].name_settled = true;
            return Node::Text(Box::new(node(own, noun, salt, limits, false)));
        }
        let kebab = self.nouns[usize::from(noun)].kebab.clone();
        let reading = Reading { noun: &kebab, member: &kebab, service: self.service.signing_name };
        let styles = tables::NAME_STYLES.iter().map(|style| read(style, &reading));
        let found = styles.into_iter().find(|pieces| self.fits(pieces, noun, salt, limits));
        let pieces = found.unwrap_or_else(|| self.by_pattern(noun, salt, limits));
        let draft = &mut self.nouns[usize::from(noun)];
        if draft.name_settled {
            return Node::Text(Box::new(node(pieces, noun, salt, limits, false)));
        }
        draft.name_settled = true;
        draft.noun.name = pieces;
        Node::Text(Box::new(node(own, noun, salt, limits, false)))
    }

    fn id(&mut self, words: &[String], limits: &Limits, salt: u64, siblings: &[String], scope: &Scope) -> Node {
        let noun = self.whose(words, &["id", "identifier"], scope);
        let own: Box<[Piece]> = Box::new([Piece::Id]);
        let squashed = words.concat();
        let settled = self.nouns[usize::from(noun)].id_settled;
        // The client's own choice reads like a name.
        let text = self.nouns[usize::from(noun)].noun.text.to_string();
        let full = format!("{text}identifier");
        let mut chosen = self.facts.chosen.iter().filter(|(noun, _)| **noun == *text);
        let chosen = chosen.any(|(_, member)| **member == *squashed || **member == *full);
        if chosen && !settled {
            let draft = &mut self.nouns[usize::from(noun)];
            let before = std::mem::replace(&mut draft.noun.id, Box::new([Piece::Name]));
            if self.fits(&own, noun, salt, limits) {
                self.nouns[usize::from(noun)].id_settled = true;
                return Node::Text(Box::new(node(own, noun, salt, limits, false)));
            }
            self.nouns[usize::from(noun)].noun.id = before;
        }
        // A structure that has an id but no name is found by its id.
        let has_name = siblings.iter().any(|s| s == "name" || (s.ends_with("name") && s.starts_with(&text)));
        let draft = &mut self.nouns[usize::from(noun)];
        if !has_name && draft.noun.sources.is_empty() && !draft.name_settled && !chosen {
            draft.noun.named = false;
        }
        if self.fits(&own, noun, salt, limits) {
            self.nouns[usize::from(noun)].id_settled = true;
            return Node::Text(Box::new(node(own, noun, salt, limits, false)));
        }
        let reading = Reading { noun: "", member: "", service: self.service.signing_name };
        let styles = || tables::ID_STYLES.iter().map(|style| read(style, &reading));
        // Where the pattern begins with letters of its own, these come before the common forms.
        let common = || styles().find(|style| self.fits(style, noun, salt, limits));
        let own_form = || Some(self.by_pattern(noun, salt, limits)).filter(|pieces| matches!(pieces[..], [_, _, ..]));
        let pieces = own_form().or_else(common);
        let pieces = pieces.unwrap_or_else(|| self.by_pattern(noun, salt, limits));
        let draft = &mut self.nouns[usize::from(noun)];
        if draft.id_settled {
            return Node::Text(Box::new(node(pieces, noun, salt, limits, false)));
        }
        draft.id_settled = true;
        draft.noun.id = pieces;
        Node::Text(Box::new(node(own, noun, salt, limits, false)))
    }

    fn arn(&mut self, words: &[String], limits: &Limits, salt: u64, scope: &Scope) -> Node {
        let noun = self.whose(words, &["arn", "id", "name", "identifier"], scope);
        let draft = &self.nouns[usize::from(noun)];
        let (text, kebab) = (draft.noun.text.to_string(), draft.kebab.clone());
        let service = self.service.signing_name;
        let own = self.facts.nouns.get(text.as_str()).is_some_and(|fact| fact.own);
        let reading = Reading { noun: &kebab, member: &kebab, service };
        let mut candidates: Vec<Box<[Piece]>> = Vec::new();
        // Of an unnamed kind of resource, the structure may say what it is: the `ResourceARN` of a `KinesisStreamsInput`.
        if matches!(text.as_str(), "resource" | "target" | "source" | "destination" | "") || noun == scope.noun {
            let outer = &self.nouns[usize::from(scope.noun)].noun.text;
            let rows =
                tables::ARNS.iter().filter(|(row, _)| row.len() > 4 && !row.contains('/') && outer.contains(row));
            let row = rows.max_by_key(|(row, _)| row.len()).filter(|_| !own);
            candidates.extend(row.map(|(_, template)| read(template, &reading)));
        }
        // `function` is Lambda's, but a service with functions of its own means those.
        if let Some(row) = tables_row(tables::ARNS, service, &kebab, own) {
            candidates.push(read(row, &reading));
        }
        let (told, untold): (Vec<_>, Vec<_>) = limits
            .pattern
            .map(|pattern| arn::forms(pattern, service))
            .unwrap_or_default()
            .into_iter()
            .partition(|form| form.told);
        candidates.extend(told.into_iter().map(|form| form.pieces));
        if tables::GLOBAL.contains(&service) {
            candidates.push(read("arn:{partition}:{service}::{account}:{noun}/{self}", &reading));
        }
        for form in [
            "arn:{partition}:{service}:{region}:{account}:{noun}/{self}",
            "arn:{partition}:{service}:{region}:{account}:{noun}:{self}",
            "arn:{partition}:{service}:{region}:{account}:{self}",
            "arn:{partition}:{service}::{account}:{noun}/{self}",
            "arn:{partition}:{service}:{region}:{account}:{noun}/{id}",
            "arn:{partition}:iam::{account}:role/{word}-role",
            "arn:{partition}:{service}:::{word}",
            "arn:{partition}:{service}:{region}::{word}/{word}",
        ] {
            candidates.push(read(form, &reading));
        }
        candidates.extend(untold.into_iter().map(|form| form.pieces));
        for pieces in candidates {
            if self.fits(&pieces, noun, salt, limits) {
                return Node::Text(Box::new(node(pieces, noun, salt, limits, true)));
            }
        }
        let pieces = self.localised(noun, salt, limits).unwrap_or_else(|| self.by_pattern(noun, salt, limits));
        Node::Text(Box::new(node(pieces, noun, salt, limits, true)))
    }

    /// An ARN that the pattern's generator made, with the call's partition, region and account where the pattern allows.
    fn localised(&self, noun: u16, salt: u64, limits: &Limits) -> Option<Box<[Piece]>> {
        let sample = generated(limits, &mut Draw::from_seed(salt))?;
        let parts: Vec<&str> = sample.splitn(6, ':').collect();
        let [_, _, service, region, account, resource] = parts[..] else { return None };
        if !sample.starts_with("arn:") {
            return None;
        }
        let text = |text: &str| Piece::Text(text.to_owned().into());
        let or = |spelled: &str, own: Piece| if spelled.is_empty() { text("") } else { own };
        for pieces in [
            [
                text("arn:"),
                Piece::Partition,
                text(&format!(":{service}:")),
                or(region, Piece::Region),
                text(":"),
                or(account, Piece::Account),
                text(&format!(":{resource}")),
            ],
            [
                text("arn:"),
                Piece::Partition,
                text(&format!(":{service}:{region}:")),
                or(account, Piece::Account),
                text(":"),
                text(resource),
                text(""),
            ],
        ] {
            if self.fits(&pieces, noun, salt, limits) {
                return Some(Box::new(pieces));
            }
        }
        None
    }

    /// The first template that the limits allow.
    fn first_fit(
        &mut self,
        templates: &'static [Str],
        reading: &Reading<'_>,
        noun: u16,
        salt: u64,
        limits: &Limits,
    ) -> Option<TextNode> {
        let read = templates.iter().map(|template| read(template, reading));
        let pieces = read.into_iter().find(|pieces| self.fits(pieces, noun, salt, limits))?;
        Some(node(pieces, noun, salt, limits, false))
    }

    /// Pieces that have the form of what the pattern's generator makes; at worst the generator itself.
    fn by_pattern(&self, noun: u16, salt: u64, limits: &Limits) -> Box<[Piece]> {
        let Some(pattern) = limits.pattern else { return self.by_length(noun, salt, limits) };
        let mut samples: Vec<String> =
            (0..6).filter_map(|seed| generated(limits, &mut Draw::from_seed(salt.wrapping_add(seed)))).collect();
        // Of an id or an ARN, the id; then those of one form, as far as lengths tell.
        if samples.iter().any(|sample| !sample.starts_with("arn:")) {
            samples.retain(|sample| !sample.starts_with("arn:"));
        }
        samples.truncate(3);
        let [first, rest @ ..] = samples.as_slice() else {
            return self.by_length(noun, salt, limits);
        };
        if let Some(pieces) = self.generalised(first, rest, noun, salt, limits) {
            return pieces;
        }
        Box::new([Piece::Pattern(pattern)])
    }

    /// A literal prefix and a run of one kind of characters, where samples suggest that and the pattern accepts it.
    fn generalised(&self, first: &str, rest: &[String], noun: u16, salt: u64, limits: &Limits) -> Option<Box<[Piece]>> {
        let mut common = first.len();
        for other in rest {
            common = common.min(first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count());
        }
        if !first.is_ascii() || common == first.len() {
            return None;
        }
        // A first letter may be held to more than the rest.
        let prefixes = [&first[..common], &first[..=common]];
        for (prefix, letters) in prefixes.iter().flat_map(|prefix| ALPHABETS.map(|letters| (*prefix, letters))) {
            let length = first.len() - prefix.len();
            for length in [17, 10, 12, 8, 32, length] {
                let prefix = Piece::Text(prefix.to_owned().into());
                let pieces = [prefix, Piece::Fill(letters, u16::try_from(length).ok()?)];
                if self.fits(&pieces, noun, salt, limits) {
                    return Some(Box::new(pieces));
                }
            }
        }
        None
    }

    fn by_length(&self, noun: u16, salt: u64, limits: &Limits) -> Box<[Piece]> {
        let length = 8.max(limits.min).min(limits.max);
        for letters in [Letters::LowerAlnum, Letters::Digits, Letters::UpperAlnum] {
            let pieces = [Piece::Fill(letters, u16::try_from(length).unwrap_or(u16::MAX))];
            if self.fits(&pieces, noun, salt, limits) {
                return Box::new(pieces);
            }
        }
        Box::new([Piece::Fill(Letters::LowerAlnum, u16::try_from(length).unwrap_or(u16::MAX))])
    }

    /// Whether what these pieces make is within the limits: for calls that have nothing in common, with the longest and the
    /// shortest words, and with the letters that patterns are most likely to refuse.
    fn fits(&self, pieces: &[Piece], noun: u16, salt: u64, limits: &Limits) -> bool {
        let noun = &self.nouns[usize::from(noun)].noun;
        TRIALS.iter().all(|trial| accepted(limits, &trial.write(noun, pieces, salt, limits)))
    }

    fn sample(&self, pieces: &[Piece], noun: u16, salt: u64, limits: &Limits) -> String {
        let noun = &self.nouns[usize::from(noun)].noun;
        let text = TRIALS[0].write(noun, pieces, salt, limits);
        fit(&text, limits.min, limits.max, limits.pattern, &mut Draw::from_seed(salt))
    }
}

/// Kinds of letters to try, the most likely in an id first.
const ALPHABETS: [Letters; 6] =
    [Letters::Hex, Letters::LowerAlnum, Letters::Digits, Letters::UpperAlnum, Letters::Lower, Letters::Alnum];

fn node(pieces: Box<[Piece]>, noun: u16, salt: u64, limits: &Limits, arn: bool) -> TextNode {
    let short = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    TextNode { pieces, noun, up: 0, salt, min: short(limits.min), max: short(limits.max), pattern: limits.pattern, arn }
}

fn generated(limits: &Limits, draw: &mut Draw) -> Option<String> {
    let pattern = limits.pattern?;
    let most = limits.max.min(limits.min.max(64));
    pattern::generate(pattern, limits.min, most, draw)
        .or_else(|| pattern::generate(pattern, limits.min, limits.max.min(4096), draw))
}

fn limits(shape: &Shape, member: Option<&Member>) -> Limits {
    // An empty label would not be found in a path, and an empty header is none.
    let floor = usize::from(member.is_none_or(|member| member.required || member.host_label));
    Limits {
        min: least(shape).max(floor.min(most(shape))),
        max: most(shape),
        pattern: shape.constraints.as_ref().and_then(|limits| limits.pattern),
    }
}

fn accepted(limits: &Limits, text: &str) -> bool {
    let length = text.chars().count();
    (limits.min..=limits.max).contains(&length)
        && limits.pattern.is_none_or(|wanted| pattern::matches(wanted, text) != Verdict::No)
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

/// Calls for trying templates out.
const TRIALS: [Trial; 7] = [
    Trial { row: None, extreme: None, ..HERE },
    Trial { row: Some(EXTREME_WORDS[0]), extreme: Some(0), ..THERE },
    Trial { row: Some(EXTREME_WORDS[1]), extreme: Some(-1), ..HERE },
    Trial { row: None, extreme: Some(-2), ..THERE },
    Trial { row: None, extreme: Some(30), ..HERE },
    Trial { row: None, extreme: Some(20), ..HERE },
    Trial { row: None, extreme: None, ..THERE },
];

const HERE: Trial = Trial {
    account: "123456789012",
    region: "us-east-1",
    base_url: "http://localhost:4566",
    index: 0,
    row: None,
    extreme: None,
};
const THERE: Trial = Trial {
    account: "000000000000",
    region: "ap-southeast-2",
    base_url: "https://127.0.0.1:39999",
    index: 1,
    row: None,
    extreme: None,
};

struct Trial {
    account: &'static str,
    region: &'static str,
    base_url: &'static str,
    index: u32,
    row: Option<u64>,
    extreme: Option<isize>,
}

impl Trial {
    fn write(&self, noun: &Noun, pieces: &[Piece], salt: u64, limits: &Limits) -> String {
        let input = Document::Null;
        let scene = Scene {
            partition: "aws",
            account: self.account,
            region: self.region,
            base_url: self.base_url,
            origin: Timestamp::from_seconds(1_767_225_600),
            key: u64::from(self.index),
            input: &input,
        };
        let mut entity = noun.entity(&scene, &Frame { index: self.index, ..Frame::root(0) });
        if let Some(row) = self.row {
            entity = Entity { row, index: 0, place: 0, ..entity };
        }
        let lengths = (limits.min, limits.max);
        let extreme = self.extreme;
        let mut pen = Pen { scene: &scene, noun, entity: &entity, echo: false, echoed: false, salt, lengths, extreme };
        let mut out = String::new();
        pen.write(pieces, &mut out);
        out
    }
}
