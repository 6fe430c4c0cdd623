"""What Proton makes of templates, seen through boto3: Jinja with its filters, what is refused, and what flows in."""

import textwrap

import pytest

import proton_services
from proton_services import Services, spec
from protons import environment_spec, schema_of, service_spec
from serve import Standin

OUTPUTS = {
    "Output1": "hello",
    "Output2": "world",
    "Policy": "arn:aws:iam::123456789012:policy/a",
    "Other": "arn:aws:iam::123456789012:policy/b",
    "Port": "8080",
    "Odd": "a: b # c",
    "Resource": "arn:aws:some-service::123456789012:some-resource/resource-name",
    "Wrong": "this::is::incorrect",
    "Nothing": "",
}
TOPIC = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture(scope="module")
def proton(server):
    """An account with the environment `own`, whose outputs are `OUTPUTS`."""
    proton = Services(server)
    schema = schema_of({name: {"type": "string"} for name in OUTPUTS})
    proton.environment_template("own", {"schema/schema.yaml": schema.encode()}, template_options={"provisioning": "CUSTOMER_MANAGED"})
    proton.environment("own", "own", environment_spec(**OUTPUTS), componentRoleArn=proton.role)
    proton.client.create_component(name="it", templateFile=TOPIC, manifest=proton_services.MANIFEST, environmentName="own")
    assert proton.settled_component("it")["deploymentStatus"] == "SUCCEEDED"
    return proton


def rendered(proton, text):
    """What the stack got of `text`, which is put below the resources of a component."""
    deployed = proton.recomponent("it", templateFile=f"{TOPIC}Metadata:\n{text}")
    assert deployed["deploymentStatus"] == "SUCCEEDED", deployed["deploymentStatusMessage"]
    (stack,) = proton.client.list_component_provisioned_resources(componentName="it")["provisionedResources"]
    body = proton.of("cloudformation").get_template(StackName=stack["name"])["TemplateBody"]
    return body.split("Metadata:\n", 1)[1]


def refused(proton, text):
    """The message of a deployment whose template cannot be rendered; its first line is `text`."""
    deployed = proton.recomponent("it", templateFile=f"{text}\n{TOPIC}")
    assert deployed["deploymentStatus"] == "FAILED", text
    return deployed["deploymentStatusMessage"]


def test_what_is_not_defined_fails_the_deployment(proton):
    """Checklist 117: with name, file, line and what there is."""
    for text, name, hint in [
        ("# {{ environment.outputs.Output }}", "environment.outputs.Output", "did you mean environment.outputs.Output1?"),
        ("# {{ nothing }}", "nothing", "here there are environment, component"),
        ("# {% if service.name == 'x' %}{% endif %}", "service.name", ""),
        ("# {% for x in environment.inputs %}{% endfor %}", "environment.inputs", "in environment there are account_id, name, outputs"),
        ("# {{ component.nme ~ 'x' }}", "component.nme", "did you mean component.name?"),
        ("# {{ component.nme | upper }}", "component.nme", ""),
        ("# {{ component.nme | proton_cfn_sanitize }}", "component.nme", ""),
        ("# {{ environment.none | proton_cfn_iam_policy_arns }}", "environment.none", ""),
    ]:
        message = refused(proton, text)
        first = name.split(".")[0]
        assert f'"{name}" is not defined' in message or f'"{first}" is not defined' in message, message
        assert hint in message and "cloudformation.yaml:1:" in message, message
    message = refused(proton, f"# one\n# two\n#  {{{{ component.title }}}}")
    assert 'cloudformation.yaml:3:7: "component.title" is not defined' in message
    # The lines are those of the template, also where it is the rendered text that is wrong.
    message = refused(proton, "{% for x in [1, 2, 3] %}# {{ x }}\n{% endfor %}\nA: [")
    assert "cloudformation.yaml:" in message and "not valid YAML" in message


def test_what_is_missing_can_have_a_default(proton):
    """Checklist 118."""
    for text, expect in [
        ("{{ environment.outputs.None | default('v') }}", "v"),
        ("[{{ environment.outputs.None | default }}]", "[]"),
        ("{{ environment.outputs.Output1 | default('v') }}", "hello"),
        ("{% if environment.outputs.None is defined %}a{% else %}b{% endif %}", "b"),
        ("{% if component.name is defined and component.name %}a{% endif %}", "a"),
    ]:
        assert rendered(proton, f"  Is: {text}\n") == f"  Is: {expect}\n"


