use serde_json::json;

use super::*;

fn namespaces() -> Map<String, serde_json::Value> {
    let value = json!({
        "environment": {"name": "beta", "outputs": {"Output1": "hello", "P1": "arn:aws:iam::123456789012:policy/a", "P2": "arn:aws:iam::123456789012:policy/b"}},
        "service": {"name": "front"},
        "service_instance": {
            "name": "one", "inputs": {"port": 8080, "ratio": 1.5, "on": true, "odd": "a: b", "list": ["x", "y"]},
            "components": {"default": {"outputs": {}}},
        },
        "vars": {"Output1": "hello", "Output2": "world"}, "empty": {},
        "loud": {"A": "8080", "B": "a: b # c", "C": "true"},
    });
    value.as_object().cloned().expect("an object")
}

fn check(source: &str, expect: &str) {
    let found = render(source, "t.yaml", &namespaces()).map(|rendered| rendered.text);
    assert_eq!(found.map_err(|finding| finding.to_string()).as_deref(), Ok(expect), "{source}");
}

fn refused(source: &str, expect: &str) {
    let found = render(source, "t.yaml", &namespaces()).map(|rendered| rendered.text);
    assert_eq!(found.map_err(|finding| finding.to_string()), Err(expect.to_owned()), "{source}");
}

/// Checklist 117.
#[test]
fn what_is_not_defined_is_named_with_its_line() {
    refused(
        "a: 1\nb: {{ service_instance.inputs.prot }}",
        "t.yaml:2:7: \"service_instance.inputs.prot\" is not defined; did you mean service_instance.inputs.port?",
    );
    refused(
        "{{ nothing.at.all }}",
        "t.yaml:1:4: \"nothing\" is not defined; here there are environment, service, service_instance, vars, empty, loud",
    );
    refused("{{ service.branch }}", "t.yaml:1:4: \"service.branch\" is not defined; in service there are name");
    refused(
        "{% if service.branch == 'x' %}{% endif %}",
        "t.yaml:1:4: \"service.branch\" is not defined; in service there are name",
    );
    refused("{{ service.branch ~ 'x' }}", "t.yaml:1:4: \"service.branch\" is not defined; in service there are name");
    refused(
        "{{ service.branch | upper }}",
        "t.yaml:1:21: \"service.branch\" is not defined; in service there are name",
    );
    refused(
        "{{ service.branch | proton_cfn_sanitize }}",
        "t.yaml:1:21: \"service.branch\" is not defined; in service there are name",
    );
    refused(
        "{{ service.names | proton_cfn_iam_policy_arns }}",
        "t.yaml:1:20: \"service.names\" is not defined; did you mean service.name?",
    );
    refused(
        "{% for x in service.branch %}{% endfor %}",
        "t.yaml:1:13: \"service.branch\" is not defined; in service there are name",
    );
    refused(
        "{{ service_instance.components.other.name | default('x') }}",
        "t.yaml:1:31: \"service_instance.components.other\" is not defined; in service_instance.components there are default",
    );
}

/// Checklist 118, 119.
#[test]
fn missing_names_can_have_defaults() {
    check("[{{ service_instance.components.default.name | default(\"\") }}]", "[]");
    check("{{ environment.outputs.test | default('v') }}", "v");
    check("{{ environment.outputs.test | default }}", "");
    check("{% if service_instance.inputs.x is defined %}a{% else %}b{% endif %}", "b");
    check("{{ service_instance.components.default.outputs | length > 0 }}", "False");
}

/// Checklist 125, 126, 127.
#[test]
fn the_features_of_public_templates() {
    check("{{ (service.name~\"--\"~service_instance.name)|truncate(8, true, 'zzz', 0) }}", "frontzzz");
    check("{{ 'a b c d e f' | truncate(7, leeway=0) }}", "a b...");
    check("{{ 'abcdefgh' | truncate(5) }}", "abcdefgh");
    check("{% for x in service_instance.inputs.list %}{{ loop.index }}{{ x }} {% endfor %}", "1x 2y ");
    check("a\n{%- for x in service_instance.inputs.list %}\n- {{ x }}\n{%- endfor %}\nb", "a\n- x\n- y\nb");
    check("{% raw %}{{resolve:ssm:x}}{% endraw %} {{ '{{resolve:ssm:y}}' }}", "{{resolve:ssm:x}} {{resolve:ssm:y}}");
    check(
        "{{ service_instance.inputs.port }} {{ service_instance.inputs.ratio }} {{ service_instance.inputs.on }}",
        "8080 1.5 True",
    );
    check("!FindInMap [T, {{service.name}}, cpu]", "!FindInMap [T, front, cpu]");
    check(
        "{{ service.name.upper() }} {{ 'a-b'.split('-')[1] }} {% for k, v in vars.items() %}{{ k }}={{ v }} {% endfor %}",
        "FRONT b Output1=hello Output2=world ",
    );
    refused(
        "a: {{resolve:ssm:x}}",
        "t.yaml:1:13: not valid Jinja: unexpected `:`, expected end of variable block; dynamic references of CloudFormation must stand in {% raw %} … {% endraw %} or in {{ '…' }}",
    );
}

