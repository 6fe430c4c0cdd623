// Starts mockoon-cli and standin on the same environments and compares what they answer to the same requests:
// status, headers and body; messages of WebSockets; and the callbacks that a server of the test receives. Each file in
// environments/ has its requests under "requests" ("x-requests" in OpenAPI documents), a key that Mockoon drops.
//
// STANDIN_BIN names the binary.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { parse as parseYaml } from "yaml";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "environments");
const files = readdirSync(source).filter((name) => statSync(join(source, name)).isFile()).sort();
const standin = process.env.STANDIN_BIN ?? join(here, "../../target/debug/standin");
const mockoon = join(here, "node_modules/.bin/mockoon-cli");

// What transports write, not environments.
const UNCOMPARED = new Set(["date", "connection", "keep-alive"]);
// What Node's fetch says of itself.
const UNCOMPARED_OF_CALLS = new Set([...UNCOMPARED, "host", "user-agent", "accept-language", "accept-encoding", "sec-fetch-mode"]);
const TOKEN = "a-token-for-tests";
const PATIENCE = 20_000;
const flags = [
  "--faker-seed", "1", "--admin-api-token", TOKEN, "--disable-log-to-file", "--max-callback-depth", "20",
  "--watch", "--polling-interval", "100",
];

const children = [];
let folder;
let upstream;
let ports;

async function freePorts(count) {
  const servers = [];
  for (let index = 0; index < count; index += 1) {
    const server = createServer();
    await new Promise((resolve) => server.listen(0, resolve));
    servers.push(server);
  }
  const found = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return found;
}

// Waits until something is there.
async function until(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(10);
  }
}

function collected(stream) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    stream.on("data", (piece) => pieces.push(piece));
    stream.on("error", reject);
    stream.on("end", () => resolve(Buffer.concat(pieces).toString("latin1")));
  });
}

