//! What templates give, helper by helper.

mod common;

use common::{check, check_error};

#[test]
fn prints_and_escapes() {
    check("{{foo}}|{{this}}|{{nope 'x'}}|{{a.b}}|{{'lit'}}|{{12}}", "|[object Object]||||");
    check("{{concat '&<>\"' \"'`=\"}}", "&amp;&lt;&gt;&quot;&#x27;&#x60;&#x3D;");
    check("{{{concat '<' '='}}}{{&concat '<'}}", "<=<");
    check("{{#unknown}}a{{/unknown}}{{#unknown 1}}b{{/unknown}}", "a");
    check("{{array 1 2 (array 3)}} {{object a=1}} {{eq 1 2}} {{add 0}}", "1,2,3 [object Object] false 0");
    check("{{{stringify (object a=1 b='x')}}}", "{\n  \"b\": \"x\",\n  \"a\": 1\n}");
}

#[test]
fn trims_white_space() {
    check("a\n{{#if true}}\nb\n{{else}}\nc\n{{/if}}\nd", "a\nb\nd");
    check("a\n  {{! comment }}\nb", "a\nb");
    check("a {{~add 1 1~}} b", "a2b");
    check("{{!-- }} --}}x", "x");
    check("\\{{a}} {{{{raw}}}}{{b}}{{{{/raw}}}}", "{{a}} {{b}}");
    check("{{#if false}}a{{else if true}}b{{else}}c{{/if}}", "b");
}

#[test]
fn blocks() {
    check("{{#each (array 'a' 'b')}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", "0a,1b");
    check("{{#each (object x=1 y=2) as |v k|}}{{k}}={{v}};{{/each}}", "y=2;x=1;");
    check("{{#repeat 3}}{{@index}}{{/repeat}}", "0,\n1,\n2\n");
    check("{{#repeat 2 comma=false}}{{@index}}{{/repeat}}", "01");
    check("{{#switch 'b'}}{{#case 'a'}}A{{/case}}{{#case 'b'}}B{{/case}}{{#default}}D{{/default}}{{/switch}}", "B");
    check("{{setVar 'x' 1}}{{#each (array 1)}}{{@x}}{{setVar 'x' 2}}{{@x}}{{/each}}{{@x}}", "121");
    check("{{#if true}}{{setVar 'x' 2}}{{/if}}{{getVar 'x'}}", "2");
    check_error("{{#if}}{{/if}}", "#if requires exactly one argument");
    check_error("{{> nope}}", "The partial nope could not be found");
    check("{{#*inline 'p'}}[{{a}}]{{/inline}}{{> p a=1}}", "[1]");
}

#[test]
fn parse_errors() {
    check_error(
        "{\"a\": {{faker 'x'}}}",
        "Parse error on line 1:\n{\"a\": {{faker 'x'}}}\n-----------------^\nExpecting 'CLOSE', 'OPEN_SEXPR', 'ID', 'STRING', \
         'NUMBER', 'BOOLEAN', 'UNDEFINED', 'NULL', 'DATA', got 'CLOSE_UNESCAPED'",
    );
    check_error("{{#if true}}{{/each}}", "if doesn't match each - 1:3");
}
