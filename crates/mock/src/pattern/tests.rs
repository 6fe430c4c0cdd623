use proptest::prelude::*;

use super::*;
use standin_core::Draw;
use standin_model::{Catalogue, Kind};

#[track_caller]
fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    for text in yes {
        assert_eq!(matches(pattern, text), Verdict::Yes, "{pattern} on {text:?}");
    }
    for text in no {
        assert_eq!(matches(pattern, text), Verdict::No, "{pattern} on {text:?}");
    }
}

#[test]
fn anchors_and_searches() {
    check("^[a-z]+$", &["a", "abc"], &["", "A", "a b", "ab1"]);
    check("^[a-z]", &["a", "a0"], &["", "0"]);
    check("[a-z]$", &["a", "0a"], &["", "a0"]);
    check("[a-z]{3}", &["abc"], &["ab", "abcd"]);
    check("(?!^x)[a-z]+", &["abc"], &["ab c", "xa"]);
    check(r"\S", &["a", " a "], &["", " "]);
    check("^ab|cd$", &["abx", "xcd"], &["xab", "cdx"]);
    check(".*(^x+$)", &["xx"], &["axx", ""]);
    check(r"\Aa\z", &["a"], &["aa"]);
}

#[test]
fn counts() {
    check("^[a-c]{2,3}$", &["ab", "abc"], &["a", "abca"]);
    check("^[a-c]{2}$", &["ab"], &["a", "abc"]);
    check("^(ab){2,3}$", &["abab", "ababab"], &["ab", "abababab", "aba"]);
    check("^([a-z]{1,3}-){0,2}[a-z]{2}$", &["ab", "a-ab", "abc-a-xy"], &["a", "abcd-ab", "a-b-c-ab"]);
    check("^a{,2}$", &["", "aa"], &["aaa"]);
    check("^[0-9A-Z]{2}+$", &["A0"], &["A"]);
    check(r"^\S+{1,3}$", &["abcdef"], &["", "a b"]);
    check("^a{x}$", &["a{x}"], &["a"]);
    check("^(a|ab)(c|bcd)$", &["ac", "abc", "abcd", "abbcd"], &["ab"]);
    check("^(a?){30}a{30}$", &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], &["a"]);
}