// What proxies pass requests on to, and where callbacks go. It remembers the latter.
async function startUpstream() {
  const calls = [];
  const server = http.createServer(async (request, response) => {
    const body = await collected(request);
    const kept = Object.entries(request.headers).filter(([name]) => !UNCOMPARED_OF_CALLS.has(name)).sort();
    const seen = { method: request.method, url: request.url, headers: Object.fromEntries(kept), body };
    if (request.url.startsWith("/cb/")) {
      calls.push(seen);
      return response.end("thanks");
    }
    const status = Number(request.url.match(/^\/(?:status|empty)\/(\d+)/)?.[1] ?? 200);
    response.setHeader("X-Upstream", "1");
    if (request.url === "/cookies") response.setHeader("Set-Cookie", ["a=1; Domain=example.com; Secure", "b=2; secure; Path=/"]);
    if (request.url === "/same-header") response.setHeader("ETag", '"theirs"');
    if (request.url === "/redirect") {
      response.writeHead(302, { location: "/elsewhere" });
      return response.end();
    }
    response.statusCode = status;
    if (request.url.startsWith("/empty")) return response.end();
    const told = JSON.stringify(seen);
    if (request.url === "/chunks") {
      response.write(told.slice(0, 10));
      return response.end(told.slice(10));
    }
    response.setHeader("Content-Length", Buffer.byteLength(told));
    return response.end(told);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, calls, port: server.address().port };
}

// Starts one process for all environments and waits until each listens.
async function start(command, args, name) {
  const own = join(folder, name);
  cpSync(source, own, { recursive: true });
  for (const file of files) {
    const text = readFileSync(join(own, file), "utf8");
    writeFileSync(join(own, file), text.replaceAll("__UPSTREAM__", String(upstream.port)));
  }
  const taken = await freePorts(files.length);
  const child = spawn(
    command,
    [...args, "--data", ...files.map((file) => join(own, file)), "--port", ...taken.map(String), ...flags],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, TZ: "UTC", MOCKOON_GREETING: "hello" } },
  );
  children.push(child);
  let text = "";
  await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${text}`)));
    child.stdout.on("data", (piece) => {
      if (text === undefined) return;
      text += piece;
      if (text.split("Server started on port").length > files.length) {
        text = undefined;
        resolve();
      }
    });
  });
  return { ports: taken, folder: own };
}

function send(port, request) {
  const [first, ...lines] = (request.request ?? request).split("\n");
  const empty = lines.indexOf("");
  const [method, path] = first.split(" ");
  const headers = lines.slice(0, empty < 0 ? undefined : empty).map((line) => line.split(": "));
  const body = empty < 0 ? "" : lines.slice(empty + 1).join("\n");
  return new Promise((resolve, reject) => {
    const sent = (request.tls ? https : http).request({
      port,
      method,
      path,
      agent: false,
      rejectUnauthorized: false,
      // The same for both, whatever the port.
      headers: { host: "localhost:3000", ...Object.fromEntries(headers), ...(body ? { "content-length": Buffer.byteLength(body) } : {}) },
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const subject = request.subject && response.socket.getPeerCertificate().subject.CN;
      const kept = Object.entries(response.headers).filter(([name]) => !UNCOMPARED.has(name)).sort();
      collected(response).then((text) => {
        resolve({ status: response.statusCode, headers: Object.fromEntries(kept), body: text, ...(subject ? { subject } : {}) });
      }, reject);
    });
    sent.end(body);
  });
}

// Talks over a WebSocket: what it receives, and how it ends.
function talk(port, request) {
  return new Promise((resolve, reject) => {
    const received = [];
    const socket = new WebSocket(`ws://localhost:${port}${request.socket}`, {
      headers: { host: "localhost:3000", ...request.headers },
    });
    const timer = setTimeout(() => reject(new Error(`received only ${JSON.stringify(received)}`)), PATIENCE);
    const end = (how) => {
      clearTimeout(timer);
      socket.terminate();
      resolve({ received, ...how });
    };
    const isDone = () => received.length >= request.receive && !request.closed;
    socket.on("open", async () => {
      for (const text of request.send) socket.send(text);
      // Where nothing is to come, what is answered is a ping after it.
      if (request.receive === 0) socket.ping();
    });
    socket.on("pong", () => end({}));
    socket.on("message", (data) => {
      if (received.length < request.receive) received.push(data.toString());
      if (isDone()) end({});
    });
    socket.on("unexpected-response", async (_, response) => {
      end({ status: response.statusCode, type: response.headers["content-type"], body: await collected(response) });
    });
    socket.on("close", () => request.closed && end({ closed: true }));
    socket.on("error", (error) => !request.refused && reject(error));
  });
}

// A request in any of its forms: the answer, and the callbacks that came of it.
async function ask(port, request) {
  if (request.socket) return talk(port, request);
  upstream.calls.length = 0;
  let answer = await send(port, request);
  if (request.until !== undefined) {
    answer = await until(request.until, async () => {
      const last = await send(port, request);
      return last.body === request.until ? last : undefined;
    });
  }
  if (!request.callbacks) return answer;
  await until("callbacks", () => (upstream.calls.length >= request.callbacks ? true : undefined));
  const calls = structuredClone(upstream.calls).sort((a, b) => (a.url < b.url ? -1 : 1));
  for (const call of calls) {
    const boundary = call.headers["content-type"]?.match(/boundary=(.*)/)?.[1];
    if (boundary) {
      call.body = call.body.replaceAll(boundary, "BOUNDARY");
      call.headers["content-type"] = call.headers["content-type"].replace(boundary, "BOUNDARY");
    }
  }
  return { ...answer, calls };
}

// Takes out what differs by nature: ports, folders, and what a request says is drawn.
function comparable(answer, side, index, request) {
  const plain = (text) => text?.replaceAll(String(side.ports[index]), "PORT").replaceAll(side.folder, "FOLDER");
  if (answer.received) return { ...answer, received: answer.received.map(plain) };
  const body = plain(answer.body);
  if (!request.drawn) return { ...answer, body };
  const shape = body
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UUID")
    .replace(/\b(true|false)\b/g, "BOOL")
    .replace(/\b(up|down)\b/g, "WORD")
    .replace(/\d+(\.\d+)?/g, "N");
  const { "content-length": _, ...headers } = answer.headers;
  return { ...answer, headers, body: shape };
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "standin-mockoon-"));
  upstream = await startUpstream();
  const [theirs, ours] = await Promise.all([start(mockoon, ["start"], "theirs"), start(standin, ["mockoon"], "ours")]);
  ports = { theirs, ours };
});

