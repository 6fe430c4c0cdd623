//! Forms of several parts: fields as texts, files as what is known of them.

use serde_json::{Map, Value, json};

use crate::form;

/// Files beyond this are left out.
const FILES_MAX: usize = 10;

/// What is read of one file.
const FILE_BYTES_MAX: usize = 10 << 20;

/// Reads a body; `None` when it has no fields or is not what the content type says.
pub fn parse(content_type: &str, body: &[u8]) -> Option<Value> {
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter has no line before it.
    let whole = [b"\r\n", body].concat();
    let mut rest = &whole[find(&whole, &delimiter)? + delimiter.len()..];
    let mut fields = Map::new();
    // Files come behind all fields: they are read to their end first.
    let mut files = Vec::new();
    while !rest.starts_with(b"--") {
        let end = find(rest, &delimiter)?;
        let part = &rest[..end];
        rest = &rest[end + delimiter.len()..];
        let Some(head_end) = find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..head_end]);
        let content = &part[head_end + 4..];
        let header = |name: &str| {
            head.split("\r\n").find_map(|line| {
                let (known, value) = line.split_once(':')?;
                known.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let Some(disposition) = header("content-disposition") else { continue };
        let Some(name) = parameter(&disposition, "name") else { continue };
        let kind = header("content-type");
        let file_name = parameter(&disposition, "filename");
        let is_file = file_name.is_some() || kind.as_deref() == Some("application/octet-stream");
        let value = if is_file {
            if files.len() >= FILES_MAX {
                continue;
            }
            let kind = kind.as_deref().and_then(|kind| kind.split(';').next()).map(str::trim).unwrap_or("text/plain");
            let size = content.len().min(FILE_BYTES_MAX);
            let mut file = Map::new();
            if let Some(file_name) = file_name {
                // Without folders, as browsers of old sent them.
                file.insert("filename".to_owned(), json!(file_name.rsplit(['/', '\\']).next()));
            }
            file.insert("mimetype".to_owned(), json!(kind.to_ascii_lowercase()));
            file.insert("size".to_owned(), json!(size));
            files.push((name, Value::Object(file)));
            continue;
        } else {
            Value::String(String::from_utf8_lossy(content).into_owned())
        };
        form::append(&mut fields, &name, value);
    }
    for (name, file) in files {
        form::append(&mut fields, &name, file);
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

/// A parameter of a header, with or without quotes.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = &header[header.find(';')? + 1..];
    loop {
        let (key, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => {
                let mut text = String::new();
                let mut characters = quoted.char_indices();
                let end = loop {
                    match characters.next() {
                        None => break quoted.len(),
                        Some((at, '"')) => break at + 1,
                        Some((_, '\\')) => text.extend(characters.next().map(|(_, character)| character)),
                        Some((_, character)) => text.push(character),
                    }
                };
                (text, &quoted[end..])
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = &after[after.find(';')? + 1..];
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == first)?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: Option<&Value>) {
        let body = body.replace('\n', "\r\n");
        assert_eq!(parse("multipart/form-data; boundary=\"x y\"", body.as_bytes()).as_ref(), expect, "{body}");
    }

    #[test]
    fn parts_become_members() {
        check(
            "--x y\nContent-Disposition: form-data; name=\"a\"\n\n1\n2\n--x y\n\
             content-disposition: form-data; name=f; filename=\"dir/n.txt\"\nContent-Type: image/PNG; a=b\n\nabc\n\
             --x y\nContent-Disposition: form-data; name=\"b[c]\"\n\n3\n--x y--\n",
            Some(
                &json!({ "a": "1\r\n2", "f": { "filename": "n.txt", "mimetype": "image/png", "size": 3 }, "b": { "c": "3" } }),
            ),
        );
        check("--x y--", None);
        check("nothing", None);
        check("--x y\nContent-Disposition: form-data; name=\"a\"\n\ncut", None);
    }
}