#[test]
fn classes() {
    check(r"^[\w+=,.@-]+$", &["a_b@c-d"], &["a b", "é"]);
    check(r"^[a-zA-Z0-9-_.]+$", &["a-b_c.d"], &["a/b"]);
    check(r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$", &["Größe 3", ""], &["a!"]);
    check(r"^\P{C}+$", &["a b"], &["a\u{1}"]);
    check(r"^[^\p{Cntrl}]*$", &["ü"], &["\t"]);
    check(r"^[\p{Print}&&[^|:/]]+$", &["a b"], &["a|b", "é"]);
    check(r"^[0-9\p{IsAlphabetic}]+$", &["é1"], &["-"]);
    check(r"^[^\p{C}\p{IsWhitespace}]+$", &["é"], &["a b"]);
    check(r"^[[:alnum:]\/\_]+$", &["a/_"], &[":"]);
    check(r"^[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDBFF-\uDC00\uDFFF\t]*$", &["a\t😀"], &["\u{1}", "\n"]);
    check(r"^[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF]*$", &["😀"], &["\u{1}"]);
    check(r"^[!&'()*+,\-./:;?=%@\[\]_{}|<>~^`]$", &["[", "]", "-"], &["a"]);
    check(r"^[]a]+$", &["]a"], &["b"]);
    check(r"^[a[]+$", &["a["], &["b"]);
    check(r"^\p{ASCII}{0,3}$", &["abc"], &["abcd", "é"]);
    check(r"^\x41\u0042\x{43}$", &["ABC"], &["abc"]);
    check("^(?i)ab[c-d]$", &["aBD"], &["abe"]);
    check("^.$", &["a", "é"], &["\n"]);
    check("(?s)^.$", &["\n"], &["ab"]);
    check(r"^[\\p{L}\\p{N}]+$", &["é1"], &["-"]);
}

#[test]
fn look_around() {
    check("^(?!aws:).+$", &["a", "xaws:"], &["aws:a"]);
    check(r"^[a-z\.]*(?<!\.)$", &["a.b", ""], &["a."]);
    check("^(?=.*[a-z])(?=.*[0-9]).{3,5}$", &["ab1"], &["abc", "a1"]);
    check(
        r"^((25[0-5]|(2[0-4]|1[0-9]|[1-9]|)[0-9])(\.(?!$)|$)){4}$",
        &["10.0.0.255"],
        &["10.0.0", "1.2.3.4.", "1.2.3.256"],
    );
    check("^(?!__)[a-z_]+$", &["_a"], &["__a"]);
}

#[test]
fn delimiters_and_oddities() {
    check("/^[a-z]+$/", &["abc"], &["/abc/", "1"]);
    check("/.*", &["/a"], &["a"]);
    check("^(/[a-z]+)*/$", &["/", "/a/"], &["a"]);
    check(r"^([a-z])\1$", &["aa"], &["a"]);
    check("^(*a)$", &["*a"], &["a"]);
    assert_eq!(matches(r"\p{NoSuchThing}", "a"), Verdict::Unknown);
    assert_eq!(matches("(a", "a"), Verdict::Unknown);
}

#[test]
fn no_text_takes_long() {
    let long = "a".repeat(100_000);
    assert_eq!(matches("^(a+)+$", &long), Verdict::Yes);
    assert_eq!(matches("^[a-z]{1,200000}$", &long), Verdict::Yes);
    assert_ne!(matches("^(a|aa)+b$", &long), Verdict::Yes);
    assert_ne!(matches("^((a*)*)*b$", &long), Verdict::Yes);
    assert_ne!(matches("^(.*a){20}b$", &long), Verdict::Yes);
    assert_ne!(matches("(?!.*b)a*c", &long), Verdict::Yes);
    assert_eq!(matches(&"(".repeat(100_000), "a"), Verdict::Unknown);
}

#[test]
fn makes_texts_that_fit() {
    for (pattern, min, max) in [
        ("^[a-z]{3,5}$", 0, 10),
        (r"arn:aws:iam::\d{12}:role/[\w+=,.@-]+", 20, 200),
        ("(ON|OFF)", 0, 10),
        ("^([a-z]{1,3}-){0,40}[a-z]{2}$", 50, 60),
        (r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).*$", 8, 64),
        (r"\S", 3, 10),
    ] {
        let text = generate(pattern, min, max, &mut Draw::from_seed(1)).expect(pattern);
        assert_eq!(matches(pattern, &text), Verdict::Yes, "{text}");
        assert!((min..=max).contains(&text.chars().count()), "{text}");
    }
}

/// Every pattern of the catalogue with every pair of lengths that some shape gives it.
fn modelled() -> std::collections::BTreeMap<(&'static str, usize, usize), String> {
    let mut found = std::collections::BTreeMap::new();
    for entry in Catalogue::embedded().entries() {
        let service = entry.open().expect("opens");
        for shape in &service.shapes {
            let Some(constraints) = shape.constraints.as_deref() else { continue };
            let (Some(pattern), Kind::String { enum_values }) = (constraints.pattern, &shape.kind) else { continue };
            if !enum_values.is_empty() {
                continue;
            }
            let min = constraints.min.map_or(0, |min| usize::try_from(min.as_i64()).unwrap_or(0));
            let max = constraints.max.map_or(usize::MAX, |max| usize::try_from(max.as_i64()).unwrap_or(0));
            found.entry((pattern, min, max)).or_insert_with(|| format!("{}.{}", service.id, shape.name));
        }
    }
    found
}

/// Patterns that no text fits, each with the reason.
const IMPOSSIBLE: &[(&str, &str)] = &[
    ("dataexchange.AwsAccountId", "a slash before the start of the text"),
    ("qbusiness.MessageBody", "a brace after the end of the text"),
    ("ec2.PlacementGroupArn", "a start of the text in the middle"),
    ("apprunner.ServiceId", "36 characters in a text of 32"),
];

#[test]
fn every_modelled_pattern_is_understood_and_can_be_met() {
    let mut missed = Vec::new();
    let modelled = modelled();
    assert!(modelled.len() > 6000);
    for ((pattern, min, max), shape) in modelled {
        for seed in 0..3 {
            let Some(text) = generate(pattern, min, max, &mut Draw::from_seed(seed)) else {
                assert!(is_contradictory(pattern, max), "{shape}: nothing was found for {pattern}");
                missed.push(shape);
                break;
            };
            assert_eq!(matches(pattern, &text), Verdict::Yes, "{shape}: {text:?} for {pattern}");
            assert!((min..=max).contains(&text.chars().count()), "{shape}: {text:?} for {pattern}");
        }
    }
    missed.sort();
    let mut expected: Vec<&str> = IMPOSSIBLE.iter().map(|(shape, _)| *shape).collect();
    expected.sort_unstable();
    assert_eq!(missed, expected);
}

/// Says the same as a known engine about modelled patterns that mean the same there: plain ASCII texts, no reading that
/// differs.
#[test]
fn agrees_with_another_engine() {
    let mut compared = 0;
    for ((pattern, min, max), shape) in modelled() {
        let program = programs::get(pattern);
        let [reading] = program.readings() else { continue };
        let other = match reading.extent {
            search::Extent::Anywhere => pattern.to_owned(),
            search::Extent::Whole => format!(r"\A(?:{pattern})\z"),
        };
        let Ok(other) = regex::bytes::RegexBuilder::new(&other).unicode(false).build() else { continue };
        if ["++", "?+", "}+", r"\u", "{,"].iter().any(|other| pattern.contains(other)) {
            continue;
        }
        let mut draw = Draw::from_seed(11);
        let Some(text) = generate(pattern, min, max.min(200), &mut draw) else { continue };
        let mut texts = vec![text.clone(), String::new()];
        for _ in 0..8 {
            let mut chars: Vec<char> = text.chars().collect();
            let at = draw.below(chars.len() as u64 + 1) as usize;
            let odd = char::from(b' ' + draw.below(95) as u8);
            match draw.below(3) {
                0 => chars.insert(at, odd),
                1 if at < chars.len() => chars[at] = odd,
                _ => chars.truncate(at),
            }
            texts.push(chars.into_iter().collect());
        }
        for text in texts.iter().filter(|text| text.is_ascii()) {
            let expected = if other.is_match(text.as_bytes()) { Verdict::Yes } else { Verdict::No };
            assert_eq!(matches(pattern, text), expected, "{shape}: {pattern} on {text:?}");
            compared += 1;
        }
    }
    assert!(compared > 50_000, "{compared}");
}

/// Patterns within which everything that is generated must match.
fn patterns() -> impl Strategy<Value = String> {
    let leaves = ["[a-c0-9]", "[^a-y]", r"\w", r"\d", "x", "ab", ".", r"\p{L}", r"[\p{N}_-]"];
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|choices| format!("({})", choices.join("|"))),
            (inner.clone(), 0..3_u32, 0..4_u32)
                .prop_map(|(part, min, more)| format!("(?:{part}){{{min},{}}}", min + more)),
            inner.clone().prop_map(|part| format!("(?:{part})*")),
            inner.prop_map(|part| format!("(?:{part})+?")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_made_fits(pattern in patterns(), seed: u64) {
        let anchored = format!("^{pattern}$");
        let text = generate(&anchored, 0, 1000, &mut Draw::from_seed(seed)).expect("no look-around");
        prop_assert_eq!(matches(&anchored, &text), Verdict::Yes);
        prop_assert_eq!(matches(&pattern, &text), Verdict::Yes);
    }

    #[test]
    fn agrees_on_random_texts(pattern in patterns(), text in "[a-d0-9x_é]{0,12}") {
        let pattern = format!("^{pattern}$");
        let ascii_classes = pattern.replace(r"\w", "[0-9A-Za-z_]").replace(r"\d", "[0-9]");
        let other = regex::Regex::new(&ascii_classes).expect("of the common dialect");
        let expected = if other.is_match(&text) { Verdict::Yes } else { Verdict::No };
        prop_assert_eq!(matches(&pattern, &text), expected);
    }

    #[test]
    fn any_pattern_and_any_text_are_survived(pattern in ".{0,40}", text in ".{0,40}") {
        let _ = matches(&pattern, &text);
        let _ = generate(&pattern, 0, 100, &mut Draw::from_seed(1));
    }

    #[test]
    fn any_punctuation_is_survived(pattern in r"[\[\](){}|^$?*+\\a-z0-9,:<=!&-]{0,40}") {
        let _ = matches(&pattern, "a1");
        let _ = generate(&pattern, 0, 100, &mut Draw::from_seed(1));
    }
}
