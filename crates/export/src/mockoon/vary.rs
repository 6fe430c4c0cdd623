//! Where an answer may differ from call to call, and the templates that make it differ.
//!
//! A value that may vary is replaced by a mark before the answer is encoded: a value of the same kind that nothing else in
//! the answer has. Whatever form the protocol gives it, it is found again in the bytes, and becomes a template.

use standin_mock::pattern::{Verdict, matches};
use standin_model::words::{split, squash};
use standin_model::{Bound, Constraints, Document, Kind, Location, Member, Service, Shape, ShapeIx, Str, Timestamp};

/// Marks are counted from here: beyond what synthesised answers hold, within 32 bits.
const FIRST_NUMBER: i64 = 1_904_550_000;
/// In the year 2089.
const FIRST_SECOND: i64 = 3_777_000_000;
/// More would make the file larger than it helps.
const MARKS_MAX: usize = 400;

/// The marks of one answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// What stands in the encoded answer, and what is to stand there.
    marks: Vec<(String, String)>,
    /// Identifiers of the request: replaced only where they stand as words.
    repeated: Vec<Repeated>,
    made: usize,
}

#[derive(Clone, Debug)]
struct Repeated {
    value: String,
    /// Reads the identifier off the request.
    template: String,
    /// The member that gives it, and what may stand there.
    member: Str,
    constraints: Option<&'static Constraints>,
}

impl Marks {
    /// The value that an input's member has, and the template that reads it off a request.
    pub(super) fn repeat(&mut self, value: &str, template: String, member: &Member, shape: &'static Shape) {
        if self.repeated.iter().all(|known| known.value != value) {
            let constraints = shape.constraints.as_deref();
            self.repeated.push(Repeated { value: value.to_owned(), template, member: member.name, constraints });
        }
    }

    /// Keeps a text from becoming another one that may not stand there: what the request says, or any UUID.
    fn keep(&mut self, member: &Member, text: &str, shape: &Shape) -> Option<Document> {
        let own = shape.constraints.as_deref()?;
        let is_other = |repeated: &&Repeated| repeated.value == text && squash(repeated.member) != squash(member.name);
        let repeated = self.repeated.iter().find(is_other).is_some_and(|repeated| repeated.constraints != Some(own));
        let refuses = |pattern: &str, digit: char| {
            let other: String = text.chars().map(|letter| if letter == '-' { '-' } else { digit }).collect();
            matches(pattern, &other) == Verdict::No
        };
        let only_some =
            own.pattern.is_some_and(|pattern| is_uuid(text) && (refuses(pattern, '0') || refuses(pattern, 'f')));
        if repeated || only_some { self.mark(text.to_owned()) } else { None }
    }

    fn mark(&mut self, written: String) -> Option<Document> {
        let mark = format!("vary{:04}yrav", self.next()?);
        self.marks.push((mark.clone(), written));
        Some(mark.into())
    }

    fn next(&mut self) -> Option<i64> {
        self.made += 1;
        (self.made <= MARKS_MAX).then(|| i64::try_from(self.made).unwrap_or_default())
    }

    fn number(&mut self, template: &str) -> Option<Document> {
        let mark = FIRST_NUMBER + self.next()?;
        self.marks.push((mark.to_string(), call(template)));
        Some(Document::Int(mark))
    }

    fn time(&mut self, when: &str) -> Option<Document> {
        let mark = Timestamp::from_seconds(FIRST_SECOND + self.next()?);
        let template = |format: &str| call(&when.replace("FORMAT", format));
        self.marks.push((mark.to_date_time(), template("yyyy-MM-dd'T'HH:mm:ssXXX")));
        let seconds = mark.as_millis() / 1000;
        self.marks.push((format!("{seconds}.0"), template("t")));
        self.marks.push((seconds.to_string(), template("t")));
        Some(Document::Timestamp(mark))
    }

    /// The template of a header's value.
    pub(super) fn in_header(&self, value: &str) -> String {
        match is_uuid(value) {
            true => UUID.to_owned(),
            false => self.with_repeated(value),
        }
    }