def test_the_filters_of_proton(proton):
    """Checklist 120, 121, 122, 123, 124."""
    variables = "{'Output1': 'hello', 'Output2': 'world', 'Port': '8080', 'On': 'true', 'Odd': 'a: b # c'}"
    ecs, of_lambda = "proton_cfn_ecs_task_definition_formatted_env_vars", "proton_cfn_lambda_function_formatted_env_vars"
    assert rendered(proton, f"  E:\n            {{{{ {variables} | {ecs} }}}}\n") == (
        '  E:\n            - Name: Output1\n              Value: hello\n            - Name: Output2\n              Value: world\n'
        '            - Name: Port\n              Value: "8080"\n            - Name: On\n              Value: "true"\n'
        '            - Name: Odd\n              Value: "a: b # c"\n'
    )
    assert rendered(proton, f"  E:\n          {{{{ {variables} | {of_lambda} }}}}\n") == (
        '  E:\n          Output1: hello\n          Output2: world\n          Port: "8080"\n          On: "true"\n          Odd: "a: b # c"\n'
    )
    assert rendered(proton, "  P:\n        {{ environment.outputs | proton_cfn_iam_policy_arns }}\n") == (
        f"  P:\n        - {OUTPUTS['Policy']}\n        - {OUTPUTS['Other']}\n"
    )
    # The column is that of the braces, wherever they stand; nothing is an empty text.
    assert rendered(proton, f"  E: {{{{ {{'A': 'x', 'B': 'y'}} | {of_lambda} }}}}\n".replace("  E: ", "  E:\n      ")) == "  E:\n      A: x\n      B: y\n"
    assert rendered(proton, f"  E:\n    - {{{{ {{'A': 'x', 'B': 'y'}} | {of_lambda} }}}}\n") == "  E:\n    - A: x\n      B: y\n"
    for name in (ecs, of_lambda, "proton_cfn_iam_policy_arns"):
        assert rendered(proton, f"  E: [{{{{ {{}} | {name} }}}}]\n") == "  E: []\n"
    assert rendered(proton, "  E: [{{ {'A': 'x'} | proton_cfn_iam_policy_arns }}]\n") == "  E: []\n"
    for name in (ecs, of_lambda):
        assert rendered(proton, f"  E:\n    {{{{ {{'A': 'x-1_Y'}} | {name}(raw=False) }}}}\n")
        for value in ("a: b", "x y", "a.b"):
            message = refused(proton, f"# {{{{ {{'A': '{value}'}} | {name}(raw=False) }}}}")
            assert f'Illegal character(s) detected in "{value}". Must match regex ^[a-zA-Z0-9_-]*$' in message

    clean = "{{ 'This-is_valid_37' | proton_cfn_sanitize }}{{ environment.outputs.Nothing | proton_cfn_sanitize }} {{ environment.outputs.Resource | proton_cfn_sanitize }}"
    assert rendered(proton, f"  S: {clean}\n") == f"  S: This-is_valid_37 {OUTPUTS['Resource']}\n"
    message = refused(proton, "# {{ environment.outputs.Wrong | proton_cfn_sanitize }}")
    assert 'Illegal character(s) detected in "this::is::incorrect". Must match regex ^[a-zA-Z0-9_-]*$ or be a valid ARN' in message
    assert "did you mean proton_cfn_sanitize?" in refused(proton, "# {{ component.name | proton_cfn_sanitise }}")
    assert "takes an object, such as environment.outputs" in refused(proton, f"# {{{{ component.name | {ecs} }}}}")


