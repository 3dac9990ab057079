/**
 * What a sealed, logged and receipted answer cannot do without, each by itself on the platform's own functions and none of
 * ours: the cryptography, the disk's syncs, a hop to a thread, and an exchange with a second process.
 */
import {
  createCipheriv,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { once } from "node:events";
import { closeSync, constants, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { startProgram } from "../program.ts";
import { repository } from "../suite.ts";

/** A part: `run` does it once. */
export interface Part {
  readonly name: string;
  /** What one run does. */
  readonly detail: string;
  run(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** Bytes of the shipped model's sealed request, sealed answer and record. */
const REQUEST_BYTES = 1500;
const ANSWER_BYTES = 2500;
const RECORD_BYTES = 6000;
const LEAF_BYTES = 180;

const nothing = () => undefined;

/** Calls of HMAC-SHA256 in HPKE base mode with an export and in the response keys of RFC 9458, at both ends. */
const HMACS = 26;
/** Requests and answers are each sealed once and opened once; the stored answer is one more. */
const CIPHERS = 5;
/** Bodies, legs, decisions, receipts, leaves and tree nodes, at caller, gateway and worker. */
const HASHES = 24;

function agree(privateKey: KeyObject, publicKey: KeyObject): void {
  diffieHellman({ privateKey, publicKey });
}

/** X25519 twice with a fresh key, two signatures and one check of one. */
export function cryptography(): Part {
  const own = generateKeyPairSync("x25519");
  const signer = generateKeyPairSync("ed25519");
  const [key, nonce] = [randomBytes(32), randomBytes(12)];
  const [message, answer] = [randomBytes(1200), randomBytes(ANSWER_BYTES)];
  const run = () => {
    const fresh = generateKeyPairSync("x25519");
    agree(fresh.privateKey, own.publicKey);
    agree(own.privateKey, fresh.publicKey);
    for (let index = 0; index < HMACS; index++) createHmac("sha256", key).update(nonce).digest();
    for (let index = 0; index < CIPHERS; index++) createCipheriv("aes-256-gcm", key, nonce).update(answer);
    for (let index = 0; index < HASHES; index++) hash("sha256", message, "buffer");
    verify(null, message, signer.publicKey, sign(null, message, signer.privateKey));
    sign(null, message, signer.privateKey);
  };
  const detail = `X25519 x2, ${HMACS} HMAC, ${CIPHERS} AES-GCM, ${HASHES} SHA-256, Ed25519 sign x2 and verify`;
  return { name: "cryptography", detail, run, close: nothing };
}

/** Record, name of the record, leaf: each durable before the next. */
export function disk(): Part {
  const folder = mkdtempSync(join(tmpdir(), "triseal-floor-"));
  const names = openSync(folder, "r");
  const synced = process.platform === "linux" ? constants.O_DSYNC : constants.O_SYNC;
  const leaves = openSync(join(folder, "leaves"), constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | synced);
  const [record, leaf] = [randomBytes(RECORD_BYTES), randomBytes(LEAF_BYTES)];
  let count = 0;
  return {
    name: "disk",
    detail: `new file of ${RECORD_BYTES} bytes, its name, an append of ${LEAF_BYTES} bytes, each synced`,
    run() {
      const file = openSync(join(folder, String(count++)), constants.O_CREAT | constants.O_WRONLY | synced);
      writeSync(file, record);
      closeSync(file);
      fsyncSync(names);
      writeSync(leaves, leaf);
    },
    close() {
      for (const fd of [names, leaves]) closeSync(fd);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Threads take no TypeScript on Node 20. */
const ANSWERING_THREAD = `
  const { parentPort } = require("node:worker_threads");
  parentPort.on("message", () => parentPort.postMessage(1));
`;

/** A message to a thread and back. */
export function threadHop(): Part {
  const thread = new Worker(ANSWERING_THREAD, { eval: true });
  const record = randomBytes(RECORD_BYTES);
  return {
    name: "hop to a thread",
    detail: `a message of ${RECORD_BYTES} bytes there, a number back`,
    async run() {
      const answered = once(thread, "message");
      thread.postMessage(record);
      await answered;
    },
    async close() {
      await thread.terminate();
    },
  };
}

/** An HTTP exchange with another process on a connection that stays open. */
export async function processHop(): Promise<Part> {
  const echo = join(repository, "bench", "floor", "echo.ts");
  const program = await startProgram(["--import", "tsx", echo, String(ANSWER_BYTES)]);
  const agent = new Agent({ keepAlive: true });
  const body = randomBytes(REQUEST_BYTES);
  const options = { host: "127.0.0.1", port: Number(program.ready["port"]), method: "POST", agent } as const;
  const run = () =>
    new Promise<void>((resolve, reject) => {
      const sent = request({ ...options, headers: { "content-length": body.length } }, (response) => {
        response.on("data", nothing).once("end", resolve);
      });
      sent.once("error", reject).end(body);
    });
  const detail = `HTTP, ${REQUEST_BYTES} bytes there, ${ANSWER_BYTES} back`;
  return {
    name: "exchange with a process",
    detail,
    run,
    async close() {
      agent.destroy();
      await program.stop();
    },
  };
}
