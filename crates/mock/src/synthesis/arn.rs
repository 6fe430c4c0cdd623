//! Reads from a modelled pattern what form of ARN it asks for.

use std::borrow::Cow;

use standin_model::Str;

use super::template::{Case, Letters, Piece, push};

/// What can stand in a place that the pattern leaves open, most telling first.
const FILLERS: &[&[Piece]] = &[
    &[Piece::Own],
    &[Piece::Name],
    &[Piece::Id],
    &[Piece::Uuid],
    &[Piece::Fill(Letters::Hex, 32)],
    &[Piece::Word(Case::Lower)],
    &[Piece::Fill(Letters::Hex, 17)],
    &[Piece::Fill(Letters::LowerAlnum, 10)],
    &[Piece::Fill(Letters::Digits, 12)],
    &[Piece::Fill(Letters::LowerAlnum, 12)],
    &[Piece::Fill(Letters::LowerAlnum, 19)],
    &[Piece::Fill(Letters::LowerAlnum, 20)],
    &[Piece::Fill(Letters::LowerAlnum, 26)],
    &[Piece::Word(Case::Lower), Piece::Text(Cow::Borrowed("-")), Piece::Fill(Letters::LowerAlnum, 10)],
    &[Piece::Fill(Letters::UpperAlnum, 13)],
    &[Piece::Fill(Letters::Hex, 8)],
    &[Piece::Number(1, 9)],
];

/// A form of ARN.
pub(super) struct Form {
    pub pieces: Box<[Piece]>,
    /// Whether the pattern says what kind of resource it is.
    pub told: bool,
}

/// Forms of ARN that a pattern may accept, best first; none where the pattern is not about ARNs. Whether a form really fits
/// is for the caller to check.
pub(super) fn forms(pattern: Str, service: Str) -> Vec<Form> {
    let mut out = Vec::new();
    for choice in alternatives(bare(pattern)) {
        let parts = split(bare(choice), ':');
        if !parts[0].trim_start_matches(['^', '(']).ends_with("arn") {
            continue;
        }
        for layout in layouts(&parts) {
            out.extend(filled(&layout, service));
        }
    }
    out
}

/// Which parts of a pattern mean what.
struct Layout<'p> {
    service: &'p str,
    region: &'p str,
    account: &'p str,
    resource: &'p [&'p str],
}

/// An open place, where a pattern leaves a part out.
const OPEN: &str = ".*";

/// How the parts between the colons may be meant: one by one, or with one that stands for several (`arn:.*:fleet/.+`).
fn layouts<'p>(parts: &'p [&'p str]) -> Vec<Layout<'p>> {
    let mut out = Vec::new();
    for (at, part) in parts.iter().enumerate().take(4).skip(1).rev() {
        // A class that allows colons, or one of anything.
        let spans = if part.contains('(') { part.contains(".*") } else { allows_colon(part) || is_any(part) };
        if spans {
            let service = if at > 2 { parts[2] } else { OPEN };
            let rest = &parts[at + 1..];
            let resource = if rest.is_empty() { &[OPEN] } else { rest };
            out.push(Layout { service, region: OPEN, account: OPEN, resource });
            break;
        }
    }
    if let [_, _, service, region, account, _, ..] = parts {
        let layout = Layout { service, region, account, resource: &parts[5..] };
        // One of anything need not stand for several.
        let first = !parts[1..4].iter().any(|part| allows_colon(part));
        out.insert(if first { 0 } else { out.len() }, layout);
    }
    out
}

fn allows_colon(part: &str) -> bool {
    part.contains(':') && !part.contains("[^")
}

fn is_any(part: &str) -> bool {
    part.contains(".*") || part.contains(".+")
}

/// The forms of one layout, the places that it leaves open filled in several ways.
fn filled(layout: &Layout<'_>, own_service: Str) -> Vec<Form> {
    let mut out = Vec::new();
    let service = named_service(layout.service, own_service);
    let region = plain(layout.region);
    let account = plain(layout.account);
    let resource: Vec<Token> = layout
        .resource
        .iter()
        .enumerate()
        .flat_map(|(at, part)| (at > 0).then_some(Token::Text(":".into())).into_iter().chain(tokens(part)))
        .collect();
    let told = resource.iter().any(|token| matches!(token, Token::Text(text) if text.len() > 1));
    let holes = resource.iter().filter(|token| matches!(token, Token::Hole)).count();
    let fill = |filler: &[Piece], parents: &[Piece]| {
        let mut pieces = vec![Piece::Text("arn:".into()), Piece::Partition];
        push(&mut pieces, format!(":{service}:").into());
        section(&mut pieces, region.as_deref(), Piece::Region);
        push(&mut pieces, ":".into());
        section(&mut pieces, account.as_deref(), Piece::Account);
        push(&mut pieces, ":".into());
        let mut hole = 0;
        for token in &resource {
            match token {
                Token::Text(text) => push(&mut pieces, text.clone()),
                Token::Hole => {
                    hole += 1;
                    // What stands before the resource's own place belongs to its parents.
                    pieces.extend(if hole == holes { filler } else { parents }.iter().cloned());
                }
            }
        }
        pieces.into_boxed_slice()
    };
    const WORD: &[Piece] = &[Piece::Word(Case::Lower)];
    for filler in FILLERS {
        // Another service's resource has a name of its own.
        let own = matches!(filler[0], Piece::Own | Piece::Name | Piece::Id);
        if own && service != own_service && told {
            continue;
        }
        out.push(Form { pieces: fill(filler, WORD), told });
        if holes == 0 {
            break;
        }
        if holes > 1 && !own {
            out.push(Form { pieces: fill(filler, filler), told });
        }
    }
    out
}

/// The texts that a pattern lists, where it does no more than that: `^Complete$|^Error$`.
pub(super) fn literals(pattern: Str) -> Option<Vec<Str>> {
    let choices: Vec<Str> = alternatives(bare(pattern)).into_iter().map(bare).collect();
    let plain = |choice: &Str| {
        !choice.is_empty()
            && choice.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b' ' | b'/'))
    };
    (choices.len() > 1 && choices.iter().all(plain)).then_some(choices)
}