after(() => {
  children.forEach((child) => child.kill("SIGTERM"));
  upstream?.server.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

function requestsOf(name) {
  const text = readFileSync(join(source, name), "utf8");
  const content = name.endsWith(".yaml") ? parseYaml(text) : JSON.parse(text);
  return content.requests ?? content["x-requests"];
}

for (const [index, name] of files.entries()) {
  // In order: what a request changes, the next one sees.
  test(name, async (suite) => {
    for (const request of requestsOf(name)) {
      const title = (request.socket ? `WS ${request.socket}` : (request.request ?? request)).replaceAll("\n", " ⏎ ");
      await suite.test(title.slice(0, 200), async () => {
        const { theirs, ours } = ports;
        const expected = comparable(await ask(theirs.ports[index], request), theirs, index, request);
        const actual = comparable(await ask(ours.ports[index], request), ours, index, request);
        assert.deepEqual(actual, expected);
      });
    }
  });
}

// Reads events until there are as many as wanted.
async function events(port, path, count, trigger) {
  const aborter = new AbortController();
  const response = await fetch(`http://localhost:${port}${path}`, { signal: aborter.signal });
  const reader = response.body.getReader();
  let text = "";
  let isTriggered = false;
  const found = () => text.split("\n\n").slice(0, -1).filter((event) => event.startsWith("data: "));
  try {
    while (found().length < count) {
      if (!isTriggered) {
        isTriggered = true;
        await trigger();
      }
      const { value, done } = await reader.read();
      if (done) break;
      text += Buffer.from(value).toString();
    }
  } finally {
    aborter.abort();
  }
  const kinds = found().slice(0, count).map((event) => {
    const { event: kind, transaction, dataBuckets } = JSON.parse(event.slice(6));
    return { kind, path: transaction?.request.urlPath, status: transaction?.response.statusCode, dataBuckets };
  });
  return { status: response.status, type: response.headers.get("content-type"), kinds };
}

test("events of the admin API", async () => {
  const index = files.indexOf("replaced.json");
  const told = async (side) => {
    const port = side.ports[index];
    const path = `/mockoon-admin/events?maxlogs=1&token=${TOKEN}`;
    await send(port, `POST /mockoon-admin/logs/purge\nauthorization: Bearer ${TOKEN}`);
    const events_ = await events(port, path, 3, () => send(port, "GET /seq?live"));
    return { ...events_, kinds: events_.kinds.filter(({ kind }) => kind === "transaction-complete") };
  };
  assert.deepEqual(await told(ports.ours), await told(ports.theirs));
  for (const side of [ports.ours, ports.theirs]) {
    assert.equal((await fetch(`http://localhost:${side.ports[index]}/mockoon-admin/events?token=wrong`)).status, 401);
  }
});

test("files are served anew when they change", async () => {
  const name = "old.json";
  const index = files.indexOf(name);
  for (const side of [ports.theirs, ports.ours]) {
    const content = JSON.parse(readFileSync(join(side.folder, name), "utf8"));
    content.endpointPrefix = "fresh";
    writeFileSync(join(side.folder, name), JSON.stringify(content));
    const first = content.routes[0];
    await until("the new prefix", async () => {
      // Mockoon starts its server anew; there is a moment without one.
      const answer = await send(side.ports[index], `${first.method.toUpperCase()} /fresh/${first.endpoint}`).catch(() => undefined);
      return answer?.status !== undefined && answer.status !== 404 ? answer : undefined;
    });
    const before = await send(side.ports[index], `GET /${first.endpoint}`);
    assert.equal(before.status, 404);
  }
});
