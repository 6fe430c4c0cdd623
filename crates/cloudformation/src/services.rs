//! Resources made by the services of the catalogue: properties become the input of the operation that creates such a
//! resource, and what that answers tells what `Ref` and `Fn::GetAtt` do.
//!
//! Called through a registry whose handlers remember, a bucket of a stack is a bucket that S3 lists; through one that only
//! makes answers up, the same code simulates.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use standin_core::{Answer, BoxFuture, Caller, Clock, Dice, Draw, OperationError, Registry};
use standin_lifecycle::{Form, Step};
use standin_mock::synthesis::Synthesizer;
use standin_model::words::squash;
use standin_model::{Catalogue, Document, Fields, Kind, Operation, Service};

use crate::about::About;
use crate::evaluate::Made;
use crate::input;
use crate::kinds::{Kinds, MadeBy, ResourceKind};
use crate::parameters::scalar_text;
use crate::resources::{Drift, Place, Replacement, Resources, Wanted, changed_properties};
use crate::{steps, tagging};

/// Random letters at the end of generated names.
const SUFFIX_LETTERS: usize = 12;
/// Letters of a generated name, at most: those of most services are allowed as many.
const NAME_MAX: usize = 63;
/// What an attribute of the resource's own text is kept under; no property has such a name.
pub(crate) const NAME: &str = "-name";

/// See the module.
pub struct ServiceResources {
    pub(crate) kinds: Kinds,
    caller: Caller,
    pace: Arc<dyn Fn(&str) -> i64 + Send + Sync>,
}

impl ServiceResources {
    /// Makes the resources of the catalogue's types through calls.
    pub fn new(catalogue: &'static Catalogue, caller: Caller) -> Self {
        Self { kinds: Kinds::new(catalogue), caller, pace: Arc::new(|_| 0) }
    }

    /// With services that take time for what they do, in milliseconds by their catalogue id.
    #[must_use]
    pub fn with_pace(mut self, pace: impl Fn(&str) -> i64 + Send + Sync + 'static) -> Self {
        self.pace = Arc::new(pace);
        self
    }

    /// Makes resources that are nowhere: their ids, ARNs and attributes have the right form and agree with each other.
    pub fn simulated(catalogue: &'static Catalogue) -> Self {
        let registry = Arc::new(Registry::new(Arc::new(Synthesizer::new(catalogue))));
        Self::new(catalogue, Caller::new(catalogue, registry, Clock::real().origin(), Dice::new(0)))
    }

    /// The resource type that was probably meant, where there is none of that name among those of its service that are known.
    pub fn near(&self, kind: &str) -> Option<String> {
        self.kinds.near(kind)
    }

    pub(crate) async fn call(
        &self,
        place: &Place,
        service: &'static Service,
        operation: &'static Operation,
        input: Fields,
        salt: u64,
    ) -> Result<Document, OperationError> {
        self.ask(place, service, operation, input, salt).await.map(|answer| answer.output)
    }

    async fn ask(
        &self,
        place: &Place,
        service: &'static Service,
        operation: &'static Operation,
        input: Fields,
        salt: u64,
    ) -> Result<Answer, OperationError> {
        let dice = Dice::new(standin_model::words::mix(place.dice.seed(), salt));
        let base_url = Arc::new(OnceLock::from(Arc::from(place.base_url.as_str())));
        let caller = self.caller.clone().with_dice(dice).with_base_url(base_url);
        let of_account = standin_core::Place {
            partition: place.partition.clone(),
            account: place.account.clone(),
            region: place.region.clone(),
            access_key: None,
            now: place.now,
        };
        caller.call_known(&of_account, (service, operation), input, &place.stack_id).await
    }

    pub(crate) fn operation(&self, service: &str, operation: &str) -> Option<(&'static Service, &'static Operation)> {
        self.caller.operation(service, operation)
    }

