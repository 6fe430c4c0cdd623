//! The lifecycle of a service, as data.

use standin_model::{Document, Operation, Service, ShapeIx, Str};

/// What a service keeps and what its operations do with it.
#[derive(Debug)]
pub struct Lifecycle {
    pub service: &'static Service,
    /// Parents come before their children.
    pub types: Box<[ResourceType]>,
    /// By the operation's place in [`Service::operations`]; `None` for operations that neither make, show nor change a
    /// resource, or of which that is not known: they are answered from the model alone.
    pub roles: Box<[Option<Role>]>,
}

impl Lifecycle {
    pub fn resource(&self, ix: TypeIx) -> &ResourceType {
        &self.types[usize::from(ix.0)]
    }

    /// The indices of all types.
    pub fn indices(&self) -> impl Iterator<Item = TypeIx> + use<> {
        let count = u16::try_from(self.types.len()).expect("a service has fewer than 65536 operations, so fewer types");
        (0..count).map(TypeIx)
    }

    /// The role of an operation of this service.
    pub fn role(&self, operation: &Operation) -> Option<&Role> {
        let at = self.service.operations.binary_search_by(|other| other.name.cmp(operation.name)).ok()?;
        self.roles[at].as_ref()
    }

    /// A type with all that it lies in, outermost first.
    pub fn lineage(&self, ix: TypeIx) -> Vec<TypeIx> {
        let mut line = vec![ix];
        while let Some(parent) = self.resource(line[line.len() - 1]).parent {
            if line.contains(&parent) {
                break;
            }
            line.push(parent);
        }
        line.reverse();
        line
    }
}

/// The index of a type within [`Lifecycle::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeIx(pub u16);

/// One kind of resource.
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// In the model's words, singular and camel case: `Environment`, `DBInstance`. Unique within the service.
    pub name: String,
    /// What it lies in: its key is only unique within one of these, and it goes when that goes.
    pub parent: Option<TypeIx>,
    pub kind: TypeKind,
    /// The structures that describe it as a whole, the fullest first.
    pub shapes: Box<[ShapeIx]>,
    /// By what it is known, in the structures that describe it.
    pub identity: Identity,
    pub status: Option<Status>,
    /// Of a [`TypeKind::Single`]: it is there as soon as what it lies in is, and reads of one that was never put show what
    /// AWS has by default. Otherwise such a read finds nothing. Of a type with a default: that one is always there.
    pub implicit: bool,
    /// The name, or id, of one that nobody has to make: it comes into being when something is made in it (the default cluster),
    /// or is always there (the default event bus).
    pub default: Option<String>,
    /// Of a [`TypeKind::Link`]: the type of the other end, where that is one of this service's. Views of a list of links may
    /// be of the target or of the parent: then they show the resources at that end of the links found.
    pub target: Option<TypeIx>,
    /// Where the structures of its parent show those that lie in it, from the parent's structure on: `Attachments[]`. Often
    /// the only place where a link is seen.
    pub within: Option<(Path, Form)>,
    /// The input member that carries a number which counts 1, 2, 3 … within the parent and qualifiers and is the id: of
    /// versions and revisions. Of two (`majorVersion`, `minorVersion`) the first is a qualifier; where a create does not give
    /// it, it counts up and this one begins at 0.
    pub counter: Option<Str>,
    /// How the counter is written, with `{n}` for the number: `v{n}`. The number alone where this is absent.
    pub counter_form: Option<String>,
    /// Templates of its id and ARN, in the synthesizer's language (`arn:{partition}:iam::{account}:role/{name}`), where what
    /// the synthesizer makes of names and patterns is not AWS's form.
    pub id_form: Option<String>,
    pub arn_form: Option<String>,
    /// What AWS itself fills in where the caller gives nothing, and shows: members of its structures.
    pub defaults: Box<[(Str, Document)]>,
    /// Members of its structures that AWS does not show unless a caller set them.
    pub absent: Box<[Str]>,
    /// Codes of errors that the service answers without modelling them. Those of a role come first.
    pub codes: Codes,
    /// The member of its structures that shows its tags.
    pub tags: Option<Str>,
    /// Members of inputs that structures show under another name: (input, shown).
    pub synonyms: Box<[(Str, Str)]>,
    /// Why it was taken for a resource and identified so, a line per decision.
    pub why: Vec<String>,
}

/// Members that tell who a resource is. All names are those of top-level members of its structures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The part by which clients name it when they read, change or delete it.
    pub primary: Option<Part>,
    pub name: Option<Str>,
    pub id: Option<Str>,
    pub arn: Option<Str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// The client chooses its name or id on create; unique within the parent (or the account and region).
    Named,
    /// The service makes its id. It may have a name besides, which need not be unique.
    Assigned,
    /// There is one in each parent, or one per account and region: settings, a policy or configuration of something.
    Single,
    /// It ties its parent to something else, by whose identifier it is known: an attached policy, a target of a rule.
    Link,
}

