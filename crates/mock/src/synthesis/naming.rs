//! Names, ids and ARNs: whose they are, and what form they have.

use standin_core::Draw;

use super::compile::{Compiler, Scope};
use super::nouns::tables_row;
use super::plan::Node;
use super::template::{Piece, Reading, read};
use super::trial::{Limits, generated, node};
use super::{arn, tables};
use standin_model::words::kebab;

impl Compiler {
    /// The resource that a member such as `KmsKeyArn` is of: the words before the role, else what the structure describes.
    pub(super) fn whose(&mut self, words: &[String], roles: &[&str], scope: &Scope) -> u16 {
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

    pub(super) fn name(&mut self, words: &[String], limits: &Limits, salt: u64, scope: &Scope) -> Node {
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
        if found.is_none() && limits.pattern.is_some_and(|pattern| pattern.contains("arn:")) {
            return self.arn(words, limits, salt, scope);
        }
        let pieces = found.unwrap_or_else(|| self.by_pattern(noun, salt, limits));
        let draft = &mut self.nouns[usize::from(noun)];
        if draft.name_settled {
            return Node::Text(Box::new(node(pieces, noun, salt, limits, false)));
        }
        draft.name_settled = true;
        draft.noun.name = pieces;
        Node::Text(Box::new(node(own, noun, salt, limits, false)))
    }

    pub(super) fn id(
        &mut self,
        words: &[String],
        limits: &Limits,
        salt: u64,
        siblings: &[String],
        scope: &Scope,
    ) -> Node {
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
        // Some ids are ARNs and nothing else.
        if pieces.is_none() && limits.pattern.is_some_and(|pattern| pattern.contains("arn:")) {
            return self.arn(words, limits, salt, scope);
        }
        let pieces = pieces.unwrap_or_else(|| self.by_pattern(noun, salt, limits));
        let draft = &mut self.nouns[usize::from(noun)];
        if draft.id_settled {
            return Node::Text(Box::new(node(pieces, noun, salt, limits, false)));
        }
        draft.id_settled = true;
        draft.noun.id = pieces;
        Node::Text(Box::new(node(own, noun, salt, limits, false)))
    }

    pub(super) fn arn(&mut self, words: &[String], limits: &Limits, salt: u64, scope: &Scope) -> Node {
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
    pub(super) fn localised(&self, noun: u16, salt: u64, limits: &Limits) -> Option<Box<[Piece]>> {
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

    /// A text about the resource that the structure lies in, and not about the structure's own, speaks of that very one: the
    /// `ClusterId` of a cluster's nodes.
    pub(super) fn lifted(&self, mut node: Node, siblings: &[String], scope: &Scope) -> Node {
        if let Node::Text(text) = &mut node
            && !siblings.is_empty()
            && text.noun != scope.noun
            && let Some((_, lists)) = scope.around.iter().rev().find(|(noun, _)| *noun == text.noun)
        {
            text.up = scope.lists - lists;
        }
        node
    }
}