def test_the_features_of_public_templates(proton):
    """Checklist 125."""
    for text, expect in [
        ("  T: {{ (component.name ~ '--' ~ environment.name) | truncate(6, true, 'zzz', 0) }}\n", "  T: it-zzz\n"),
        ("  T: {{ 'abcdefgh' | truncate(29, true, 'zzz', 0) }}\n", "  T: abcdefgh\n"),
        ("  T: [{% for x in ['a', 'b'] %}{{ loop.index }}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}]\n", "  T: [1a, 2b]\n"),
        ("  T:\n{%- for x in ['a', 'b'] %}\n    - {{ x }}\n{%- endfor %}\n", "  T:\n    - a\n    - b\n"),
        # Lines of blocks alone stay behind as blank ones.
        ("  T: 1\n{% if true %}\n  U: 2\n{% endif %}\n", "  T: 1\n\n  U: 2\n\n"),
        ("  T: {% if environment.outputs | length > 0 and component.name == 'it' %}yes{% else %}no{% endif %}\n", "  T: yes\n"),
        ("  T: !FindInMap [{{ component.name }}, {{environment.name}}, cpu]\n", "  T: !FindInMap [it, own, cpu]\n"),
        ("  T: {{ component.name.upper() }}{{ 'a-b'.split('-')[1] }}{{ 'x' | replace('x', 'y') }}\n", "  T: ITby\n"),
        ("  T: '{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}'\n", "  T: 'a=1'\n"),
        ("  T: [1 {#- none of this stays -#} , 2]\n", "  T: [1, 2]\n"),
        ("{% set name = component.name ~ 2 %}{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}  T: {{ twice(name) }}\n", "  T: it2it2\n"),
        # Nothing is escaped.
        ("  T: \"{{ '<&>' }}\"\n", '  T: "<&>"\n'),
    ]:
        assert rendered(proton, text) == expect, text


def test_raw_blocks_protect_dynamic_references(proton):
    """Checklist 126; and that short forms of functions stay what they are."""
    raw = "  A: '{% raw %}{{resolve:ssm:x:1}}{% endraw %}'\n  B: '{{ '{{resolve:secretsmanager:y}}' }}'\n"
    assert rendered(proton, raw) == "  A: '{{resolve:ssm:x:1}}'\n  B: '{{resolve:secretsmanager:y}}'\n"
    message = refused(proton, "# {{resolve:ssm:x}}")
    assert "not valid Jinja" in message and "dynamic references of CloudFormation must stand in {% raw %}" in message and "cloudformation.yaml:1" in message
    short = textwrap.indent(
        "A: !Ref Topic\nB: !GetAtt Topic.TopicName\nC: !Sub '${AWS::Region}-${Topic}-{{ component.name }}'\nD: !Join [',', [!Ref 'AWS::Region', \"x\"]]\n"
        "E: !If [One, !Select [0, !GetAZs ''], !Split [',', 'a,b']]\nF: !Base64 |\n  #!/bin/sh\n  echo {{ environment.name }}\nG: &anchor {x: 1}\nH: *anchor\n", "  ",
    )  # fmt: skip
    assert rendered(proton, short) == short.replace("{{ component.name }}", "it").replace("{{ environment.name }}", "own")


def test_templates_that_are_none(proton):
    for text, expect in [
        ("{{ component.name", "not valid Jinja"),
        ("{% if true %}", "not valid Jinja"),
        ("{% else %}", "not valid Jinja"),
        ("# {{ component.name | nothing_like_it }}", "nothing_like_it"),
        ("A: 1\nA: 2\n  B: [", "not valid YAML"),
        ("A: !Nonsense x", "!Nonsense"),
    ]:
        assert expect in refused(proton, text), text
    for text, expect in [("Outputs: {}\n", 'no "Resources"'), ("Resources: {A: {Properties: {}}}\n", "Type"), ("- a\n", ""), ("", "")]:
        deployed = proton.recomponent("it", templateFile=text or "{{ '' }}")
        assert deployed["deploymentStatus"] == "FAILED" and expect in deployed["deploymentStatusMessage"], text


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(10**9) %}{% endfor %}",
        "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
        "{% for a in range(10000) %}{{ 'x' * 10000 }}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ ('x' * 100000) | replace('x', 'y' * 100000) }}",
        "{{ [1] | batch(1000000000, 0) | list }}",
        "{{ [1] | slice(1000000000) | list }}",
        "{{ 'x' | indent(1000000000) }}",
        "{{ 'a\nb' | indent(1000000000) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'.zfill(1000000000) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ range(1000000000) | join(',') }}",
        "{{ range(1000000000) | list | length }}",
        "{% set a = 'x' %}" + "{% set a = a ~ a %}" * 60,
        "{% set a = ['x'] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
        "{% set a = ['x'] %}" + "{% set a = [a, a] %}" * 60 + "{{ a | proton_cfn_sanitize }}",
        "{% set a = [] %}" + "{% set a = [a] %}" * 2500 + "{{ a }}",
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) }}",
        "{{ ','.join(['x' * 100000] * 100000) }}",
        "{{ ('{0}' * 1000).format('x' * 1000000) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% include 'schema/schema.yaml' %}",
        "{% import '/etc/passwd' as x %}",
        "{% extends 'base' %}",
        "{{ debug() }}",
        "{{ namespace() }}",
        "{{ self }}{{ ''.__class__ }}",
        "{{ lipsum(1000000) }}",
        "{{ cycler }}{{ joiner }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "[" * 3000 + "]" * 3000 + " }}",
        "{% if true %}" * 2000 + "{% endif %}" * 2000,
        "A: " + "[" * 20000,
        "A: &a [x, x]\nB: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nC: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
        + "".join(f"{to}: &{to} [{', '.join([f'*{of}'] * 9)}]\n" for of, to in zip("cdefghij", "defghijk", strict=True)),
    ],
    ids=lambda text: text[:40].replace("\n", " "),
)
def test_time_memory_and_output_are_bounded(proton, text):
    """No template can take more than its share, or reach anything outside its inputs."""
    assert refused(proton, f"# {text}" if text.startswith("{") else text)


