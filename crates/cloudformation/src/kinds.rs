//! Resource types: which service and type of its lifecycle each is, and what is special about it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::Value;
use standin_lifecycle::{Lifecycle, Part, Role, TypeIx, TypeKind, Verb};
use standin_model::words::squash;
use standin_model::{Catalogue, Operation, Service, Str, misspelt};

static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("types.toml")).expect("a test reads the table"));

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    services: BTreeMap<String, String>,
    types: BTreeMap<String, Special>,
}

/// What the table says of a type.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Special {
    #[serde(rename = "type")]
    kind: Option<String>,
    create: Option<String>,
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// As JSON, with `<region>`.
    pub(crate) elsewhere: BTreeMap<String, String>,
    pub(crate) lower: bool,
    pub(crate) replace: Vec<String>,
    pub(crate) keep: Vec<String>,
    pub(crate) steps: Vec<Step>,
    /// The operation that reads it, where that is not the one named most like the type.
    pub(crate) read_by: Option<String>,
    /// Members of the input that reads it, as an object.
    pub(crate) read: Value,
}

/// A call besides the one that makes a resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The property for each of whose items it is made; once where there is none.
    pub(crate) each: Option<String>,
    /// The property without which it is not made.
    pub(crate) when: Option<String>,
    pub(crate) call: String,
    /// Whether the properties, or those of the item, are filled in, too.
    #[serde(default)]
    pub(crate) fill: bool,
    #[serde(default)]
    pub(crate) input: Value,
    pub(crate) undo: Option<String>,
    /// Where that takes other members than the call.
    pub(crate) undo_input: Option<Value>,
    /// The member of the answer that `Ref` tells.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
}

/// A resource type.
#[derive(Debug)]
pub(crate) struct ResourceKind {
    pub(crate) name: String,
    pub(crate) special: Special,
    /// Where one of the catalogue's services makes such resources.
    pub(crate) made_by: Option<MadeBy>,
    pub(crate) service: Option<&'static Service>,
}

/// The operations of a service on resources of one type.
#[derive(Debug)]
pub(crate) struct MadeBy {
    pub(crate) service: &'static Service,
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// The type, where the lifecycle has it.
    pub(crate) ix: Option<TypeIx>,
    pub(crate) create: &'static Operation,
    pub(crate) read: Option<&'static Operation>,
    pub(crate) delete: Option<&'static Operation>,
    /// Whatever changes one: updates, and puts of its settings.
    pub(crate) changes: Vec<&'static Operation>,
}

/// Finds resource types, each once.
#[derive(Debug)]
pub(crate) struct Kinds {
    catalogue: &'static Catalogue,
    known: RwLock<HashMap<String, Option<Arc<ResourceKind>>>>,
    lifecycles: RwLock<HashMap<Str, Arc<Lifecycle>>>,
}

/// Types that are kept in mind. Names come from callers.
const KNOWN_MAX: usize = 10_000;

impl Kinds {
    pub(crate) fn new(catalogue: &'static Catalogue) -> Self {
        Self { catalogue, known: RwLock::default(), lifecycles: RwLock::default() }
    }

