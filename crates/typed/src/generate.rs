//! Writes the types of a service as Rust, from the catalogue: for build scripts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use standin_model::{Catalogue, Kind, Operation, Service, ShapeIx, words};

/// Which service's types are written, and how they differ from its model.
#[derive(Clone, Copy, Debug)]
pub struct Types {
    service: &'static str,
    absent_at_first: &'static [&'static str],
    /// The operations that are written; all where there are none.
    only: &'static [&'static str],
}

impl Types {
    /// The newest API version of a service, by its id in the catalogue.
    pub fn of(service: &'static str) -> Self {
        Self { service, absent_at_first: &[], only: &[] }
    }

    /// Members that the model requires, but that the real service leaves out until it has a value.
    #[must_use]
    pub fn absent_at_first(mut self, members: &'static [&'static str]) -> Self {
        self.absent_at_first = members;
        self
    }

    /// Only these operations and what they reach.
    #[must_use]
    pub fn only(mut self, operations: &'static [&'static str]) -> Self {
        self.only = operations;
        self
    }

    /// Writes `types.rs` into the folder that cargo gives a build script.
    ///
    /// # Panics
    /// Where the catalogue has no such service, or the folder cannot be written to: the build is to fail.
    pub fn write(self) {
        self.write_as("types.rs");
    }

    /// [`Self::write`] under another name: for crates with several services.
    ///
    /// # Panics
    /// As [`Self::write`].
    pub fn write_as(self, file: &str) {
        println!("cargo::rerun-if-changed=build.rs");
        let out = env::var_os("OUT_DIR").expect("cargo sets it");
        fs::write(Path::new(&out).join(file), self.text()).expect("the folder can be written to");
    }

    fn operations<'s>(&self, service: &'s Service) -> Vec<&'s Operation> {
        let wanted = |operation: &&Operation| self.only.is_empty() || self.only.contains(&operation.name);
        service.operations.iter().filter(wanted).collect()
    }

    /// The text of the module: a struct for every structure that operations take or give, an enum for every enumeration, an
    /// enum over the inputs of all operations and the names of these.
    ///
    /// # Panics
    /// Where the catalogue has no such service, or its operations use a kind of shape that has no Rust type yet.
    pub fn text(self) -> String {
        let catalogue = Catalogue::embedded();
        let entry = catalogue.newest(self.service).expect("the catalogue has the service");
        let service = entry.open().expect("the catalogue is whole");
        let mut shapes = BTreeSet::new();
        let operations = self.operations(service);
        for operation in &operations {
            for shape in operation.input.iter().chain(&operation.output) {
                reach(service, *shape, &mut shapes);
            }
        }
        let mut text = String::from("// Written by build.rs.\n\n");
        for shape in &shapes {
            match &service.shape(*shape).kind {
                Kind::Structure(_) => self.structure(service, *shape, &mut text),
                Kind::String { enum_values } if !enum_values.is_empty() => {
                    enumeration(service.shape(*shape).name, enum_values, &mut text);
                }
                _ => {}
            }
        }
        inputs(service, &operations, &mut text);
        text
    }

    fn structure(self, service: &Service, ix: ShapeIx, text: &mut String) {
        let structure = service.structure(ix).expect("the caller looked");
        let name = service.shape(ix).name;
        let (mut fields, mut reads, mut writes) = (String::new(), String::new(), String::new());
        for member in &structure.members {
            let (field, of, wire) = (snake(member.name), type_of(service, member.target), member.name);
            if member.required && !self.absent_at_first.contains(&wire) {
                let _ = writeln!(fields, "    pub {field}: {of},");
                let _ = writeln!(reads, "            {field}: required(fields, {wire:?}),");
                let _ = writeln!(writes, "        fields.push({wire:?}, self.{field}.write());");
            } else {
                let _ = writeln!(fields, "    pub {field}: Option<{of}>,");
                let _ = writeln!(reads, "            {field}: optional(fields, {wire:?}),");
                let _ = writeln!(
                    writes,
                    "        if let Some(value) = &self.{field} {{ fields.push({wire:?}, value.write()); }}"
                );
            }
        }
        let (input, output) =
            if structure.members.is_empty() { ("_", "let fields") } else { ("fields", "let mut fields") };
        let _ = write!(
            text,
            "#[derive(Clone, Debug, Default, PartialEq)]\npub struct {name} {{\n{fields}}}\n\n\
             impl Shape for {name} {{\n    fn read(document: &Document) -> Option<Self> {{\n        let {input} = document.as_map()?;\n        \
             Some(Self {{\n{reads}        }})\n    }}\n\n    fn write(&self) -> Document {{\n        {output} = Fields::with_capacity({});\n{writes}        \
             Document::Map(fields)\n    }}\n}}\n\n",
            structure.members.len()
        );
    }
}

fn reach(service: &Service, ix: ShapeIx, found: &mut BTreeSet<ShapeIx>) {
    if !found.insert(ix) {
        return;
    }
    match &service.shape(ix).kind {
        Kind::Structure(structure) => structure.members.iter().for_each(|member| reach(service, member.target, found)),
        Kind::List(list) => reach(service, list.member.target, found),
        Kind::Map(map) => reach(service, map.value.target, found),
        _ => {}
    }
}

