// Starts mockoon-cli and standin on the same environments and compares what they answer to the same requests:
// status, headers and body. Each file in environments/ has its requests under "requests", a key that Mockoon drops.
//
// STANDIN_BIN names the binary.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, "environments");
const files = readdirSync(folder).filter((name) => name.endsWith(".json")).sort();
const standin = process.env.STANDIN_BIN ?? join(here, "../../target/debug/standin");
const mockoon = join(here, "node_modules/.bin/mockoon-cli");

// What transports write, not environments.
const UNCOMPARED = new Set(["date", "connection", "keep-alive"]);
const TOKEN = "a-token-for-tests";
const flags = ["--faker-seed", "1", "--admin-api-token", TOKEN, "--disable-log-to-file"];

const children = [];

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Starts one process for all environments and waits until each listens.
async function start(command, args) {
  const ports = [];
  for (const _ of files) ports.push(await freePort());
  const child = spawn(
    command,
    [...args, "--data", ...files.map((name) => join(folder, name)), "--port", ...ports.map(String), ...flags],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, TZ: "UTC", MOCKOON_GREETING: "hello" } },
  );
  children.push(child);
  let started = 0;
  let text = "";
  await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${text}`)));
    child.stdout.on("data", (piece) => {
      text += piece;
      started = text.split("Server started on port").length - 1;
      if (started === files.length) resolve();
    });
  });
  return ports;
}

function send(port, request) {
  const [first, ...lines] = (request.request ?? request).split("\n");
  const empty = lines.indexOf("");
  const [method, path] = first.split(" ");
  const headers = lines.slice(0, empty < 0 ? undefined : empty).map((line) => line.split(": "));
  const body = empty < 0 ? "" : lines.slice(empty + 1).join("\n");
  return new Promise((resolve, reject) => {
    const sent = http.request({
      port,
      method,
      path,
      agent: false,
      // The same for both, whatever the port.
      headers: { host: "localhost:3000", ...Object.fromEntries(headers), ...(body ? { "content-length": Buffer.byteLength(body) } : {}) },
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const kept = Object.entries(response.headers).filter(([name]) => !UNCOMPARED.has(name)).sort();
        resolve({ status: response.statusCode, headers: Object.fromEntries(kept), body: Buffer.concat(pieces).toString("latin1") });
      });
    });
    sent.end(body);
  });
}

// Takes out what differs by nature: ports, and what a request says is drawn.
function comparable(answer, port, request) {
  const body = answer.body.replaceAll(String(port), "PORT");
  if (!request.drawn) return { ...answer, body };
  const shape = body.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UUID").replace(/\d+/g, "N");
  const { "content-length": _, ...headers } = answer.headers;
  return { ...answer, headers, body: shape };
}

let ports;

before(async () => {
  const [theirs, ours] = await Promise.all([start(mockoon, ["start"]), start(standin, ["mockoon"])]);
  ports = { theirs, ours };
});

after(() => children.forEach((child) => child.kill("SIGTERM")));

for (const [index, name] of files.entries()) {
  const { requests } = JSON.parse(readFileSync(join(folder, name), "utf8"));
  // In order: what a request changes, the next one sees.
  test(name, async (suite) => {
    for (const request of requests) {
      const title = (request.request ?? request).replaceAll("\n", " ⏎ ");
      await suite.test(title, async () => {
        const [theirs, ours] = [ports.theirs[index], ports.ours[index]];
        const expected = comparable(await send(theirs, request), theirs, request);
        const actual = comparable(await send(ours, request), ours, request);
        assert.deepEqual(actual, expected);
      });
    }
  });
}