    /// The template of a body, and whether it is one: a body that itself has what begins a template is sent as it is.
    pub(super) fn in_body(&self, body: &str) -> (String, bool) {
        if body.contains("{{") {
            return (body.to_owned(), false);
        }
        let mut written = with_ids(&self.with_repeated(body));
        for (mark, there) in &self.marks {
            if written.contains(mark) {
                // `}}}` would end another kind of template.
                written = written.replace(&format!("{mark}}}"), &format!("{there} }}")).replace(mark, there);
            }
        }
        let is_template = written.contains("{{");
        (written, is_template)
    }

    fn with_repeated(&self, text: &str) -> String {
        let mut written = text.to_owned();
        for Repeated { value, template, .. } in &self.repeated {
            written = replace_words(&written, value, template);
        }
        written
    }
}

const UUID: &str = "{{faker 'string.uuid'}}";

/// `faker 'x'` as `{{faker 'x'}}`.
fn call(template: &str) -> String {
    format!("{{{{{template}}}}}")
}

/// Replaces a value where it stands as a word in a text, but neither as a key of JSON, nor as an element of XML, nor in a
/// template.
fn replace_words(text: &str, value: &str, template: &str) -> String {
    let is_part =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    let mut written = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(value) {
        let end = at + value.len();
        let (before, after) = (&text[..at], &text[end..]);
        let is_key = after.starts_with("\":") || before.ends_with('<') || before.ends_with("</");
        let in_template = before.rfind("{{").is_some_and(|open| !before[open..].contains("}}"));
        let escapes = before.ends_with('\\');
        if at < from
            || is_key
            || in_template
            || escapes
            || is_part(before.chars().next_back())
            || is_part(after.chars().next())
        {
            continue;
        }
        written.push_str(&text[from..at]);
        written.push_str(template);
        from = end;
    }
    written.push_str(&text[from..]);
    written
}

/// Lengths of the groups of a UUID.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
const UUID_CHARS: usize = 36;

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    groups.len() == GROUPS.len()
        && groups.iter().zip(GROUPS).all(|(group, chars)| group.len() == chars && is_hex(group))
}

/// Makes templates of UUIDs. One that stands in several places is made up once and then repeated.
fn with_ids(body: &str) -> String {
    let mut found: Vec<&str> = Vec::new();
    let mut places = Vec::new();
    let bytes = body.as_bytes();
    let mut at = 0;
    while at + UUID_CHARS <= bytes.len() {
        if bytes[at..].starts_with(b"{{") {
            at += body[at..].find("}}").unwrap_or(2);
            continue;
        }
        let is_start = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || b"-\\'".contains(&bytes[at - 1]));
        let ends = bytes.get(at + UUID_CHARS).is_none_or(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-'));
        match body.get(at..at + UUID_CHARS).filter(|text| is_start && ends && is_uuid(text)) {
            Some(id) => {
                places.push((at, id));
                found.push(id);
                at += UUID_CHARS;
            }
            None => at += 1,
        }
    }
    let mut written = String::with_capacity(body.len() + places.len() * 32);
    let mut kept: Vec<&str> = Vec::new();
    let mut from = 0;
    for (at, id) in places {
        written.push_str(&body[from..at]);
        from = at + UUID_CHARS;
        if found.iter().filter(|other| **other == id).count() == 1 {
            written.push_str(UUID);
            continue;
        }
        let number = kept.iter().position(|other| *other == id).unwrap_or_else(|| {
            kept.push(id);
            kept.len() - 1
        });
        written.push_str(&format!("{{{{getVar 'id{number}'}}}}"));
    }
    written.push_str(&body[from..]);
    let set: String =
        (0..kept.len()).map(|number| format!("{{{{setVar 'id{number}' (faker 'string.uuid')}}}}")).collect();
    set + &written
}

/// Replaces by marks what may vary in the body of an output.
pub(super) fn mark(service: &'static Service, output: Option<ShapeIx>, document: &mut Document, marks: &mut Marks) {
    let Some(structure) = output.and_then(|ix| service.structure(ix)) else { return };
    let Some(fields) = document.as_map_mut() else { return };
    for member in &structure.members {
        if member.location == Location::Body
            && let Some(value) = fields.get_mut(member.name)
        {
            walk(service, member, value, marks);
        }
    }
}