    /// The type of that name; nothing where AWS would not recognize it either.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<ResourceKind>> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        let found = self.look_up(name).map(Arc::new);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(name.to_owned(), found.clone());
        found
    }

    fn look_up(&self, name: &str) -> Option<ResourceKind> {
        let special = TABLE.types.get(name).cloned();
        let plain = |made_by| ResourceKind {
            name: name.to_owned(),
            special: special.clone().unwrap_or_default(),
            made_by,
            service: None,
        };
        if name.strip_prefix("Custom::").is_some_and(|rest| !rest.is_empty()) {
            return Some(plain(None));
        }
        let mut parts = name.split("::");
        let (vendor, service, kind) = (parts.next()?, parts.next()?, parts.next()?);
        if vendor != "AWS" || kind.is_empty() || parts.next().is_some() {
            // Types of others are in a registry of the account, which only they know.
            return (vendor != "AWS" && !kind.is_empty()).then(|| plain(None));
        }
        let entry = match TABLE.services.get(service) {
            Some(id) => self.catalogue.find(id),
            None => self.catalogue.find(service),
        };
        let Some(service) = entry.and_then(|entry| entry.open().ok()) else {
            return special.is_some().then(|| plain(None));
        };
        let lifecycle = self.lifecycle(service);
        let made_by = made_by(service, lifecycle, kind, special.as_ref());
        Some(ResourceKind { service: Some(service), ..plain(made_by) })
    }

    /// A type of the same service that is called almost so, where none is called so.
    pub(crate) fn near(&self, name: &str) -> Option<String> {
        let kind = self.find(name)?;
        let (service, own) = name.strip_prefix("AWS::")?.split_once("::")?;
        if kind.made_by.is_some() || TABLE.types.contains_key(name) {
            return None;
        }
        let id = TABLE.services.get(service).map_or(service, String::as_str);
        let lifecycle = self.lifecycle(self.catalogue.find(id)?.open().ok()?);
        let prefix = format!("AWS::{service}::");
        let inferred = lifecycle.indices().map(|ix| lifecycle.resource(ix).name.to_string());
        let listed = TABLE.types.keys().filter_map(|known| known.strip_prefix(&prefix)).map(str::to_owned);
        // Types are in the singular, what operations show sometimes is not.
        let plural = |known: &String| known.trim_end_matches('s') == own.trim_end_matches('s');
        let names: Vec<String> = inferred.chain(listed).filter(|known| !plural(known)).collect();
        misspelt(own, names.iter().map(String::as_str)).map(|near| format!("{prefix}{near}"))
    }

    fn lifecycle(&self, service: &'static Service) -> Arc<Lifecycle> {
        if let Some(known) = self.lifecycles.read().unwrap_or_else(PoisonError::into_inner).get(service.id) {
            return known.clone();
        }
        let lifecycle = Arc::new(standin_lifecycle::infer(service));
        self.lifecycles.write().unwrap_or_else(PoisonError::into_inner).entry(service.id).or_insert(lifecycle).clone()
    }
}

fn made_by(
    service: &'static Service,
    lifecycle: Arc<Lifecycle>,
    kind: &str,
    special: Option<&Special>,
) -> Option<MadeBy> {
    let wanted = squash(special.and_then(|special| special.kind.as_deref()).unwrap_or(kind));
    let ix = lifecycle.indices().find(|ix| squash(&lifecycle.resource(*ix).name) == wanted);
    let of = |verbs: &dyn Fn(&Verb) -> bool| -> Vec<(&'static Operation, &Role)> {
        let roles = service.operations.iter().zip(&lifecycle.roles);
        roles
            .filter_map(|(operation, role)| Some((operation, role.as_ref()?)))
            .filter(|(_, role)| Some(role.resource) == ix && !role.any && verbs(&role.verb))
            .collect()
    };
    // The operation named most like the type comes first: CreateBucket before CreateBucketFromBackup.
    let best = |mut found: Vec<(&'static Operation, &Role)>| {
        found.sort_by_key(|(operation, role)| {
            (role.batch.is_some(), matches!(role.verb, Verb::Put), operation.name.len())
        });
        found.first().map(|(operation, _)| *operation)
    };
    let create = match special.and_then(|special| special.create.as_deref()) {
        Some("") => return None,
        Some(name) => service.operation(name)?,
        None => best(of(&|verb| matches!(verb, Verb::Create | Verb::Put)))?,
    };
    let own_ix = ix.or_else(|| lifecycle.role(create).map(|role| role.resource));
    let read = match special.and_then(|special| special.read_by.as_deref()) {
        Some(name) => service.operation(name),
        None => ix.and_then(|_| best(of(&|verb| matches!(verb, Verb::Read)))),
    };
    let delete = ix.and_then(|_| best(of(&|verb| matches!(verb, Verb::Delete))));
    let changes = ix.map(|ix| changes(service, &lifecycle, ix)).unwrap_or_default();
    Some(MadeBy { service, lifecycle, ix: own_ix, create, read, delete, changes })
}