    async fn make(&self, place: &Place, wanted: Wanted<'_>) -> Result<Made, String> {
        let kind =
            self.kinds.find(wanted.kind).ok_or_else(|| format!("Unrecognized resource type: {}", wanted.kind))?;
        let properties = tagging::with_tags(place, &wanted);
        let wanted = Wanted { properties: &properties, ..wanted };
        let salt = salt(place, &wanted);
        let mut about = About { name: generated_name(place, &wanted, kind.special.lower, salt), ..About::default() };
        let mut used = std::collections::BTreeSet::new();
        if let Some(by) = &kind.made_by {
            let mut filled = filled(by, by.create, wanted.properties);
            by.name(&kind, wanted.properties, &mut filled.fields, &mut about);
            for (member, json) in kind.special.elsewhere.iter().filter(|_| place.region != "us-east-1") {
                if let Ok(value) = serde_json::from_str(&json.replace("<region>", &place.region))
                    && !filled.fields.contains_key(member)
                {
                    filled.fields.push(member.clone(), Document::from_json(&value));
                }
            }
            let input = filled.fields.clone();
            let output = match self.call(place, by.service, by.create, filled.fields, salt).await {
                Ok(output) => output,
                // Made before a crash, and asked for again: names that are ours alone tell.
                Err(error) if about.generated && exists(&error) => Document::map(),
                Err(error) => return Err(reason(by.service, &error)),
            };
            by.learn(&input, &output, by.create, &mut about);
            used = filled.used;
        }
        match self.finish(place, &kind, &wanted, &mut about, &used, salt).await {
            Ok(made) => Ok(made),
            Err(reason) => {
                // What is not whole must not stay.
                let made = about.made(place, &kind, &wanted, salt);
                let _ = self.remove(place, wanted, &made).await;
                Err(reason)
            }
        }
    }

    /// Does what is left to do of a resource that is there.
    async fn finish(
        &self,
        place: &Place,
        kind: &ResourceKind,
        wanted: &Wanted<'_>,
        about: &mut About,
        used: &std::collections::BTreeSet<String>,
        salt: u64,
    ) -> Result<Made, String> {
        if let Some(by) = &kind.made_by {
            self.settle(place, by, wanted, about, used, None, salt).await?;
            if let Some(read) = by.read
                && let Some(input) = about.read_input(kind, by, read, wanted.properties)
                && let Ok(output) = self.call(place, by.service, read, input, salt).await
            {
                by.learn(&Fields::new(), &output, read, about);
            }
        }
        let mut made = about.clone().made(place, kind, wanted, salt);
        if !used.contains("Tags") {
            self.retag(place, kind, &Value::Null, wanted.properties, &made).await?;
        }
        let due = steps::due(kind, wanted.properties, &made);
        if let Some(reference) = self.take_steps(place, kind, &due, salt).await? {
            made.reference = reference;
        }
        Ok(made)
    }

    /// Calls what changes the properties that no operation has taken yet: updates, and puts of settings.
    #[expect(clippy::too_many_arguments, reason = "one caller each for what is made and what is changed")]
    async fn settle(
        &self,
        place: &Place,
        by: &MadeBy,
        wanted: &Wanted<'_>,
        about: &mut About,
        used: &std::collections::BTreeSet<String>,
        only: Option<&[String]>,
        salt: u64,
    ) -> Result<(), String> {
        let mut left: Map<String, Value> = wanted.properties.as_object().cloned().unwrap_or_default();
        left.retain(|name, _| !used.contains(name) && only.is_none_or(|only| only.contains(name)));
        for operation in &by.changes {
            if left.is_empty() {
                break;
            }
            let names = by.names(operation);
            let Some(mut input) = about.input(&names) else { continue };
            let mut filled = filled(by, operation, &Value::Object(left.clone()));
            filled.fields.iter().for_each(|(name, value)| {
                if !input.contains_key(name) {
                    input.push(name.clone(), value.clone());
                }
            });
            name_around(by, operation, wanted.properties, &mut input);
            filled.used.retain(|name| left.contains_key(name));
            if filled.used.is_empty() || !complete(by.service, operation, &input) {
                continue;
            }
            self.call(place, by.service, operation, input, salt).await.map_err(|error| reason(by.service, &error))?;
            left.retain(|name, _| !filled.used.contains(name));
        }
        Ok(())
    }

