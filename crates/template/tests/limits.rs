//! No template panics, hangs or eats memory, whatever it says.

mod common;

use common::{asked_scope, check_error, render};
use proptest::prelude::*;
use standin_template::{Limits, Random, Scope, Template};

/// What templates are made of, so that random sequences often are some.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "{{{",
        "}}}",
        "{{#",
        "{{/",
        "{{^",
        "{{else}}",
        "{{else if ",
        "{{~",
        "~}}",
        "{{!",
        "{{!--",
        "--}}",
        "{{>",
        "{{#>",
        "{{#*inline 'p'}}",
        "{{/inline}}",
        "{{> p}}",
        "{{{{raw}}}}",
        "{{{{/raw}}}}",
        "\\{{",
        "\\\\{{",
        "(",
        ")",
        "|",
        "as |a b|",
        "=",
        "@",
        ".",
        "..",
        "/",
        "[",
        "]",
        "'",
        "\"",
        " ",
        "\n",
        "\r\n",
        "\0",
        "é",
        "😀",
        "this",
        "each",
        "if",
        "repeat",
        "with",
        "switch",
        "case",
        "array",
        "object",
        "concat",
        "setVar",
        "getVar",
        "faker",
        "'number.int'",
        "'string.alpha'",
        "'helpers.fromRegExp'",
        "'[a-z]{3}'",
        "'lorem.words'",
        "body",
        "bodyRaw",
        "data",
        "setData",
        "'b'",
        "'push'",
        "'list'",
        "now",
        "dateFormat",
        "'yyyy'",
        "'P'",
        "dateTimeShift",
        "days=",
        "jsonPath",
        "'$..*'",
        "'$.a[?(@.b)]'",
        "jmesPath",
        "'a.b[0]'",
        "substr",
        "replaceAll",
        "padStart",
        "toFixed",
        "sort",
        "filter",
        "slice",
        "split",
        "join",
        "stringify",
        "jsonParse",
        "'{\"a\":[1]}'",
        "base64",
        "base64Decode",
        "someOf",
        "oneOf",
        "add",
        "divide",
        "1",
        "-1",
        "0",
        "99",
        "1e9",
        "true",
        "null",
        "undefined",
        "a=",
        "x",
        "{{/if}}",
        "{{/each}}",
        "{{#if x}}",
        "{{#each (array 1 2)}}",
        "{{#repeat 3}}",
        "{{/repeat}}",
        "{{faker 'helpers.fake' '{{a}}'}}",
        "{{@index}}",
        "{{../this}}",
        "{{lookup (bodyRaw) 'a'}}",
    ];
    prop_oneof![9 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn small<'a>(scope: Scope<'a>) -> Scope<'a> {
    scope.with_limits(Limits { bytes: 1 << 16, steps: 10_000 })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        if let Ok(template) = Template::parse(&text) {
            asked_scope(|scope| drop(template.render(&mut small(scope))));
        }
    }

    #[test]
    fn calls_do_not_panic(name in piece(), params in prop::collection::vec(piece(), 0..5)) {
        let text = format!("{{{{{name} {}}}}}", params.join(" "));
        if let Ok(template) = Template::parse(&text) {
            asked_scope(|scope| drop(template.render(&mut small(scope))));
        }
    }

    #[test]
    fn formats_and_paths_do_not_panic(text in "[ -~]{0,30}") {
        let text = text.replace(['\'', '\\'], "");
        for helper in ["now", "body", "jsonPath (bodyRaw)", "jmesPath (bodyRaw)", "faker 'helpers.fromRegExp'",
            "isValidDate", "faker", "faker 'helpers.fake'", "faker 'number.int'", "faker 'finance.creditCardNumber'"] {
            if let Ok(template) = Template::parse(&format!("{{{{{helper} '{text}'}}}}")) {
                asked_scope(|scope| drop(template.render(&mut small(scope))));
            }
        }
    }
}

#[track_caller]
fn check_exceeds(text: &str, expect: &str) {
    let template = Template::parse(text).expect("a template");
    let limits = Limits { bytes: 1 << 20, steps: 100_000 };
    let given = asked_scope(|scope| template.render(&mut scope.with_limits(limits)));
    assert_eq!(given.map_err(|error| error.to_string()), Err(expect.to_owned()), "{text}");
}

