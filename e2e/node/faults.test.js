// Faults as the JavaScript SDK v3 meets them: what it retries, and what it takes for throttling, timeouts and a wrong clock.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { DescribeVpcsCommand, EC2Client } from "@aws-sdk/client-ec2";
import { ListEnvironmentsCommand, MWAAClient } from "@aws-sdk/client-mwaa";
import { ListServicesCommand, ProtonClient } from "@aws-sdk/client-proton";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { isClockSkewError, isThrottlingError, isTransientError } from "@smithy/service-error-classification";

import { start } from "./standin.js";

let server;

before(async () => {
  server = await start("--seed", "7");
});

after(() => server?.stop());
beforeEach(() => rules());

async function admin(method, path, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${server.url}${path}`, { method, headers, body: JSON.stringify(body) });
  const text = await response.text();
  assert.ok(response.ok, text);
  return text ? JSON.parse(text) : null;
}

const rules = (...list) => admin("PUT", "/_standin/faults", list);
const hits = async () => (await admin("GET", "/_standin/faults")).faults[0].hit;

function client(Kind, more = {}) {
  return new Kind({
    region: "eu-west-1",
    endpoint: server.url,
    credentials: { accessKeyId: "444455556666", secretAccessKey: "x" },
    maxAttempts: 1,
    disableHostPrefix: true,
    ...more,
  });
}

const CALLS = [
  [DynamoDBClient, ListTablesCommand, "dynamodb"],
  [EC2Client, DescribeVpcsCommand, "ec2"],
  [MWAAClient, ListEnvironmentsCommand, "mwaa"],
  [ProtonClient, ListServicesCommand, "proton"],
  [S3Client, ListBucketsCommand, "s3"],
  [SQSClient, ListQueuesCommand, "sqs"],
  [STSClient, GetCallerIdentityCommand, "sts"],
];

async function failure(Kind, Command, more) {
  try {
    await client(Kind, more).send(new Command({}));
  } catch (error) {
    return error;
  }
  assert.fail("the call went well");
}

for (const [Kind, Command, service] of CALLS) {
  test(`${service}: throttling is throttling`, async () => {
    await rules({ service, error: "throttling" });
    const error = await failure(Kind, Command);
    assert.ok(isThrottlingError(error), error.name);
    await rules({ service, error: "throttling", first: 1 });
    const answer = await client(Kind, { maxAttempts: 3 }).send(new Command({}));
    assert.equal(answer.$metadata.attempts, 2);
  });

  test(`${service}: errors of the server are transient`, async () => {
    await rules({ service, error: "server" });
    const error = await failure(Kind, Command);
    assert.ok(error.$fault === "server" || isTransientError(error), error.name);
    await rules({ service, error: "server", first: 1 });
    const answer = await client(Kind, { maxAttempts: 3 }).send(new Command({}));
    assert.equal(answer.$metadata.attempts, 2);
  });

  test(`${service}: the clock is corrected`, async () => {
    await rules({ service, skew: "20m" });
    const once = await failure(Kind, Command);
    assert.ok(isClockSkewError(once), once.name);
    const corrected = client(Kind, { maxAttempts: 2 });
    assert.equal((await corrected.send(new Command({}))).$metadata.attempts, 2);
    // From then on it signs by the server's clock.
    assert.equal((await corrected.send(new Command({}))).$metadata.attempts, 1);
  });
}

test("silence is a timeout, and retried", async () => {
  await rules({ service: "sqs", network: "hang" });
  const requestHandler = { requestTimeout: 300, throwOnRequestTimeout: true };
  const error = await failure(SQSClient, ListQueuesCommand, { requestHandler });
  assert.equal(error.name, "TimeoutError");
  assert.ok(isTransientError(error));
  await rules({ service: "sqs", network: "hang", first: 1 });
  const answer = await client(SQSClient, { maxAttempts: 2, requestHandler }).send(new ListQueuesCommand({}));
  assert.equal(answer.$metadata.attempts, 2);
});

test("a reset connection is retried", async () => {
  for (const rule of [{ service: "sqs", network: "reset-before" }, { network: "refuse" }]) {
    await rules({ ...rule, id: "reset", first: 1 });
    const answer = await client(SQSClient, { maxAttempts: 2 }).send(new ListQueuesCommand({}));
    assert.equal(answer.$metadata.attempts, 2);
    assert.equal(await hits(), 1);
  }
});