    async fn change(&self, place: &Place, wanted: Wanted<'_>, made: &Made, before: &Value) -> Result<Made, String> {
        let kind =
            self.kinds.find(wanted.kind).ok_or_else(|| format!("Unrecognized resource type: {}", wanted.kind))?;
        let salt = salt(place, &wanted);
        let mut about = About::of(made);
        let properties = tagging::with_tags(place, &wanted);
        let wanted = Wanted { properties: &properties, ..wanted };
        self.retag(place, &kind, before, &properties, made).await?;
        if let Some(by) = &kind.made_by {
            let changed = changed_properties(before, wanted.properties);
            let none = std::collections::BTreeSet::new();
            self.settle(place, by, &wanted, &mut about, &none, Some(&changed), salt).await?;
            if let Some(read) = by.read
                && let Some(input) = about.read_input(&kind, by, read, wanted.properties)
                && let Ok(output) = self.call(place, by.service, read, input, salt).await
            {
                let known = std::mem::take(&mut about);
                about = About {
                    name: known.name,
                    id: known.id,
                    arn: known.arn,
                    reference: known.reference,
                    ..About::default()
                };
                by.learn(&Fields::new(), &output, read, &mut about);
            }
        }
        let mut changed = about.made(place, &kind, &wanted, salt);
        changed.reference.clone_from(&made.reference);
        let (old, new) = (steps::due(&kind, before, made), steps::due(&kind, wanted.properties, &changed));
        self.undo_steps(place, &kind, &old, &new, salt).await?;
        if let Some(reference) = self.take_steps(place, &kind, &steps::without(new, &old), salt).await? {
            changed.reference = reference;
        }
        for (name, value) in &made.attributes {
            // What identifies stays; so does what the operations do not tell.
            let keeps = !changed.attributes.contains_key(name) || kind.special.attributes.contains_key(name);
            if keeps {
                changed.attributes.insert(name.clone(), value.clone());
            }
        }
        Ok(changed)
    }

    async fn remove(&self, place: &Place, wanted: Wanted<'_>, made: &Made) -> Result<(), String> {
        let Some(kind) = self.kinds.find(wanted.kind) else { return Ok(()) };
        let taken = steps::due(&kind, wanted.properties, made);
        self.undo_steps(place, &kind, &taken, &[], salt(place, &wanted)).await?;
        let Some(by) = &kind.made_by else { return Ok(()) };
        let Some(delete) = by.delete else { return Ok(()) };
        let Some(mut input) = About::of(made).input(&by.names(delete)) else { return Ok(()) };
        name_around(by, delete, wanted.properties, &mut input);
        match self.call(place, by.service, delete, input, salt(place, &wanted)).await {
            Ok(_) => Ok(()),
            Err(error) if missing(&error) => Ok(()),
            Err(error) => Err(reason(by.service, &error)),
        }
    }
}

impl Resources for ServiceResources {
    fn knows(&self, kind: &str) -> bool {
        self.kinds.find(kind).is_some()
    }