def test_components_default_is_always_there(server):
    """Checklist 119, 118: with and without a component."""
    proton = Services(server)
    template = f"""
{TOPIC}
Outputs:
  Name: {{Value: "[{{{{ service_instance.components.default.name | default('') }}}}]"}}
  Count: {{Value: "{{{{ service_instance.components.default.outputs | length }}}}"}}
  Deep: {{Value: "{{{{ service_instance.components.default.outputs.Size | default('none') }}}}"}}
  Whole: {{Value: "{{{{ service_instance.components }}}}"}}
  Old: {{Value: "{{{{ service_instance.environment.outputs.Size }}}} {{{{ environment.account_id }}}} {{{{ environment.name }}}}"}}
"""
    proton.environment_template()
    proton.environment(componentRoleArn=proton.role)
    proton.service_template(bundle=proton_services.bundle({"instance_infrastructure/cloudformation.yaml": template}), supportedComponentSources=["DIRECTLY_DEFINED"])
    proton.client.update_account_settings(pipelineServiceRoleArn=proton.role)
    made = proton.make(spec("dev").replace("pipeline: {}", "pipeline: {command: x}"))
    assert proton.instance("dev")["deploymentStatus"] == "SUCCEEDED", made["statusMessage"]
    bare = proton.instance_outputs("dev")
    assert (bare["Name"], bare["Count"], bare["Deep"]) == ("[]", "0", "none")
    assert bare["Old"] == f"small {proton.account} env"
    proton.component(serviceName="svc", serviceInstanceName="dev")
    assert proton.redeploy("dev")["deploymentStatus"] == "SUCCEEDED"
    full = proton.instance_outputs("dev")
    assert (full["Name"], full["Count"], full["Deep"]) == ("[table]", "1", "table in env")


