// The official JavaScript SDK v3 against the standin binary.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CloudWatchClient, ListMetricsCommand, GetDashboardCommand } from "@aws-sdk/client-cloudwatch";
import { DynamoDBClient, GetItemCommand, ListTablesCommand, ResourceNotFoundException } from "@aws-sdk/client-dynamodb";
import { DescribeInstancesCommand, EC2Client, EC2ServiceException } from "@aws-sdk/client-ec2";
import { InvokeCommand, InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CreateCliTokenCommand, GetEnvironmentCommand, ListEnvironmentsCommand, MWAAClient } from "@aws-sdk/client-mwaa";
import { ListServicesCommand, ProtonClient, paginateListServices } from "@aws-sdk/client-proton";
import { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, GetQueueUrlCommand, QueueDoesNotExist, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

import { start } from "./standin.js";

let server, url;

before(async () => {
  server = await start("--stateless");
  url = server.url;
});

after(() => server?.stop());

function client(Kind, more = {}) {
  return new Kind({
    region: "eu-west-1",
    endpoint: url,
    credentials: { accessKeyId: "444455556666", secretAccessKey: "x" },
    maxAttempts: 1,
    disableHostPrefix: true,
    ...more,
  });
}

async function can(service, operation, answer) {
  const response = await fetch(`${url}/_standin/responses`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify([{ service, operation, ...answer }]),
  });
  assert.equal(response.ok, true, await response.text());
}

test("query: STS tells the account of the key", async () => {
  const identity = await client(STSClient).send(new GetCallerIdentityCommand({}));
  assert.equal(identity.Account, "444455556666");
});

test("rest-json: MWAA", async () => {
  const mwaa = client(MWAAClient);
  assert.ok((await mwaa.send(new ListEnvironmentsCommand({}))).Environments.length);
  const { Environment } = await mwaa.send(new GetEnvironmentCommand({ Name: "birds" }));
  assert.equal(Environment.Name, "birds");
  assert.ok(Environment.CreatedAt instanceof Date);
  assert.ok((await mwaa.send(new CreateCliTokenCommand({ Name: "birds" }))).CliToken);
});

test("json 1.0: Proton, with pages", async () => {
  const proton = client(ProtonClient);
  assert.ok((await proton.send(new ListServicesCommand({}))).services.length);
  let pages = 0;
  for await (const page of paginateListServices({ client: proton }, {})) {
    assert.ok(page.services);
    assert.ok(++pages < 10);
  }
});

test("json: DynamoDB and its typed error", async () => {
  const dynamodb = client(DynamoDBClient);
  assert.ok((await dynamodb.send(new ListTablesCommand({}))).TableNames.length);
  await can("dynamodb", "GetItem", { error: { code: "ResourceNotFoundException", message: "no table" } });
  await assert.rejects(dynamodb.send(new GetItemCommand({ TableName: "birds", Key: { id: { S: "1" } } })), (error) => {
    assert.ok(error instanceof ResourceNotFoundException);
    return error.message === "no table";
  });
});

test("json, query compatible: SQS and its typed error", async () => {
  const sqs = client(SQSClient);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "birds" }));
  assert.ok(QueueUrl.startsWith(url));
  await can("sqs", "GetQueueUrl", { error: { code: "QueueDoesNotExist", message: "none" } });
  await assert.rejects(sqs.send(new GetQueueUrlCommand({ QueueName: "x" })), QueueDoesNotExist);
});

test("json: SQS checks the MD5 of what it sent", async () => {
  const sent = await client(SQSClient).send(new SendMessageCommand({ QueueUrl: `${url}/444455556666/birds`, MessageBody: "ünï" }));
  assert.ok(sent.MessageId);
});

test("cbor or query: CloudWatch and its typed error", async () => {
  const cloudwatch = client(CloudWatchClient);
  assert.ok((await cloudwatch.send(new ListMetricsCommand({}))).Metrics.length);
  await can("cloudwatch", "GetDashboard", { error: { code: "DashboardNotFoundError", message: "none" } });
  await assert.rejects(cloudwatch.send(new GetDashboardCommand({ DashboardName: "d" })), (error) =>
    ["DashboardNotFoundError", "ResourceNotFound"].includes(error.name),
  );
});

test("ec2: instances and an error", async () => {
  const ec2 = client(EC2Client);
  assert.ok((await ec2.send(new DescribeInstancesCommand({}))).Reservations.length);
  await can("ec2", "DescribeInstances", { error: { code: "InvalidInstanceID.NotFound", message: "none", status: 400 } });
  await assert.rejects(ec2.send(new DescribeInstancesCommand({})), (error) => {
    assert.ok(error instanceof EC2ServiceException);
    return error.name === "InvalidInstanceID.NotFound";
  });
});

test("rest-xml: S3, up and down, with checksums and a typed error", async () => {
  const s3 = client(S3Client, { forcePathStyle: true });
  assert.ok((await s3.send(new PutObjectCommand({ Bucket: "birds", Key: "Grüße/ü +.txt", Body: "x".repeat(100000) }))).ETag);
  const got = await s3.send(new GetObjectCommand({ Bucket: "birds", Key: "heron" }));
  assert.ok((await got.Body.transformToString()).length);
  await can("s3", "GetObject", { error: { code: "NoSuchKey", message: "gone" } });
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket: "birds", Key: "heron" })), NoSuchKey);
});

test("event stream: Lambda", async () => {
  const lambda = client(LambdaClient);
  assert.ok((await lambda.send(new InvokeCommand({ FunctionName: "heron", Payload: "{}" }))).Payload.length);
  const streamed = await lambda.send(new InvokeWithResponseStreamCommand({ FunctionName: "heron" }));
  let events = 0;
  for await (const event of streamed.EventStream) {
    assert.ok(Object.keys(event).length);
    events += 1;
  }
  assert.ok(events);
});