    fn replacement(&self, kind: &str, property: &str) -> Replacement {
        let Some(kind) = self.kinds.find(kind) else { return Replacement::Never };
        if kind.special.keep.iter().any(|name| name == property) || property == "Tags" {
            return Replacement::Never;
        }
        if kind.special.steps.iter().any(|step| step.each.as_deref() == Some(property)) {
            return Replacement::Never;
        }
        if kind.special.replace.iter().any(|name| name == property) {
            return Replacement::Always;
        }
        let Some(by) = &kind.made_by else { return Replacement::Never };
        let wanted = squash(property);
        let noun = by.noun(&kind);
        let names = by.names(by.create);
        let identifies = names.iter().any(|(member, _)| {
            let member = squash(member);
            member == wanted || format!("{noun}{member}") == wanted || format!("{member}name") == wanted
        });
        if identifies || wanted == format!("{noun}name") {
            return Replacement::Always;
        }
        if kind.special.reference.is_some() && !kind.special.replace.is_empty() {
            // The table lists what replaces such a resource; whatever else it has is changed in place.
            return Replacement::Never;
        }
        let takes = |operation: &&'static Operation| {
            let input = operation.input.and_then(|shape| by.service.structure(shape));
            input.is_some_and(|input| input.members.iter().any(|member| squash(member.name) == wanted))
        };
        match () {
            () if by.changes.iter().any(takes) => Replacement::Never,
            () if by.changes.is_empty() => Replacement::Always,
            () => Replacement::Conditionally,
        }
    }

    fn create<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Made, String>> {
        Box::pin(self.make(place, wanted))
    }

    fn update<'a>(
        &'a self,
        place: &'a Place,
        wanted: Wanted<'a>,
        made: &'a Made,
        before: &'a Value,
    ) -> BoxFuture<'a, Result<Made, String>> {
        Box::pin(self.change(place, wanted, made, before))
    }

    fn delete<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>, made: &'a Made) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.remove(place, wanted, made))
    }

    fn drift<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>, made: &'a Made) -> BoxFuture<'a, Drift> {
        Box::pin(async move { self.compare(place, &wanted, made).await })
    }

    fn takes_tags(&self, kind: &str) -> bool {
        let kind = self.kinds.find(kind);
        let tags = serde_json::json!({"Tags": [{"Key": "k", "Value": "v"}]});
        kind.and_then(|kind| {
            let by = kind.made_by.as_ref()?;
            let takes = |operation: &'static Operation| filled(by, operation, &tags).used.contains("Tags");
            let by_step = kind.special.steps.iter().any(|step| step.when.as_deref() == Some("Tags"));
            Some(by_step || takes(by.create) || by.changes.iter().copied().any(takes))
        })
        .unwrap_or(false)
    }

    fn takes_ms(&self, kind: &str) -> i64 {
        let kind = self.kinds.find(kind);
        kind.and_then(|kind| kind.made_by.as_ref().map(|by| (self.pace)(by.service.id))).unwrap_or(0)
    }

    fn resolve<'a>(&'a self, place: &'a Place, reference: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.dynamic(place, reference))
    }

    fn read_parameter<'a>(&'a self, place: &'a Place, name: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            let (service, operation) = self.operation("ssm", "GetParameter")?;
            let mut input = Fields::new();
            input.push("Name", name.to_owned());
            let Ok(output) = self.call(place, service, operation, input, 0).await else {
                return public_parameter(place, name);
            };
            output.get("Parameter")?.get("Value")?.as_str().map(str::to_owned)
        })
    }

    fn read_object<'a>(
        &'a self,
        place: &'a Place,
        bucket: &'a str,
        key: &'a str,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let (service, operation) = self.operation("s3", "GetObject").ok_or("S3 is not in the catalogue")?;
            let mut input = Fields::new();
            input.push("Bucket", bucket.to_owned());
            input.push("Key", key.to_owned());
            let answer = self.ask(place, service, operation, input, 0).await.map_err(|error| error.message)?;
            let mut body = answer.body.ok_or("the object has no content")?;
            let mut bytes = Vec::new();
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(|error| error.to_string())?;
                if bytes.len() + piece.len() > bytes_max {
                    return Err(format!("the object has more than {bytes_max} bytes"));
                }
                bytes.extend_from_slice(&piece);
            }
            String::from_utf8(bytes).map_err(|_| "the object is no text".to_owned())
        })
    }

    fn attribute(&self, kind: &str, made: &Made, name: &str) -> Option<Value> {
        let kind = self.kinds.find(kind)?;
        let wanted = squash(name);
        let noun = kind.name.rsplit("::").next().map(squash).unwrap_or_default();
        let bare = wanted.strip_prefix(&noun).filter(|bare| !bare.is_empty()).unwrap_or(&wanted).to_owned();
        let same = |(key, value): (&String, &Value)| {
            let key = squash(key);
            (key == wanted || key == bare || key == format!("{noun}{wanted}")).then(|| value.clone())
        };
        if let Some(found) = made.attributes.iter().find_map(same) {
            return Some(found);
        }
        // Types that the table describes have the attributes that it and the service tell, custom resources any.
        let open = kind.made_by.is_none() && kind.special.attributes.is_empty();
        open.then(|| Value::from(format!("{}-{name}", made.reference)))
    }
}

impl MadeBy {
    fn noun(&self, kind: &ResourceKind) -> String {
        squash(kind.name.rsplit("::").next().unwrap_or_default())
    }