/// Checklist 120, 121, 122, 123.
#[test]
fn the_filters_of_proton() {
    check(
        "            {{ vars | proton_cfn_ecs_task_definition_formatted_env_vars }}",
        "            - Name: Output1\n              Value: hello\n            - Name: Output2\n              Value: world",
    );
    check(
        "          {{ vars | proton_cfn_lambda_function_formatted_env_vars }}\n",
        "          Output1: hello\n          Output2: world\n",
    );
    check(
        "  {{ loud | proton_cfn_lambda_function_formatted_env_vars }}",
        "  A: \"8080\"\n  B: \"a: b # c\"\n  C: \"true\"",
    );
    check(
        "        {{ environment.outputs | proton_cfn_iam_policy_arns }}",
        "        - arn:aws:iam::123456789012:policy/a\n        - arn:aws:iam::123456789012:policy/b",
    );
    check(
        "[{{ empty | proton_cfn_iam_policy_arns }}{{ empty | proton_cfn_lambda_function_formatted_env_vars }}]",
        "[]",
    );
    check("{{ 'This-is_valid_37' | proton_cfn_sanitize }}{{ '' | proton_cfn_sanitize }}", "This-is_valid_37");
    check(
        "{{ 'arn:aws:some-service::123456789012:some-resource/resource-name' | proton_cfn_sanitize }}",
        "arn:aws:some-service::123456789012:some-resource/resource-name",
    );
    refused(
        "{{ 'this::is::incorrect' | proton_cfn_sanitize }}",
        "t.yaml:1:28: Illegal character(s) detected in \"this::is::incorrect\". Must match regex ^[a-zA-Z0-9_-]*$ or be a valid ARN",
    );
    refused(
        "{{ loud | proton_cfn_lambda_function_formatted_env_vars(raw=False) }}",
        "t.yaml:1:11: Illegal character(s) detected in \"a: b # c\". Must match regex ^[a-zA-Z0-9_-]*$",
    );
    refused(
        "{{ vars | proton_cfn_sanitise }}",
        "t.yaml:1:11: filter proton_cfn_sanitise is unknown; did you mean proton_cfn_sanitize?",
    );
}

#[test]
fn steps_memory_and_output_are_bounded() {
    let too_much = "the template takes too many steps or too much memory";
    let doubling: String = (0..40).map(|_| "{% set a = a ~ a %}").collect();
    for source in [
        "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}".to_owned(),
        format!("{{% set a = 'xxxxxxxxxxxxxxxx' %}}{doubling}"),
    ] {
        let finding = render(&source, "t", &Map::new()).err().expect("it is bounded");
        assert_eq!(finding.message, too_much);
    }
    let million = "{% set a = 'x' * 1000000 %}";
    let shared = format!("{{% set a = ['x'] %}}{}", "{% set a = [a, a] %}".repeat(60));
    for source in [
        format!("{million}{{{{ a.replace('x', a) }}}}"),
        format!("{million}{{{{ a.replace('x', a, 1000000) }}}}"),
        format!("{million}{{{{ a.join([a] * 1000) }}}}"),
        format!("{million}{{{{ ('{{0}}' * 1000).format(a) }}}}"),
        format!("{million}{{{{ ('{{b}}' * 1000).format(b=a) }}}}"),
        format!("{shared}{{{{ a }}}}"),
        format!("{shared}{{{{ '{{}}'.format(a) }}}}"),
        format!("{shared}{{{{ '{{a}}'.format(a=a) }}}}"),
        format!("{shared}{{{{ ','.join([a]) }}}}"),
        format!("{shared}{{{{ a | proton_cfn_sanitize }}}}"),
        format!("{shared}{{{{ a | truncate(5) }}}}"),
        format!("{shared}{{{{ {{'A': a}} | proton_cfn_lambda_function_formatted_env_vars }}}}"),
    ] {
        let finding = render(&source, "t", &Map::new()).err().expect("it is bounded");
        assert_eq!(finding.message, too_much, "{source}");
    }
    let deep = format!("{{% set a = [] %}}{}", "{% set a = [a] %}".repeat(12_000));
    assert!(render(&deep, "t", &Map::new()).is_ok(), "it is taken apart again");
    for source in [format!("{deep}{{{{ a }}}}"), format!("{deep}{{{{ a | proton_cfn_sanitize }}}}")] {
        let finding = render(&source, "t", &Map::new()).err().expect("it is bounded");
        assert_eq!(finding.message, "values nest at most 100 levels deep");
    }
    check("{{ '{:>5}|{}|{name}'.format(1, [2], name='x') }}", "    1|[2]|x");
    check(
        "{{ 'a-b-c'.replace('-', '+') }} {{ 'a-b-c'.replace('-', '+', 1) }} {{ ','.join(['a', 1]) }}",
        "a+b+c a+b-c a,1",
    );
    for source in [
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ 'x' | indent(1000000000) }}{{ [1] | batch(1000000000, 0) | list }}",
        "{{ [1] | slice(1000000000) | list }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'x' * 1000000000 }}",
        "{% include 'x' %}",
        "{{ debug() }}",
        "{{ namespace() }}",
    ] {
        assert!(render(source, "t", &Map::new()).is_err(), "{source}");
    }
}

#[test]
fn lines_lead_back_to_the_template() {
    let source = "a\n{% for x in service_instance.inputs.list %}\n  {{ x }}\n  z\n{% endfor %}\nb";
    let rendered = render(source, "t", &namespaces()).map_err(|finding| finding.to_string()).expect("it renders");
    let lines: Vec<(&str, usize)> =
        rendered.text.lines().enumerate().map(|(at, line)| (line, rendered.source_line(at + 1))).collect();
    assert_eq!(lines, [("a", 1), ("", 2), ("  x", 3), ("  z", 4), ("", 2), ("  y", 3), ("  z", 4), ("", 5), ("b", 6)]);
}