#[test]
fn what_would_never_end_ends() {
    let steps = "The template takes more steps than are allowed";
    let bytes = "The template makes more text than is allowed";
    check_exceeds("{{#repeat 100000000000}}{{/repeat}}", steps);
    check_exceeds("{{#repeat 100000000000 comma=false}}{{/repeat}}", steps);
    check_exceeds("{{padStart 'a' 1000000000000}}", bytes);
    check_exceeds("{{setVar 's' 'ab'}}{{#repeat 60}}{{setVar 's' (concat @s @s)}}{{/repeat}}", bytes);
    check_exceeds(
        "{{setVar 's' (array 1)}}{{#repeat 60}}{{setVar 's' (array @s @s)}}{{#if @last}}{{@s}}{{/if}}{{/repeat}}",
        bytes,
    );
    check_exceeds("{{setVar 's' (array 1)}}{{#repeat 60}}{{setVar 's' (concat @s @s)}}{{/repeat}}", steps);
    check_exceeds(
        "{{setVar 's' (array 1)}}{{#repeat 60}}{{setVar 's' (array @s @s)}}{{#if @last}}{{jsonPath @s '$..*'}}{{/if}}{{/repeat}}",
        bytes,
    );
    check_exceeds("{{#*inline 'p'}}{{> p}}{{> p}}{{/inline}}{{> p}}", "Partials call each other deeper than 32");
    let grown = "{{#repeat 100000 comma=false}}{{setVar 's' (array @s)}}{{#if @last}}{{len @s}}{{/if}}{{/repeat}}";
    assert_eq!(render(grown).as_deref().map(str::len), Ok(1));
}

#[test]
fn what_nests_deeply_is_refused() {
    let deep = "Blocks and expressions nest deeper than 100";
    check_error(&"{{#if x}}".repeat(100_000), deep);
    check_error(&format!("{{{{a {}", "(a ".repeat(100_000)), deep);
    check_error(&format!("{{{{#if x}}}}{}", "{{else if x}}".repeat(100_000)), deep);
    let nested = format!("{}x{}", "{{#if true}}".repeat(90), "{{/if}}".repeat(90));
    assert_eq!(render(&nested).as_deref(), Ok("x"));
    let called = format!("{{{{len {}'a'{}}}}}", "(concat ".repeat(90), ")".repeat(90));
    assert_eq!(render(&called).as_deref(), Ok("1"));
    for open in ["(", "[", "!", "{a:", "a||", "@.", "[?"] {
        let text = format!(
            "{{{{jmesPath (bodyRaw) '{}'}}}}{{{{jsonPath (bodyRaw) '$[?({})]'}}}}",
            open.repeat(300),
            open.repeat(300)
        );
        assert_eq!(render(&text).as_deref(), Ok(""), "{open}");
    }
}

/// Reading takes time in proportion to the length: these would take minutes otherwise.
#[test]
fn long_texts_are_read_at_once() {
    let size = 200_000;
    for text in
        ["{{a}}", "\\{{a}} ", "{{!-- x --}}", "{ \"a\": 1 }\n", "{{{{r}}}}{{{{/r}}}}", "{{~a~}} \n ", "{{a 'x' b=1}}"]
    {
        assert!(Template::parse(&text.repeat(size)).is_ok(), "{text}");
    }
    for text in ["{{!-- ", "{{a '", "{{[", "{{{{r}}}} {{{{", "{{a.", "\0"] {
        assert!(Template::parse(&text.repeat(size)).is_err(), "{text}");
    }
}

#[test]
fn seeds_repeat() {
    let template =
        Template::parse("{{faker 'string.uuid'}}{{oneOf (array 1 2 3 4 5 6 7 8 9)}}{{firstName}}").expect("a template");
    let clock = common::clock();
    let given = |random: &Random| template.render(&mut Scope::new(&clock, random));
    assert_eq!(given(&Random::seeded(5)), given(&Random::seeded(5)));
    assert_eq!(given(&Random::keyed(5)), given(&Random::keyed(5)));
    assert_ne!(given(&Random::keyed(5)), given(&Random::keyed(6)));
    assert_ne!(given(&Random::unseeded()), given(&Random::unseeded()));
}

#[test]
fn any_value_is_a_context() {
    let clock = common::clock();
    let random = Random::seeded(1);
    let context = common::json(r#"{"input": {"Name": "n", "Tags": [{"Key": "k"}]}, "data": "d", "body": "b"}"#);
    let mut scope = Scope::new(&clock, &random).with_context(context);
    let template =
        Template::parse("{{input.Name}} {{#each input.Tags}}{{Key}}{{@root.input.Name}}{{/each}} {{data}} {{body}}");
    let given = template.expect("a template").render(&mut scope);
    assert_eq!(given.as_deref(), Ok("n kn d b"));
}

#[test]
fn the_status_is_kept_only_where_it_is_wanted() {
    let (clock, random) = (common::clock(), Random::seeded(1));
    let template = Template::parse("{{status '418'}}{{status 99}}{{status 'x'}}").expect("a template");
    let mut scope = Scope::new(&clock, &random).with_status();
    assert_eq!(template.render(&mut scope).as_deref(), Ok(""));
    assert_eq!(scope.status(), Some(418));
    let mut scope = Scope::new(&clock, &random);
    assert_eq!(template.render(&mut scope).as_deref(), Ok(""));
    assert_eq!(scope.status(), None);
}