    /// Finds the name that the caller chose, or gives the input the generated one where it must have one.
    fn name(&self, kind: &ResourceKind, properties: &Value, input: &mut Fields, about: &mut About) {
        let noun = self.noun(kind);
        let structure = self.create.input.and_then(|shape| self.service.structure(shape));
        let bound = self.names(self.create).into_iter().map(|(member, _)| member);
        let by_word = structure.into_iter().flat_map(|structure| &structure.members).filter_map(|member| {
            let plain = squash(member.name);
            let names = plain == "name" || plain == format!("{noun}name") || plain == noun || names_part(&noun, &plain);
            let text = matches!(self.service.target(member).kind, Kind::String { .. });
            (names && text).then_some(member.name)
        });
        let members: Vec<&'static str> = bound.chain(by_word).collect();
        let given = members.iter().find_map(|member| input.get(member).and_then(Document::as_str));
        // Everything may lie in one structure, which is called as the resource.
        let mut inner = structure.into_iter().flat_map(|structure| &structure.members).filter_map(|member| {
            let fits = squash(member.name) == noun && members.is_empty();
            let named = self.service.structure(member.target).filter(|_| fits)?.member("name")?;
            Some((member.name, named.name))
        });
        let inner = inner.next();
        let in_inner = || input.get(inner?.0)?.get(inner?.1)?.as_str();
        let given = given.or_else(in_inner);
        let given = given.map(str::to_owned).or_else(|| {
            let properties = properties.as_object()?;
            let named = |name: &str| {
                let plain = squash(name);
                plain == format!("{noun}name") || plain == "name" || names_part(&noun, &plain)
            };
            properties.iter().find(|(name, _)| named(name)).and_then(|(_, value)| scalar_text(value))
        });
        match given {
            Some(name) => about.name = name,
            None => {
                about.generated = true;
                if let Some(member) = members.first() {
                    input.push(*member, about.name.clone());
                } else if let Some((outer, member)) = inner
                    && let Some(fields) = input.get_mut(outer).and_then(Document::as_map_mut)
                {
                    fields.push(member, about.name.clone());
                }
            }
        }
    }

    /// Takes from an answer who the resource is and what it is like.
    pub(crate) fn learn(&self, input: &Fields, output: &Document, operation: &Operation, about: &mut About) {
        let role = self.role(operation);
        let views = role.into_iter().flat_map(|role| role.views.iter()).filter(|view| Some(view.of) == self.ix);
        let mut shown = vec![output];
        for view in views.filter(|view| view.form == Form::Structure && !view.path.is_empty()) {
            shown.extend(at(output, &view.path));
        }
        let identity = self.ix.map(|ix| &self.lifecycle.resource(ix).identity);
        let noun = self.ix.map(|ix| squash(&self.lifecycle.resource(ix).name)).unwrap_or_default();
        for structure in shown.into_iter().rev() {
            let Some(fields) = structure.as_map() else { continue };
            for (name, value) in fields.iter() {
                let text = value.as_str().filter(|text| !text.is_empty());
                let plain = squash(name);
                if let Some(text) = text {
                    let is = |known: Option<&str>| known == Some(name);
                    if identity.is_some_and(|identity| is(identity.arn))
                        || plain == "arn"
                        || plain == format!("{noun}arn")
                    {
                        about.arn.get_or_insert_with(|| text.to_owned());
                    }
                    if identity.is_some_and(|identity| is(identity.id))
                        || plain == format!("{noun}id")
                        || plain == "id"
                        || plain == "uuid"
                    {
                        about.id.get_or_insert_with(|| text.to_owned());
                    }
                    if plain == format!("{noun}url") {
                        about.url.get_or_insert_with(|| text.to_owned());
                    }
                    if identity.is_some_and(|identity| is(identity.name)) && about.name.is_empty() {
                        about.name = text.to_owned();
                    }
                }
                let attribute = capital(name);
                if !matches!(value, Document::Null | Document::Blob(_)) {
                    about.attributes.entry(attribute).or_insert_with(|| value.to_json());
                }
            }
        }
        for (name, value) in input.iter().filter(|(_, value)| value.as_str().is_some()) {
            about.attributes.entry(capital(name)).or_insert_with(|| value.to_json());
        }
        if about.arn.is_none() {
            // Of what a view shows by its ARN alone: `TopicArn`, `SubscriptionArn`.
            let arn = output.as_map().into_iter().flat_map(Fields::iter).filter_map(|(_, value)| value.as_str());
            about.arn = arn.filter(|text| text.starts_with("arn:")).map(str::to_owned).next();
        }
    }
}