/// A region or account that the pattern spells out, or the call's own.
fn section(pieces: &mut Vec<Piece>, spelled: Option<&str>, own: Piece) {
    match spelled {
        Some(text) => push(pieces, text.to_owned().into()),
        None => pieces.push(own),
    }
}

/// The service that a pattern's third part asks for.
fn named_service(part: &str, own: Str) -> String {
    if let Some(text) = plain(part) {
        return text;
    }
    let inner = part.trim_start_matches("(?:").trim_start_matches('(').trim_end_matches(')');
    let choices: Vec<&str> = inner.split('|').filter(|choice| plain(choice).is_some_and(|c| !c.is_empty())).collect();
    choices
        .iter()
        .find(|choice| **choice == own)
        .or(choices.first())
        .map_or_else(|| own.to_owned(), |c| (*c).to_owned())
}

/// The text of a part without any metacharacter; `None` for others.
fn plain(part: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c) if !c.is_ascii_alphanumeric() => out.push(c),
                _ => return None,
            },
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_' | ',') => out.push(c),
            _ => return None,
        }
    }
    Some(out)
}

#[derive(Debug, PartialEq)]
enum Token {
    Text(Cow<'static, str>),
    Hole,
}

/// Literals and open places of the resource part. What is optional is left out.
fn tokens(part: &str) -> Vec<Token> {
    let chars: Vec<char> = part.chars().collect();
    let mut out: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let mut literal = None;
        match chars[at] {
            '\\' => {
                let escaped = chars.get(at + 1).copied().unwrap_or('\\');
                if escaped == 'u' {
                    let code: String = chars.iter().skip(at + 2).take(4).collect();
                    literal = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                    at += 6;
                } else {
                    literal = (!escaped.is_ascii_alphanumeric()).then_some(escaped);
                    at += 2;
                }
            }
            '[' => at = closing(&chars, at, '[', ']') + 1,
            '(' => at = closing(&chars, at, '(', ')') + 1,
            '$' | '^' => {
                at += 1;
                continue;
            }
            '.' => at += 1,
            c => {
                literal = Some(c);
                at += 1;
            }
        }
        let atom_end = at.min(chars.len());
        let mut optional = false;
        let mut repeated = false;
        match chars.get(at) {
            Some('?' | '*') => {
                optional = true;
                at += 1;
            }
            Some('+') => {
                repeated = true;
                at += 1;
            }
            Some('{') => {
                let end = closing(&chars, at, '{', '}');
                let counts: String = chars[at + 1..end.min(chars.len())].iter().collect();
                optional = counts.starts_with('0');
                repeated = counts != "1";
                at = end + 1;
            }
            _ => {}
        }
        // A lazy or possessive mark.
        if (optional || repeated) && matches!(chars.get(at), Some('?' | '+')) {
            at += 1;
        }
        let group = chars[start] == '(';
        // `.*` and `[^:]*` are open places although they may be empty.
        if optional && (group || literal.is_some()) {
            continue;
        }
        match literal {
            Some(c) => text(&mut out, &c.to_string()),
            None if group && !repeated => {
                let inner: String = chars[start + 1..atom_end.saturating_sub(1).max(start + 1)].iter().collect();
                let inner = inner.trim_start_matches("?:");
                let first = alternatives(inner).first().copied().unwrap_or_default();
                for token in tokens(first) {
                    match token {
                        Token::Text(more) => text(&mut out, &more),
                        Token::Hole => hole(&mut out),
                    }
                }
            }
            None => hole(&mut out),
        }
    }
    out
}