/// The member that tells how a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name in the structures that describe the resource. Of what is only switched on and off it may be a boolean; the
    /// values then are `true` and `false`.
    pub member: Str,
    /// The member within it that holds the value, where it is a structure (`State.Name`).
    pub inner: Option<Str>,
    /// What it is while it is made, where the enumeration has such a value (`CREATING`).
    pub creating: Option<Str>,
    /// What it is when nothing is going on (`ACTIVE`).
    pub settled: Str,
    pub updating: Option<Str>,
    /// What it is after an update, where that is something else than after its creation.
    pub updated: Option<Str>,
    pub deleting: Option<Str>,
    /// What it stays at after it was deleted, of resources that do not vanish.
    pub deleted: Option<Str>,
}

/// Codes of errors on the wire, where the model has no shape for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// There is no such resource.
    pub missing: Option<String>,
    /// There is one already.
    pub conflict: Option<String>,
    /// Something lies in it or uses it.
    pub busy: Option<String>,
}

/// What one operation does.
#[derive(Clone, Debug)]
pub struct Role {
    pub verb: Verb,
    /// What it is about: for a list, the type of the items.
    pub resource: TypeIx,
    /// Where the input names the resource and what it lies in, in any order.
    pub bindings: Box<[Binding]>,
    /// Where the output shows resources. Of an output that is itself the description of the resource, the empty path.
    pub views: Box<[View]>,
    /// The list in the input whose items are each a request of their own (`BatchCreateX`, `Entries`). Bindings within it
    /// begin with this path and [`Step::Items`].
    pub batch: Option<Path>,
    /// Of a create, put or update: the structure in the input whose members are the resource's, where these do not stand at
    /// the input's root (`VersioningConfiguration` of what is read as `Status` alone).
    pub body: Option<Path>,
    /// Of an update: the member that carries a new name (`NewGroupName`).
    pub rename: Option<Path>,
    /// Of an act: members that it sets besides the status, with their value as text (`Enabled`, `true`).
    pub sets: Box<[(Str, Str)]>,
    /// Of a batch whose items say themselves what is to be done (`ChangeResourceRecordSets`): the member that tells, with
    /// values such as `CREATE`, `UPSERT` and `DELETE`.
    pub action: Option<Path>,
    /// Of a batch: whether all of its items succeed, or none.
    pub atomic: bool,
    /// Of a create: whether asking again for what is there, with nothing that differs, gets it.
    pub repeatable: bool,
    /// Codes of errors that are not modelled.
    pub codes: Codes,
    /// Whether it is about resources of any type (`TagResource`): the bindings with [`Part::Arn`] or [`Part::Any`] tell of
    /// which, and `resource` is only the first of them.
    pub any: bool,
    /// Where tags are: in the input of a create, of [`Verb::Tag`] and (keys only) of [`Verb::Untag`]; in the output of
    /// [`Verb::ListTags`], and of a read that shows them beside the resource. Empty: an untag that takes them all.
    pub tags: Option<Path>,
    /// The error where the resource is not found.
    pub missing: Option<ShapeIx>,
    /// The errors where something that it lies in is not found.
    pub missing_parents: Box<[(TypeIx, ShapeIx)]>,
    /// The error where there is a twin.
    pub conflict: Option<ShapeIx>,
    /// Of a delete: the error where something lies in it or uses it.
    pub busy: Option<ShapeIx>,
    /// Of an update: members that it takes away (`DeleteRolePermissionsBoundary`).
    pub clears: Box<[Str]>,
    pub why: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Makes a new one; a twin is a conflict where the client chooses the identifier.
    Create,
    /// Makes or replaces.
    Put,
    Read,
    /// Shows all, or those that are asked for.
    List,
    /// Changes what is given and leaves the rest.
    Update,
    Delete,
    Tag,
    Untag,
    ListTags,
    /// Changes the status (`StopInstance`): to that value of the status member, where one fits.
    Act(Option<Str>),
}

/// A member of the input that identifies a resource. A path through [`Step::Items`] names as many as there are items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub path: Path,
    /// The operation's resource, or one that this lies in. Of a link, [`TypeKind::Link`] itself: its other end.
    pub of: TypeIx,
    pub part: Part,
    /// What it is where the caller leaves it out: the default event bus, the default cluster.
    pub default: Option<String>,
}

/// What part of its identity an identifier tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Name,
    Id,
    Arn,
    /// Any of them, as the client likes (`FunctionName`, `SecretId`).
    Any,
    /// Belongs to the key besides the name or id: two with the same name and other qualifiers are two
    /// (`ServiceNamespace`, `ScalingPlanVersion`). Without name or id, the qualifiers are the key. They have the same member
    /// name in every operation.
    Qualifier,
}

/// A place in the output that shows resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub path: Path,
    pub of: TypeIx,
    pub form: Form,
}

/// How a view shows a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a structure of its members.
    Structure,
    /// By a part of its identity only.
    Identifier(Part),
}

/// The way to a member: `Environment.Status`, `Clusters[].Name`.
pub type Path = Box<[Step]>;

/// A path as text: `Clusters[].Name`, `Items{}`.
pub fn written(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Member(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Items => out.push_str("[]"),
            Step::Values => out.push_str("{}"),
        }
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Member(Str),
    /// Into each item of a list.
    Items,
    /// Into each value of a map; the key identifies.
    Values,
}