/// The Rust type of a shape.
fn type_of(service: &Service, ix: ShapeIx) -> String {
    let shape = service.shape(ix);
    match &shape.kind {
        Kind::Structure(_) => shape.name.to_owned(),
        Kind::String { enum_values } if !enum_values.is_empty() => shape.name.to_owned(),
        Kind::String { .. } => "String".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::Integer | Kind::Long => "i64".to_owned(),
        Kind::Float | Kind::Double => "f64".to_owned(),
        Kind::Timestamp(_) => "Timestamp".to_owned(),
        Kind::Document => "Document".to_owned(),
        Kind::List(list) => format!("Vec<{}>", type_of(service, list.member.target)),
        Kind::Map(map) => format!("BTreeMap<String, {}>", type_of(service, map.value.target)),
        other => panic!("no type for the shape {} of kind {}", shape.name, other.name()),
    }
}

fn snake(name: &str) -> String {
    let name = words::split(name).join("_").to_lowercase();
    if name == "type" { "type_".to_owned() } else { name }
}

fn variant(value: &str) -> String {
    let words = value.split(['_', '-', '/']).map(|word| {
        let (first, rest) = word.split_at(1.min(word.len()));
        // `ASCENDING` becomes `Ascending`; what has small letters already keeps its form.
        let rest = if value.chars().any(char::is_lowercase) { rest.to_owned() } else { rest.to_lowercase() };
        format!("{}{rest}", first.to_uppercase())
    });
    words.collect()
}

fn enumeration(name: &str, values: &[&str], text: &mut String) {
    let (mut variants, mut names, mut all) = (String::new(), String::new(), String::new());
    for (at, value) in values.iter().enumerate() {
        let variant = variant(value);
        let default = if at == 0 { "    #[default]\n" } else { "" };
        let _ = writeln!(variants, "{default}    {variant},");
        let _ = writeln!(names, "            Self::{variant} => {value:?},");
        let _ = write!(all, "Self::{variant}, ");
    }
    let _ = write!(
        text,
        "#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]\npub enum {name} {{\n{variants}}}\n\n\
         impl {name} {{\n    pub const ALL: &[Self] = &[{all}];\n\n    pub fn as_str(self) -> &'static str {{\n        match self {{\n{names}        }}\n    }}\n}}\n\n\
         impl Shape for {name} {{\n    fn read(document: &Document) -> Option<Self> {{\n        let text = document.as_str()?;\n        \
         Self::ALL.iter().copied().find(|value| value.as_str() == text)\n    }}\n\n    fn write(&self) -> Document {{\n        \
         Document::from(self.as_str())\n    }}\n}}\n\n"
    );
}

/// One enum over the inputs of all operations.
fn inputs(service: &Service, operations: &[&Operation], text: &mut String) {
    let (mut variants, mut reads) = (String::new(), String::new());
    for operation in operations {
        let name = operation.name;
        match operation.input.map(|ix| service.shape(ix).name) {
            Some(input) => {
                let _ = writeln!(variants, "    {name}(Box<{input}>),");
                let _ = writeln!(reads, "            {name:?} => Self::{name}(Box::new({input}::read(input)?)),");
            }
            None => {
                let _ = writeln!(variants, "    {name},");
                let _ = writeln!(reads, "            {name:?} => Self::{name},");
            }
        }
    }
    let _ = write!(
        text,
        "/// The input of any operation.\n#[derive(Clone, Debug, PartialEq)]\npub enum Input {{\n{variants}}}\n\n\
         impl Input {{\n    /// The input of an operation by its name; nothing where there is no such operation, or the document is no structure.\n    \
         pub fn read(operation: &str, input: &Document) -> Option<Self> {{\n        Some(match operation {{\n{reads}            \
         _ => return None,\n        }})\n    }}\n}}\n\n/// The names of all operations, sorted.\npub const OPERATIONS: &[&str] = &[{}];\n",
        operations.iter().map(|operation| format!("{:?}", operation.name)).collect::<Vec<_>>().join(", ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_become_types() {
        let text = Types::of("mwaa").text();
        for part in [
            "pub struct Environment {",
            "    pub tags: Option<BTreeMap<String, String>>,",
            "    pub network_configuration: NetworkConfiguration,",
            "    pub rest_api_response: Option<Document>,",
            "pub enum WebserverAccessMode {",
            "    PublicOnly,",
            "    CreateCliToken(Box<CreateCliTokenRequest>),",
        ] {
            assert!(text.contains(part), "no {part:?}");
        }
    }

    #[test]
    fn some_operations_reach_fewer_types() {
        let text = Types::of("logs").only(&["PutLogEvents"]).text();
        assert!(text.contains("pub struct InputLogEvent {") && !text.contains("pub struct LogGroup {"));
        assert!(text.contains("pub const OPERATIONS: &[&str] = &[\"PutLogEvents\"];"));
    }

    #[test]
    fn values_become_variants() {
        for (value, expect) in
            [("CREATE_FAILED", "CreateFailed"), ("Bytes/Second", "BytesSecond"), ("us-east-1", "UsEast1")]
        {
            assert_eq!(variant(value), expect);
        }
    }
}
