//! What overlays say of the finished lifecycle: bindings, views, statuses, forms.

use std::collections::BTreeMap;

use standin_model::{Document, Kind, Service, ShapeIx, Str};

use super::{ErrorsSpec, OperationSpec, Overlay, OverlayError, StatusSpec, TypeSpec, meant};
use crate::types::written;
use crate::{Binding, Codes, Form, Lifecycle, Part, Path, Role, Status, Step, TypeIx, TypeKind, Verb, View};

/// Applies what an overlay says to a lifecycle that was inferred with its hints. `renamed`: types that overlays give other
/// names, with these.
///
/// # Errors
/// When it names what the model does not have.
pub(crate) fn patch(
    lifecycle: &mut Lifecycle,
    overlay: &Overlay,
    renamed: &BTreeMap<String, String>,
) -> Result<(), OverlayError> {
    let patch = Patch { overlay, service: lifecycle.service, renamed };
    for at in 0..lifecycle.types.len() {
        patch.codes(&mut lifecycle.types[at].codes, &overlay.spec.errors, Some(&lifecycle.types[at].name.clone()));
    }
    for (name, spec) in &overlay.spec.types {
        if spec.ignore || spec.merge.is_some() {
            continue;
        }
        let Some(ix) = patch.lenient(patch.named(lifecycle, &format!("types.{name}"), name))? else { continue };
        patch.lenient(patch.resource(lifecycle, ix, name, spec))?;
    }
    for (name, spec) in &overlay.spec.operations {
        if !spec.ignore {
            patch.lenient(patch.operation(lifecycle, name, spec))?;
        }
    }
    Ok(())
}

struct Patch<'o> {
    overlay: &'o Overlay,
    service: &'static Service,
    renamed: &'o BTreeMap<String, String>,
}