fn text(out: &mut Vec<Token>, more: &str) {
    if let Some(Token::Text(before)) = out.last_mut() {
        before.to_mut().push_str(more);
    } else {
        out.push(Token::Text(more.to_owned().into()));
    }
}

fn hole(out: &mut Vec<Token>) {
    // Two open places side by side are one. A dash between two, as in a spelled-out UUID, makes them one as well.
    match out.as_slice() {
        [.., Token::Hole] => {}
        [.., Token::Hole, Token::Text(dash)] if dash == "-" => {
            out.pop();
        }
        _ => out.push(Token::Hole),
    }
}

/// The place of the bracket that closes the one at `open`; the end where none does.
fn closing(chars: &[char], open: usize, opens: char, closes: char) -> usize {
    let mut depth = 0usize;
    let mut at = open;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 1,
            c if c == opens && (opens != '[' || depth == 0) => depth += 1,
            c if c == closes => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    chars.len()
}

/// Without anchors, and without a group around everything.
fn bare(pattern: Str) -> Str {
    let mut text = pattern.trim_start_matches('^').trim_end_matches('$');
    loop {
        let chars: Vec<char> = text.chars().collect();
        let wrapped = chars.first() == Some(&'(')
            && chars.last() == Some(&')')
            && closing(&chars, 0, '(', ')') == chars.len() - 1
            && !text.starts_with("(?!")
            && !text.starts_with("(?=");
        if !wrapped {
            return text;
        }
        text = text[1..text.len() - 1].trim_start_matches("?:").trim_start_matches('^').trim_end_matches('$');
    }
}

fn alternatives(pattern: &str) -> Vec<&str> {
    split(pattern, '|')
}

/// Splits at a character outside of any bracket.
fn split(pattern: &str, at: char) -> Vec<&str> {
    let mut out = Vec::new();
    let mut depth = 0usize;
    let mut class = false;
    let mut start = 0;
    let mut escaped = false;
    for (place, c) in pattern.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '\\' => escaped = true,
            '[' if !class => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth = depth.saturating_sub(1),
            c if c == at && depth == 0 && !class => {
                out.push(&pattern[start..place]);
                start = place + c.len_utf8();
            }
            _ => {}
        }
    }
    out.push(&pattern[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthesis::entity::tests::with_pen;

    fn check(pattern: Str, service: Str, expect: &str) {
        let forms = forms(pattern, service);
        let pieces: Vec<Piece> = forms[0]
            .pieces
            .iter()
            .map(|p| if *p == Piece::Own { Piece::Text("X".into()) } else { p.clone() })
            .collect();
        with_pen(|pen| {
            let mut out = String::new();
            pen.write(&pieces, &mut out);
            assert_eq!(out, expect, "{pattern}");
        });
    }

    #[test]
    fn patterns_tell_the_form() {
        check(
            "arn:aws[a-z\\-]*:mediatailor:[a-z0-9-]+:[0-9]+:playbackConfiguration/[a-zA-Z0-9-]+",
            "mediatailor",
            "arn:aws:mediatailor:eu-central-1:111122223333:playbackConfiguration/X",
        );
        check(
            "arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:function:[a-zA-Z0-9-_\\.]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
            "lambda",
            "arn:aws:lambda:eu-central-1:111122223333:function:X",
        );
        check("arn:aws[a-z-]*:sso:::instance/[a-zA-Z0-9-]+", "sso", "arn:aws:sso:::instance/X");
        check(
            "^arn:aws(?:-[a-z]+)*:(codestar-connections|codeconnections):[a-z\\-0-9]+:\\d{12}:repository-link\\/[a-z]+",
            "codestar-connections",
            "arn:aws:codestar-connections:eu-central-1:111122223333:repository-link/X",
        );
        check("arn:[^:]+:[^:]+:[^:]*:[^:]*:.+", "own", "arn:aws:own:eu-central-1:111122223333:X");
    }

    #[test]
    fn patterns_that_list_texts_are_lists() {
        let progress = literals("(^Submitted$)|(^Progressing$)|(^Complete$)");
        assert_eq!(progress, Some(vec!["Submitted", "Progressing", "Complete"]));
        assert_eq!(literals("[a-z]+|x"), None);
        assert_eq!(literals("only"), None);
    }

    #[test]
    fn other_patterns_have_no_form() {
        assert!(forms("[a-z]+", "own").is_empty());
        assert!(forms("(((((", "own").is_empty());
        assert!(forms("arn:a:b:c:d:[", "own").iter().all(|form| !form.pieces.is_empty()));
    }
}