/// The structures at a path.
fn at<'d>(document: &'d Document, path: &[Step]) -> Vec<&'d Document> {
    let Some((step, rest)) = path.split_first() else { return vec![document] };
    match step {
        Step::Member(name) => document.get(name).map(|inner| at(inner, rest)).unwrap_or_default(),
        Step::Items => document.as_list().unwrap_or_default().first().map(|item| at(item, rest)).unwrap_or_default(),
        Step::Values => Vec::new(),
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn filled(by: &MadeBy, operation: &Operation, properties: &Value) -> input::Input {
    let noun = by.ix.map(|ix| by.lifecycle.resource(ix).name.clone()).unwrap_or_default();
    operation.input.map(|shape| input::fill(by.service, shape, properties, &noun)).unwrap_or_default()
}

/// Whether a member is named for the end of a type's name: `GroupName` of a security group.
fn names_part(noun: &str, member: &str) -> bool {
    member.strip_suffix("name").is_some_and(|part| part.len() > 2 && noun.len() > part.len() && noun.ends_with(part))
}

/// What lies in something else is named with it: adds to an input whatever is required, and what tells where the resource is.
pub(crate) fn name_around(by: &MadeBy, operation: &Operation, properties: &Value, input: &mut Fields) {
    let Some(structure) = operation.input.and_then(|shape| by.service.structure(shape)) else { return };
    let around = by.around(operation);
    for (name, value) in filled(by, operation, properties).fields.iter() {
        let required = structure.member(name).is_some_and(|member| member.required);
        if (required || around.contains(&name.as_ref())) && !input.contains_key(name) {
            input.push(name.clone(), value.clone());
        }
    }
}

/// Whether an input has whatever the operation requires.
fn complete(service: &Service, operation: &Operation, input: &Fields) -> bool {
    let structure = operation.input.and_then(|shape| service.structure(shape));
    structure.is_none_or(|structure| {
        structure.members.iter().all(|member| !member.required || input.contains_key(member.name))
    })
}

pub(crate) fn exists(error: &OperationError) -> bool {
    let plain = squash(&error.code);
    ["alreadyexist", "alreadyowned", "entityexist", "conflict", "duplicate", "inuse"]
        .iter()
        .any(|mark| plain.contains(mark))
}

pub(crate) fn missing(error: &OperationError) -> bool {
    let plain = squash(&error.code);
    ["notfound", "nosuch", "nonexist", "doesnotexist", "notexist"].iter().any(|mark| plain.contains(mark))
}

/// An error as events tell it.
pub(crate) fn reason(service: &Service, error: &OperationError) -> String {
    let status = error.status.unwrap_or(400);
    format!("{} (Service: {}, Status Code: {status}, Error Code: {})", error.message, service.sdk_id, error.code)
}

/// Parameters that AWS publishes for everybody, as far as they name images.
fn public_parameter(place: &Place, name: &str) -> Option<String> {
    let of = name.strip_prefix("/aws/service/")?;
    let is_image = of.split('/').any(|part| part.contains("ami") || part == "image_id");
    is_image.then(|| {
        let mut key = Dice::new(0).key("public image");
        key.text(name).text(&place.region);
        format!("ami-{}", hex(&mut key.draw(), 17))
    })
}

pub(crate) fn salt(place: &Place, wanted: &Wanted<'_>) -> u64 {
    let mut key = place.dice.key("stack resource");
    key.text(&place.stack_id).text(wanted.logical_id).number(wanted.generation);
    key.finish()
}

/// The name of a resource that nobody named: of its stack, its logical id, and random letters.
fn generated_name(place: &Place, wanted: &Wanted<'_>, lower: bool, salt: u64) -> String {
    let mut draw = Draw::from_seed(salt);
    const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let suffix: String =
        (0..SUFFIX_LETTERS).map(|_| char::from(LETTERS[usize::try_from(draw.below(36)).unwrap_or(0)])).collect();
    let room = (NAME_MAX - SUFFIX_LETTERS - 2) / 2;
    let logical: String = wanted.logical_id.chars().take(room).collect();
    let rest = NAME_MAX - SUFFIX_LETTERS - 2 - logical.len();
    let stack: String = place.stack_name.chars().take(rest).collect();
    let name = format!("{stack}-{logical}-{suffix}");
    if lower { name.to_lowercase() } else { name }
}

pub(crate) fn hex(draw: &mut Draw, digits: usize) -> String {
    (0..digits).filter_map(|_| char::from_digit(u32::try_from(draw.below(16)).unwrap_or(0), 16)).collect()
}

/// A version-4 UUID.
pub(crate) fn uuid(draw: &mut Draw) -> String {
    let text = hex(draw, 32);
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
}
