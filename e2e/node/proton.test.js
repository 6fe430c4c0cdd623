// The life of an environment, a service with a pipeline and a component by the official JavaScript SDK: every one of its ten waiters
// ends.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";

import * as proton from "@aws-sdk/client-proton";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

import { start } from "./standin.js";

const ACCOUNT = "444455556666";
const ROLE = `arn:aws:iam::${ACCOUNT}:role/proton`;
const MANIFEST = "infrastructure:\n  templates:\n    - {file: t.yaml, rendering_engine: jinja, template_language: cloudformation}\n";
const TYPE = "  types:\n    T: {type: object, properties: {colour: {type: string, default: grey}}}\n";
const schema = (...types) => `schema:\n  format: {openapi: "3.0.0"}\n${types.map((type) => `  ${type}: T\n`).join("")}${TYPE}`;
const template = (type, ...outputs) =>
  `Resources:\n  Bird: {Type: "${type}"}\nOutputs:\n  Bird: {Value: !Ref Bird}\n${outputs.map(([name, value]) => `  ${name}: {Value: "${value}"}\n`).join("")}`;

let server, client, s3;

before(async () => {
  server = await start();
  const options = { region: "eu-west-1", endpoint: server.url, credentials: { accessKeyId: ACCOUNT, secretAccessKey: "x" }, maxAttempts: 1 };
  client = new proton.ProtonClient(options);
  s3 = new S3Client({ ...options, forcePathStyle: true });
});

after(() => server?.stop());

const send = (operation, input) => client.send(new proton[`${operation}Command`](input));
const wait = (what, input) => proton[`waitUntil${what}`]({ client, maxWaitTime: 60, minDelay: 0.05, maxDelay: 0.2 }, input);

/** A .tar.gz of texts by path. */
function packed(files) {
  const blocks = [];
  for (const [path, text] of Object.entries(files)) {
    const body = Buffer.from(text);
    const head = Buffer.alloc(512);
    head.write(path, 0);
    head.write("0000644\0", 100);
    head.write(body.length.toString(8).padStart(11, "0") + "\0", 124);
    head.write("00000000000\0", 136);
    head.write("        0", 148);
    head.write("ustar\x0000", 257);
    head.write(head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\0 ", 148);
    blocks.push(head, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

async function publish(kind, name, files, template = {}, version = {}) {
  await s3.send(new PutObjectCommand({ Bucket: "bundles", Key: name, Body: packed(files) }));
  await send(`Create${kind}Template`, { name, ...template });
  await send(`Create${kind}TemplateVersion`, { templateName: name, source: { s3: { bucket: "bundles", key: name } }, ...version });
  const which = { templateName: name, majorVersion: "1", minorVersion: "0" };
  await wait(`${kind}TemplateVersionRegistered`, which);
  await send(`Update${kind}TemplateVersion`, { ...which, status: "PUBLISHED" });
}

test("from uploaded templates to a deleted environment", async () => {
  await s3.send(new CreateBucketCommand({ Bucket: "bundles", CreateBucketConfiguration: { LocationConstraint: "eu-west-1" } }));
  await publish("Environment", "pond", {
    "schema/schema.yaml": schema("environment_input_type"),
    "infrastructure/manifest.yaml": MANIFEST,
    "infrastructure/t.yaml": template("AWS::SNS::Topic", ["Colour", "{{ environment.inputs.colour }}"]),
  });
  await publish(
    "Service",
    "heron",
    {
      "schema/schema.yaml": schema("service_input_type", "pipeline_input_type"),
      "instance_infrastructure/manifest.yaml": MANIFEST,
      "instance_infrastructure/t.yaml": template("AWS::SQS::Queue", ["Colour", "{{ service_instance.inputs.colour }} on {{ environment.outputs.Colour }}"]),
      "pipeline_infrastructure/manifest.yaml": MANIFEST,
      "pipeline_infrastructure/t.yaml": template("AWS::SNS::Topic"),
    },
    {},
    { compatibleEnvironmentTemplates: [{ templateName: "pond", majorVersion: "1" }], supportedComponentSources: ["DIRECTLY_DEFINED"] },
  );
  await send("UpdateAccountSettings", { pipelineServiceRoleArn: ROLE });

  const environment = { name: "pond", templateName: "pond", templateMajorVersion: "1", spec: "proton: EnvironmentSpec\nspec: {}\n" };
  await send("CreateEnvironment", { ...environment, protonServiceRoleArn: ROLE, componentRoleArn: ROLE });
  await wait("EnvironmentDeployed", { name: "pond" });

  const spec = "proton: ServiceSpec\npipeline: {}\ninstances:\n  - {name: one, environment: pond, spec: {colour: white}}\n";
  const repository = { repositoryConnectionArn: `arn:aws:codestar-connections:eu-west-1:${ACCOUNT}:connection/c`, repositoryId: "me/heron", branchName: "main" };
  await send("CreateService", { name: "heron", templateName: "heron", templateMajorVersion: "1", spec, ...repository });
  await wait("ServiceCreated", { name: "heron" });
  await wait("ServicePipelineDeployed", { name: "heron" });
  const one = { serviceName: "heron", serviceInstanceName: "one" };
  const outputs = (await send("ListServiceInstanceOutputs", one)).outputs.map(({ key, valueString }) => [key, valueString]);
  assert.equal(Object.fromEntries(outputs).Colour, "white on grey");

  await send("UpdateService", { name: "heron", spec: spec + "  - {name: two, environment: pond, spec: {}}\n" });
  await wait("ServiceUpdated", { name: "heron" });
  await send("UpdateServiceInstance", { serviceName: "heron", name: "two", deploymentType: "CURRENT_VERSION" });
  await wait("ServiceInstanceDeployed", { serviceName: "heron", name: "two" });
  const instances = [];
  for await (const page of proton.paginateListServiceInstances({ client, pageSize: 1 }, {})) instances.push(...page.serviceInstances.map(({ name }) => name));
  assert.deepEqual(instances, ["one", "two"]);

  const file = "Resources:\n  Table:\n    Type: AWS::SNS::Topic\n";
  await send("CreateComponent", { name: "nest", serviceName: "heron", serviceInstanceName: "one", templateFile: file, manifest: MANIFEST });
  await wait("ComponentDeployed", { name: "nest" });
  await assert.rejects(send("DeleteService", { name: "heron" }), proton.ConflictException);
  await send("UpdateComponent", { name: "nest", deploymentType: "CURRENT_VERSION", templateFile: file, serviceName: "", serviceInstanceName: "" });
  await wait("ComponentDeployed", { name: "nest" });
  await send("DeleteComponent", { name: "nest" });
  await wait("ComponentDeleted", { name: "nest" });
  await send("DeleteService", { name: "heron" });
  await wait("ServiceDeleted", { name: "heron" });
  await send("DeleteEnvironment", { name: "pond" });
  const gone = async () => {
    for (;;) {
      await send("GetEnvironment", { name: "pond" });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await assert.rejects(gone(), proton.ResourceNotFoundException);

  const runs = [];
  for await (const page of proton.paginateListDeployments({ client, pageSize: 3 }, {})) runs.push(...page.deployments);
  assert.ok(runs.length >= 13, `${runs.length} runs`);
  assert.deepEqual([...new Set(runs.map((run) => run.deploymentStatus))].sort(), ["DELETE_COMPLETE", "SUCCEEDED"]);
});