def test_values_keep_their_types(server):
    """Checklist 127, 64: numbers, booleans, lists and objects of a spec in a template; defaults in nested types."""
    proton = Services(server)
    schema = """
schema:
  format: {openapi: "3.0.0"}
  service_input_type: "Instance"
  types:
    Instance:
      type: object
      properties:
        port: {type: integer, default: 80}
        ratio: {type: number}
        on: {type: boolean, default: false}
        names: {type: array, items: {type: string}}
        nested: {$ref: "#/Nested"}
        text: {type: string, default: "007"}
    Nested:
      type: object
      properties: {zone: {type: string, default: "a"}}
"""
    template = f"""
{TOPIC}
Metadata:
  Port: {{{{ service_instance.inputs.port }}}}
  Ratio: {{{{ service_instance.inputs.ratio }}}}
  On: {{% if service_instance.inputs.on %}}yes{{% else %}}no{{% endif %}}
  Sum: {{{{ service_instance.inputs.port + 1 }}}}
  Names: [{{% for name in service_instance.inputs.names %}}{{{{ name }}}}{{{{ ", " if not loop.last }}}}{{% endfor %}}]
  Zone: {{{{ service_instance.inputs.nested.zone | default('none') }}}}
  Text: "{{{{ service_instance.inputs.text }}}}"
  Extra: "{{{{ service_instance.inputs.extra | default('ignored') }}}}"
"""
    proton.environment_template()
    proton.environment()
    files = {"schema/schema.yaml": schema, "instance_infrastructure/cloudformation.yaml": template}
    bundle = {path: text for path, text in proton_services.bundle(files).items() if not path.startswith("pipeline")}
    proton.service_template(bundle=bundle, template_options={"pipelineProvisioning": "CUSTOMER_MANAGED"})
    inputs = {"ratio": 0.5, "on": True, "names": ["x", "y"], "nested": {}, "extra": "unknown"}
    proton.service(spec=service_spec({"dev": ("env", inputs)}))
    assert proton.instance("dev")["deploymentStatus"] == "SUCCEEDED", proton.instance("dev").get("deploymentStatusMessage")
    (stack,) = proton.client.list_service_instance_provisioned_resources(serviceName="svc", serviceInstanceName="dev")["provisionedResources"]
    body = proton.of("cloudformation").get_template(StackName=stack["name"])["TemplateBody"]
    assert body.split("Metadata:\n")[1] == '  Port: 80\n  Ratio: 0.5\n  On: yes\n  Sum: 81\n  Names: [x, y]\n  Zone: a\n  Text: "007"\n  Extra: "unknown"\n'


def test_a_pipeline_sees_its_instances_in_the_order_of_the_spec(server):
    """`service_instances[]` with names, inputs, outputs and environments."""
    proton = Services(server)
    template = f"""
{TOPIC}
Outputs:
  All:
    Value: "{{% for it in service_instances %}}{{{{ loop.index }}}} {{{{ it.name }}}} {{{{ it.inputs.size }}}} {{{{ it.outputs.Size }}}} {{{{ it.environment.name }}}} {{{{ it.environment.account_id }}}} {{{{ it.environment.outputs.Size }}}};{{% endfor %}}"
  Count: {{Value: "{{{{ service_instances | length }}}} {{{{ service_instances[0].name }}}}"}}
  Service: {{Value: "{{{{ service.name }}}} {{{{ service.repository_connection_arn }}}}"}}
"""
    proton.environment_template()
    proton.environment()
    proton.environment("two", spec=environment_spec(size="huge"))
    proton.service_template(bundle=proton_services.bundle({"pipeline_infrastructure/cloudformation.yaml": template}))
    proton.client.update_account_settings(pipelineServiceRoleArn=proton.role)
    text = service_spec({"z": ("env", {"size": "large"}), "a": ("two", {})}, {})
    proton.active(text)
    shown = proton.pipeline_outputs()
    assert shown["All"] == f"1 z large large env {proton.account} small;2 a small small two {proton.account} huge;"
    assert (shown["Count"], shown["Service"]) == ("2 z", f"svc {proton.source['repositoryConnectionArn']}")


def test_a_namespace_that_is_not_for_the_template(server):
    """Inputs of an environment are not visible to services, and outputs of others not to an environment."""
    proton = Services(server).ready()
    for file, text, name in [
        ("instance_infrastructure/cloudformation.yaml", "{{ environment.inputs.size }}", "environment.inputs"),
        ("instance_infrastructure/cloudformation.yaml", "{{ pipeline.inputs.command }}", "pipeline"),
        ("instance_infrastructure/cloudformation.yaml", "{{ service_instances }}", "service_instances"),
        ("pipeline_infrastructure/cloudformation.yaml", "{{ environment.name }}", "environment"),
        ("pipeline_infrastructure/cloudformation.yaml", "{{ service_instance.name }}", "service_instance"),
    ]:
        bundle = proton_services.bundle({file: f"{TOPIC}# {text}\n"})
        version = proton.published("service", "svc", bundle, majorVersion="1", compatibleEnvironmentTemplates=[{"templateName": "env", "majorVersion": "1"}])
        made = proton.make(spec("dev"), f"svc{version['minorVersion']}", templateMinorVersion=version["minorVersion"])
        message = proton.instance("dev", made["name"]).get("deploymentStatusMessage") or made["pipeline"]["deploymentStatusMessage"]
        assert made["status"] == "CREATE_FAILED" and f'{file}:4:' in message and f'"{name}" is not defined' in message, message