/// What changes a resource: updates of it, and puts of what there is one of in each.
fn changes(service: &'static Service, lifecycle: &Lifecycle, ix: TypeIx) -> Vec<&'static Operation> {
    let mut found: Vec<(bool, &'static Operation)> = Vec::new();
    for (operation, role) in service.operations.iter().zip(&lifecycle.roles) {
        let Some(role) = role.as_ref().filter(|role| role.batch.is_none() && !role.any) else { continue };
        let resource = lifecycle.resource(role.resource);
        let own = role.resource == ix && role.verb == Verb::Update;
        let setting = resource.parent == Some(ix)
            && resource.kind == TypeKind::Single
            && matches!(role.verb, Verb::Put | Verb::Update);
        if own || setting {
            found.push((setting, operation));
        }
    }
    found.sort_by_key(|(setting, operation)| (*setting, operation.name.len()));
    found.into_iter().map(|(_, operation)| operation).collect()
}

impl MadeBy {
    pub(crate) fn role(&self, operation: &Operation) -> Option<&Role> {
        self.lifecycle.role(operation)
    }

    /// The input members, at the root, by which an operation names a resource of this type.
    pub(crate) fn names(&self, operation: &Operation) -> Vec<(Str, Part)> {
        self.bound(operation, |of, ix| of == ix)
    }

    /// The input members, at the root, by which an operation names what a resource of this type lies in.
    pub(crate) fn around(&self, operation: &Operation) -> Vec<Str> {
        self.bound(operation, |of, ix| of != ix).into_iter().map(|(name, _)| name).collect()
    }

    fn bound(&self, operation: &Operation, wanted: impl Fn(TypeIx, TypeIx) -> bool) -> Vec<(Str, Part)> {
        let Some((role, ix)) = self.role(operation).zip(self.ix) else { return Vec::new() };
        let bindings = role.bindings.iter().filter(|binding| wanted(binding.of, ix));
        bindings
            .filter_map(|binding| match &*binding.path {
                [standin_lifecycle::Step::Member(name)]
                | [standin_lifecycle::Step::Member(name), standin_lifecycle::Step::Items] => {
                    Some((*name, binding.part))
                }
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_the_catalogue() {
        for (service, id) in &TABLE.services {
            assert!(Catalogue::shared().newest(id).is_some(), "{service} = {id}");
        }
        let kinds = Kinds::new(Catalogue::shared());
        for (name, special) in &TABLE.types {
            let kind = kinds.find(name).unwrap_or_else(|| panic!("{name} is of no service"));
            for step in &special.steps {
                let service = kind.service.unwrap_or_else(|| panic!("{name}: no service"));
                for operation in [Some(&step.call), step.undo.as_ref()].into_iter().flatten() {
                    assert!(service.operation(operation).is_some(), "{name}: no operation {operation}");
                }
            }
            if special.create.as_ref().is_some_and(|create| !create.is_empty()) || special.kind.is_some() {
                assert!(kind.made_by.is_some(), "{name}: no such operation or type");
            }
        }
    }

    #[test]
    fn types_are_found() {
        let kinds = Kinds::new(Catalogue::shared());
        let check = |name: &str, create: Option<&str>| {
            let kind = kinds.find(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(kind.made_by.as_ref().map(|made| made.create.name), create, "{name}");
        };
        check("AWS::S3::Bucket", Some("CreateBucket"));
        check("AWS::SQS::Queue", Some("CreateQueue"));
        check("AWS::SNS::Topic", Some("CreateTopic"));
        check("AWS::EC2::VPC", Some("CreateVpc"));
        check("AWS::IAM::Role", Some("CreateRole"));
        check("AWS::Lambda::Function", Some("CreateFunction"));
        check("AWS::DynamoDB::Table", Some("CreateTable"));
        check("AWS::StepFunctions::StateMachine", Some("CreateStateMachine"));
        check("AWS::Logs::LogGroup", Some("CreateLogGroup"));
        check("Custom::Thing", None);
        assert!(kinds.find("AWS::Nowhere::Thing").is_none());
        assert!(kinds.find("Thing").is_none());
        assert_eq!(kinds.near("AWS::Logs::LogGruop").as_deref(), Some("AWS::Logs::LogGroup"));
        assert_eq!(kinds.near("AWS::Logs::LogGroup"), None);
        assert_eq!(kinds.near("AWS::IAM::ServiceLinkedRole"), None);
        assert_eq!(kinds.near("AWS::CodeBuild::SourceCredential"), None);
    }
}