fn walk(service: &'static Service, member: &Member, value: &mut Document, marks: &mut Marks) {
    if member.json_value || member.event_payload || member.xml_attribute {
        return;
    }
    let shape = service.target(member);
    match (&shape.kind, &mut *value) {
        (Kind::Structure(structure), Document::Map(fields)) if !structure.event_stream => {
            for member in &structure.members {
                if let Some(value) = fields.get_mut(member.name) {
                    walk(service, member, value, marks);
                }
            }
        }
        (Kind::List(list), Document::List(items)) => {
            items.iter_mut().for_each(|item| walk(service, &list.member, item, marks));
        }
        (Kind::Timestamp(_), Document::Timestamp(_)) => {
            if let Some(mark) = marks.time(when(member.name)) {
                *value = mark;
            }
        }
        (Kind::Integer | Kind::Long, Document::Int(number)) => {
            if let Some(mark) = range(member.name, shape, *number).and_then(|template| marks.number(&template)) {
                *value = mark;
            }
        }
        (Kind::String { enum_values }, Document::String(text)) if enum_values.is_empty() => {
            let mark = match person(member.name, shape) {
                Some(template) => marks.mark(call(template)),
                None => marks.keep(member, text, shape),
            };
            if let Some(mark) = mark {
                *value = mark;
            }
        }
        _ => {}
    }
}

/// The time that a member tells, around the present. `FORMAT` stands for the format.
fn when(name: &str) -> &'static str {
    let plain = squash(name);
    let has = |marks: &[&str]| marks.iter().any(|mark| plain.contains(mark));
    if has(&["expir", "validuntil", "notafter", "enddate", "endtime", "nexttime", "deadline"]) {
        "dateTimeShift hours=1 format=\"FORMAT\""
    } else if has(&["creat", "start", "launch", "begin", "first", "registered", "notbefore"]) {
        "dateFormat (faker 'date.recent' 30) \"FORMAT\""
    } else {
        "now \"FORMAT\""
    }
}

/// A number that may be any within its modelled bounds, or about the given one where it is an amount.
fn range(name: &str, shape: &Shape, number: i64) -> Option<String> {
    let words = split(name);
    let is =
        |word: Option<&String>, list: &[&str]| word.is_some_and(|word| list.contains(&word.to_lowercase().as_str()));
    let amounts = ["bytes", "size", "duration", "seconds", "millis", "milliseconds", "latency", "usage", "used"];
    // They bound each other.
    if is(words.first(), &["min", "max", "minimum", "maximum"]) || !is(words.last(), &amounts) || number < 2 {
        return None;
    }
    let bounds = shape.constraints.as_ref();
    let bound = |bound: Option<Bound>, other: i64| bound.map_or(other, Bound::as_i64);
    let low = bound(bounds.and_then(|bounds| bounds.min), 1).max(number / 2);
    let high =
        bound(bounds.and_then(|bounds| bounds.max), i64::MAX).min(number.saturating_mul(2)).min(i64::from(i32::MAX));
    (low < high).then(|| format!("faker 'number.int' min={low} max={high}"))
}

/// What faker has for people, where the model asks for nothing particular.
fn person(name: &str, shape: &Shape) -> Option<&'static str> {
    const LENGTH: i64 = 64;
    let constraints = shape.constraints.as_ref();
    let is_free = constraints.is_none_or(|constraints| {
        constraints.pattern.is_none() && constraints.max.is_none_or(|max| max.as_i64() >= LENGTH)
    });
    let template = match squash(name).as_str() {
        "email" | "emailaddress" => "faker 'internet.email'",
        "firstname" | "givenname" => "faker 'person.firstName'",
        "lastname" | "familyname" | "surname" => "faker 'person.lastName'",
        "city" => "faker 'location.city'",
        "ipaddress" | "sourceip" | "sourceipaddress" => "faker 'internet.ipv4'",
        _ => return None,
    };
    is_free.then_some(template)
}