impl Patch<'_> {
    /// Of an overlay that may speak of a newer model, what is unknown is passed over.
    fn lenient<T>(&self, done: Result<T, OverlayError>) -> Result<Option<T>, OverlayError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(_) if self.overlay.lenient => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn named(&self, lifecycle: &Lifecycle, key: &str, name: &str) -> Result<TypeIx, OverlayError> {
        let shown = self.renamed.get(name).map_or(name, String::as_str);
        let at = lifecycle.types.iter().position(|resource| resource.name == shown).ok_or_else(|| {
            let known = meant(name, lifecycle.types.iter().map(|resource| resource.name.as_str()));
            self.overlay
                .unknown(key, format!("{} has no type {name}, or nothing makes and shows it{known}", self.service.id))
        })?;
        Ok(TypeIx(u16::try_from(at).unwrap_or(u16::MAX)))
    }

    fn resource(&self, lifecycle: &mut Lifecycle, ix: TypeIx, name: &str, spec: &TypeSpec) -> Result<(), OverlayError> {
        let at = usize::from(ix.0);
        let key = |rest: &str| format!("types.{name}.{rest}");
        if let Some(shapes) = &spec.shapes {
            let shapes: Result<Vec<ShapeIx>, _> =
                shapes.iter().map(|shape| self.shape(&key("shapes"), shape)).collect();
            lifecycle.types[at].shapes = shapes?.into();
        }
        self.tied(lifecycle, name, spec, ix)?;
        let shapes = lifecycle.types[at].shapes.to_vec();
        let member = |rest: &str, name: &str| self.shown(&key(rest), &shapes, name);
        let shown = &spec.shown_as;
        let mut identity = lifecycle.types[at].identity.clone();
        for (slot, name) in
            [(&mut identity.name, &shown.name), (&mut identity.id, &shown.id), (&mut identity.arn, &shown.arn)]
        {
            if let Some(name) = name {
                *slot = if name.is_empty() { None } else { Some(member("shown-as", name)?) };
            }
        }
        if let Some(status) = &spec.status {
            lifecycle.types[at].status = self.status(&key("status"), &shapes, status)?;
        }
        if let Some(tags) = &spec.tags {
            lifecycle.types[at].tags = Some(member("tags", tags)?);
        }
        if let Some(implicit) = spec.implicit {
            lifecycle.types[at].implicit = implicit;
        }
        if let Some(within) = &spec.within {
            let parent = lifecycle.types[at].parent.map(|parent| lifecycle.resource(parent).shapes.to_vec());
            let mut found = None;
            for shape in parent.unwrap_or_default() {
                if let Ok((path, end)) = self.path(&key("within"), Some(shape), within) {
                    let structure = matches!(self.service.shape(end).kind, Kind::Structure(_));
                    let part = identity.primary.unwrap_or(Part::Any);
                    found = Some((path, if structure { Form::Structure } else { Form::Identifier(part) }));
                    break;
                }
            }
            let missing = || self.overlay.unknown(key("within"), format!("no structure of its parent has {within}"));
            lifecycle.types[at].within = Some(found.ok_or_else(missing)?);
        }
        if let Some(default) = &spec.default {
            self.default(lifecycle, ix, default);
            lifecycle.types[at].default = Some(default.clone());
        }
        let resource = &mut lifecycle.types[at];
        resource.identity = identity;
        if let Some(counter) = &spec.counter {
            resource.counter_form.clone_from(&counter.form);
        }
        resource.id_form = spec.id.clone().or(resource.id_form.take());
        resource.arn_form = spec.arn.clone().or(resource.arn_form.take());
        let mut defaults = resource.defaults.to_vec();
        for (name, value) in &spec.defaults {
            defaults.push((member("defaults", name)?, document(value)));
        }
        resource.defaults = defaults.into();
        let absent: Result<Vec<Str>, _> = spec.absent.iter().map(|name| member("absent", name)).collect();
        resource.absent = absent?.into();
        let mut synonyms = resource.synonyms.to_vec();
        for (given, shown) in &spec.synonyms {
            let given = self.input_member(&key("synonyms"), given)?;
            synonyms.retain(|(known, _)| *known != given);
            synonyms.push((given, member("synonyms", shown)?));
        }
        resource.synonyms = synonyms.into();
        self.codes(&mut resource.codes, &spec.errors, None);
        resource.why.push(format!("overlay {}", self.overlay.file));
        Ok(())
    }

    /// What a type is said to lie in or to lead to must have stayed a type.
    fn tied(&self, lifecycle: &Lifecycle, name: &str, spec: &TypeSpec, ix: TypeIx) -> Result<(), OverlayError> {
        let resource = lifecycle.resource(ix);
        let ends = [("parent", &spec.parent, resource.parent), ("target", &spec.target, resource.target)];
        for (rest, said, found) in ends {
            let Some(said) = said.as_deref().filter(|said| !said.is_empty()) else { continue };
            let key = format!("types.{name}.{rest}");
            let wanted = self.named(lifecycle, &key, said)?;
            if found != Some(wanted) && (rest == "parent" || resource.kind == TypeKind::Link) {
                return Err(self.overlay.unknown(key, format!("{said} cannot be that")));
            }
        }
        Ok(())
    }

    /// Every member that may name the type stands for the default where it is left out, also where the type is a parent.
    fn default(&self, lifecycle: &mut Lifecycle, ix: TypeIx, default: &str) {
        for (operation, role) in self.service.operations.iter().zip(&mut lifecycle.roles) {
            let input = operation.input.and_then(|input| self.service.structure(input));
            for binding in role.iter_mut().flat_map(|role| &mut role.bindings) {
                let member = match binding.path[..] {
                    [Step::Member(name)] => input.and_then(|input| input.member(name)),
                    _ => None,
                };
                if binding.of == ix && binding.part != Part::Arn && member.is_some_and(|member| !member.required) {
                    binding.default = Some(default.to_owned());
                }
            }
        }
    }

    fn status(&self, key: &str, shapes: &[ShapeIx], spec: &StatusSpec) -> Result<Option<Status>, OverlayError> {
        if spec.member.is_empty() {
            return Ok(None);
        }
        let mut found = None;
        for shape in shapes {
            if let Ok((path, end)) = self.path(key, Some(*shape), &spec.member) {
                found = Some((path, end));
                break;
            }
        }
        let missing = || self.overlay.unknown(key, format!("no structure of the type has {}", spec.member));
        let (path, end) = found.ok_or_else(missing)?;
        let (member, inner) = match path[..] {
            [Step::Member(member)] => (member, None),
            [Step::Member(member), Step::Member(inner)] => (member, Some(inner)),
            _ => return Err(self.overlay.unknown(key, "a status is a member, or a member of one")),
        };
        let Kind::String { enum_values } = &self.service.shape(end).kind else {
            return Err(self.overlay.unknown(key, format!("{} is no text", spec.member)));
        };
        let value = |value: &Option<String>| -> Result<Option<Str>, OverlayError> {
            let Some(value) = value else { return Ok(None) };
            match enum_values.iter().find(|known| *known == value) {
                Some(known) => Ok(Some(known)),
                None if enum_values.is_empty() => Ok(Some(keep(value))),
                // Some services spell it otherwise than their models do.
                None if enum_values.iter().any(|known| known.eq_ignore_ascii_case(value)) => Ok(Some(keep(value))),
                None => {
                    let known = meant(value, enum_values.iter().copied());
                    Err(self.overlay.unknown(key, format!("{} is never {value}{known}", spec.member)))
                }
            }
        };
        let settled = value(&spec.settled)?
            .ok_or_else(|| self.overlay.unknown(key, "says not what is settled, the value when nothing goes on"))?;
        Ok(Some(Status {
            member,
            inner,
            settled,
            creating: value(&spec.creating)?,
            updating: value(&spec.updating)?,
            updated: value(&spec.updated)?,
            deleting: value(&spec.deleting)?,
            deleted: value(&spec.deleted)?,
        }))
    }

    fn operation(&self, lifecycle: &mut Lifecycle, name: &str, spec: &OperationSpec) -> Result<(), OverlayError> {
        let key = |rest: &str| format!("operations.{name}.{rest}");
        let at = self.service.operations.binary_search_by(|operation| operation.name.cmp(name)).map_err(|_| {
            let known = meant(name, self.service.operations.iter().map(|operation| operation.name));
            self.overlay
                .unknown(format!("operations.{name}"), format!("{} has no such operation{known}", self.service.id))
        })?;
        let operation = &self.service.operations[at];
        let Some(mut role) = lifecycle.roles[at].take() else {
            let message = "has no role; say verb and type of what is made and shown".to_owned();
            return Err(self.overlay.unknown(format!("operations.{name}"), message));
        };
        if let Some(said) = &spec.of
            && self.overlay.spec.types.get(said).is_none_or(|spec| spec.merge.is_none())
            && self.named(lifecycle, &key("type"), said)? != role.resource
        {
            let found = &lifecycle.resource(role.resource).name;
            return Err(self.overlay.unknown(key("type"), format!("it is about {found}, not about {said}")));
        }
        if let Some(bind) = &spec.bind {
            let mut bindings = Vec::new();
            for (path, what) in bind {
                let (path, _) = self.path(&key("bind"), operation.input, path)?;
                let (of, part) = self.what(lifecycle, &key("bind"), what, role.resource)?;
                let part = part.ok_or_else(|| {
                    self.overlay.unknown(key("bind"), format!("{what} does not say name, id, arn, any or qualifier"))
                })?;
                bindings.push(Binding { path, of, part, default: None });
            }
            role.bindings = bindings.into();
        }
        for (path, default) in &spec.defaults {
            let (path, _) = self.path(&key("defaults"), operation.input, path)?;
            let binding = role.bindings.iter_mut().find(|binding| binding.path == path).ok_or_else(|| {
                self.overlay.unknown(key("defaults"), format!("{} names no resource", written(&path)))
            })?;
            binding.default = Some(default.clone());
        }
        if let Some(views) = &spec.views {
            let mut out = Vec::new();
            for (path, what) in views {
                let (path, end) = self.path(&key("views"), operation.output, path)?;
                let (of, part) = self.what(lifecycle, &key("views"), what, role.resource)?;
                let structure = matches!(self.service.shape(end).kind, Kind::Structure(_));
                let form = match part {
                    None if structure => Form::Structure,
                    part => Form::Identifier(part.unwrap_or(Part::Any)),
                };
                out.push(View { path, of, form });
            }
            role.views = out.into();
        }
        let input = |rest: &str, path: &Option<String>| -> Result<Option<Path>, OverlayError> {
            let path = path.as_ref().map(|path| self.path(&key(rest), operation.input, path));
            Ok(path.transpose()?.map(|(path, _)| path))
        };
        role.batch = input("batch", &spec.batch)?.or(role.batch.take());
        role.atomic |= spec.atomic;
        role.repeatable |= spec.repeatable;
        role.body = input("body", &spec.body)?.or(role.body.take());
        role.rename = input("rename", &spec.rename)?.or(role.rename.take());
        role.action = input("action", &spec.action)?.or(role.action.take());
        if let Some(tags) = &spec.tags {
            let root =
                if matches!(role.verb, Verb::ListTags | Verb::Read) { operation.output } else { operation.input };
            role.tags = Some(self.path(&key("tags"), root, tags)?.0);
        }
        if let Some(value) = &spec.value {
            role.verb = Verb::Act(Some(keep(value)));
        }
        if let Some(clears) = &spec.clears {
            let shapes = lifecycle.resource(role.resource).shapes.to_vec();
            let clears: Result<Vec<Str>, _> =
                clears.iter().map(|name| self.shown(&key("clears"), &shapes, name)).collect();
            role.clears = clears?.into();
        }
        self.sets(&mut role, lifecycle, &key("sets"), spec)?;
        self.codes(&mut role.codes, &spec.errors, None);
        role.why.push(format!("overlay {}", self.overlay.file));
        lifecycle.roles[at] = Some(role);
        Ok(())
    }

    fn sets(
        &self,
        role: &mut Role,
        lifecycle: &Lifecycle,
        key: &str,
        spec: &OperationSpec,
    ) -> Result<(), OverlayError> {
        let shapes = lifecycle.resource(role.resource).shapes.to_vec();
        let mut sets = role.sets.to_vec();
        for (name, value) in &spec.sets {
            sets.push((self.shown(key, &shapes, name)?, keep(value)));
        }
        role.sets = sets.into();
        Ok(())
    }

    /// `Type.part`, `Type`, `part` or nothing.
    fn what(
        &self,
        lifecycle: &Lifecycle,
        key: &str,
        text: &str,
        own: TypeIx,
    ) -> Result<(TypeIx, Option<Part>), OverlayError> {
        if text.is_empty() {
            return Ok((own, None));
        }
        if let Some(part) = part(text) {
            return Ok((own, Some(part)));
        }
        let Some((name, last)) = text.split_once('.') else {
            return Ok((self.named(lifecycle, key, text)?, None));
        };
        let part = part(last)
            .ok_or_else(|| self.overlay.unknown(key, format!("{last} is none of name, id, arn, any, qualifier")))?;
        Ok((self.named(lifecycle, key, name)?, Some(part)))
    }

    /// A path as it is written (`Clusters[].Name`, `Items{}`), with the shape that it ends at.
    fn path(&self, key: &str, root: Option<ShapeIx>, text: &str) -> Result<(Path, ShapeIx), OverlayError> {
        let nothing = || self.overlay.unknown(key, "the operation has nothing there");
        let mut at = root.ok_or_else(nothing)?;
        let mut path = Vec::new();
        for step in text.split('.').filter(|step| !step.is_empty()) {
            let mut name = step;
            let mut into = Vec::new();
            loop {
                if let Some(rest) = name.strip_suffix("[]") {
                    into.push(Step::Items);
                    name = rest;
                } else if let Some(rest) = name.strip_suffix("{}") {
                    into.push(Step::Values);
                    name = rest;
                } else {
                    break;
                }
            }
            let members = self.service.structure(at).map_or(&[][..], |structure| &structure.members);
            let member = members.iter().find(|member| member.name == name).ok_or_else(|| {
                let known = meant(name, members.iter().map(|member| member.name));
                self.overlay.unknown(key, format!("{} has no member {name}{known}", self.service.shape(at).name))
            })?;
            path.push(Step::Member(member.name));
            at = member.target;
            for step in into.into_iter().rev() {
                at = match (step, &self.service.shape(at).kind) {
                    (Step::Items, Kind::List(list)) => list.member.target,
                    (Step::Values, Kind::Map(map)) => map.value.target,
                    (Step::Items, _) => return Err(self.overlay.unknown(key, format!("{name} is no list"))),
                    _ => return Err(self.overlay.unknown(key, format!("{name} is no map"))),
                };
                path.push(step);
            }
        }
        Ok((path.into(), at))
    }

    fn shape(&self, key: &str, name: &str) -> Result<ShapeIx, OverlayError> {
        self.service.shape_named(name).filter(|ix| self.service.structure(*ix).is_some()).ok_or_else(|| {
            let known = meant(name, self.service.shapes.iter().map(|shape| shape.name));
            self.overlay.unknown(key, format!("{} has no structure {name}{known}", self.service.id))
        })
    }

    /// A member of the structures that describe a type.
    fn shown(&self, key: &str, shapes: &[ShapeIx], name: &str) -> Result<Str, OverlayError> {
        let members = || {
            let structures = shapes.iter().filter_map(|shape| self.service.structure(*shape));
            structures.flat_map(|structure| structure.members.iter().map(|member| member.name))
        };
        members().find(|known| *known == name).ok_or_else(|| {
            let known = meant(name, members());
            self.overlay.unknown(key, format!("no structure of the type has a member {name}{known}"))
        })
    }

    /// A member of any input of the service.
    fn input_member(&self, key: &str, name: &str) -> Result<Str, OverlayError> {
        let inputs = self.service.operations.iter().filter_map(|operation| self.service.structure(operation.input?));
        inputs
            .flat_map(|input| input.members.iter().map(|member| member.name))
            .find(|known| *known == name)
            .ok_or_else(|| self.overlay.unknown(key, format!("no input of {} has a member {name}", self.service.id)))
    }

    /// `noun`: what `{Noun}` stands for.
    fn codes(&self, codes: &mut Codes, spec: &ErrorsSpec, noun: Option<&str>) {
        for (slot, code) in
            [(&mut codes.missing, &spec.missing), (&mut codes.conflict, &spec.conflict), (&mut codes.busy, &spec.busy)]
        {
            if let Some(code) = code {
                *slot = Some(code.replace("{Noun}", noun.unwrap_or_default()));
            }
        }
    }
}

fn part(text: &str) -> Option<Part> {
    Some(match text {
        "name" => Part::Name,
        "id" => Part::Id,
        "arn" => Part::Arn,
        "any" => Part::Any,
        "qualifier" => Part::Qualifier,
        _ => return None,
    })
}

fn document(value: &toml::Value) -> Document {
    match value {
        toml::Value::String(text) => Document::from(text.clone()),
        toml::Value::Integer(number) => Document::Int(*number),
        toml::Value::Float(number) => Document::Float(*number),
        toml::Value::Boolean(flag) => Document::Bool(*flag),
        toml::Value::Datetime(at) => Document::from(at.to_string()),
        toml::Value::Array(items) => Document::List(items.iter().map(document).collect()),
        toml::Value::Table(entries) => {
            Document::Map(entries.iter().map(|(name, value)| (name.clone().into(), document(value))).collect())
        }
    }
}

/// Overlays are few, are read once and live as long as the process.
fn keep(text: &str) -> Str {
    Box::leak(text.to_owned().into_boxed_str())
}
