// Starts the standin binary for tests.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

function binary() {
  if (process.env.STANDIN_BIN) return process.env.STANDIN_BIN;
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
  const built = ["release", "debug"].map((kind) => join(target, kind, "standin")).filter((path) => existsSync(path));
  assert.ok(built.length, "no standin binary: run `cargo build --release`, or set STANDIN_BIN");
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

function freePort() {
  return new Promise((resolve) => {
    const listener = createServer().listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

/** A server on a free port, once it is ready: its URL, and how to stop it. */
export async function start(...options) {
  const port = await freePort();
  const server = spawn(binary(), ["serve", "--listen", `127.0.0.1:${port}`, "--log", "warn", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => {
    let text = "";
    server.stdout.on("data", (chunk) => {
      text += chunk;
      if (/Ready\.\n/.test(text)) resolve();
    });
    server.on("exit", (code) => reject(new Error(`standin ended with ${code}: ${text}`)));
  });
  return { url: `http://127.0.0.1:${port}`, stop: () => server.kill("SIGTERM") };
}
