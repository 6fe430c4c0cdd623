//! Writes the input, output and data types of Proton's operations as Rust, from the catalogue.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use standin_model::{Catalogue, Kind, Service, ShapeIx, words};

/// The service whose types are written.
const SERVICE: &str = "proton";
/// Required by the model, but absent until something has succeeded: the real service left them out, too.
const ABSENT_AT_FIRST: &[&str] = &["lastDeploymentSucceededAt"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let catalogue = Catalogue::embedded();
    let service = catalogue.newest(SERVICE).expect("the catalogue has Proton").open().expect("the catalogue is whole");
    let mut shapes = BTreeSet::new();
    for operation in &service.operations {
        for shape in operation.input.iter().chain(&operation.output) {
            reach(service, *shape, &mut shapes);
        }
    }
    let mut text = String::from("// Written by build.rs.\n\n");
    for shape in &shapes {
        match &service.shape(*shape).kind {
            Kind::Structure(_) => structure(service, *shape, &mut text),
            Kind::String { enum_values } if !enum_values.is_empty() => {
                enumeration(service.shape(*shape).name, enum_values, &mut text);
            }
            _ => {}
        }
    }
    inputs(service, &mut text);
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("types.rs"), text).expect("the folder can be written to");
}

fn reach(service: &Service, ix: ShapeIx, found: &mut BTreeSet<ShapeIx>) {
    if !found.insert(ix) {
        return;
    }
    match &service.shape(ix).kind {
        Kind::Structure(structure) => structure.members.iter().for_each(|member| reach(service, member.target, found)),
        Kind::List(list) => reach(service, list.member.target, found),
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
        Kind::Timestamp(_) => "Timestamp".to_owned(),
        Kind::List(list) => format!("Vec<{}>", type_of(service, list.member.target)),
        other => panic!("no type for the shape {} of kind {}", shape.name, other.name()),
    }
}

fn snake(name: &str) -> String {
    let name = words::split(name).join("_").to_lowercase();
    if name == "type" { "type_".to_owned() } else { name }
}

fn structure(service: &Service, ix: ShapeIx, text: &mut String) {
    let structure = service.structure(ix).expect("the caller looked");
    let name = service.shape(ix).name;
    let (mut fields, mut reads, mut writes) = (String::new(), String::new(), String::new());
    for member in &structure.members {
        let (field, of, wire) = (snake(member.name), type_of(service, member.target), member.name);
        if member.required && !ABSENT_AT_FIRST.contains(&wire) {
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
    let (input, output) = if structure.members.is_empty() { ("_", "let fields") } else { ("fields", "let mut fields") };
    let _ = write!(
        text,
        "#[derive(Clone, Debug, Default, PartialEq)]\npub struct {name} {{\n{fields}}}\n\n\
         impl Shape for {name} {{\n    fn read(document: &Document) -> Option<Self> {{\n        let {input} = document.as_map()?;\n        \
         Some(Self {{\n{reads}        }})\n    }}\n\n    fn write(&self) -> Document {{\n        {output} = Fields::with_capacity({});\n{writes}        \
         Document::Map(fields)\n    }}\n}}\n\n",
        structure.members.len()
    );
}

fn enumeration(name: &str, values: &[&str], text: &mut String) {
    let variant = |value: &str| {
        let words = value.split(['_', '-']).map(|word| {
            let (first, rest) = word.split_at(1.min(word.len()));
            // `ASCENDING` becomes `Ascending`; what has small letters already keeps its form.
            let rest = if value.chars().any(char::is_lowercase) { rest.to_owned() } else { rest.to_lowercase() };
            format!("{}{rest}", first.to_uppercase())
        });
        words.collect::<String>()
    };
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
fn inputs(service: &Service, text: &mut String) {
    let (mut variants, mut reads) = (String::new(), String::new());
    for operation in &service.operations {
        let name = operation.name;
        let input = operation.input.map(|ix| service.shape(ix).name).expect("every operation of Proton has an input");
        let _ = writeln!(variants, "    {name}(Box<{input}>),");
        let _ = writeln!(reads, "            {name:?} => Self::{name}(Box::new({input}::read(input)?)),");
    }
    let _ = write!(
        text,
        "/// The input of any operation.\n#[derive(Clone, Debug, PartialEq)]\npub enum Input {{\n{variants}}}\n\n\
         impl Input {{\n    /// The input of an operation by its name; nothing where there is no such operation, or the document is no structure.\n    \
         pub fn read(operation: &str, input: &Document) -> Option<Self> {{\n        Some(match operation {{\n{reads}            \
         _ => return None,\n        }})\n    }}\n}}\n\n/// The names of all operations, sorted.\npub const OPERATIONS: &[&str] = &[{}];\n",
        service.operations.iter().map(|operation| format!("{:?}", operation.name)).collect::<Vec<_>>().join(", ")
    );
}
