/** A ledger under measurement: a gateway with the real engine, one key set, and accounts that hold units. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { engine } from "../../scripts/cargo.ts";
import { encodeHex, utf8 } from "../../src/core/bytes.ts";
import { digest, hexText, seconds } from "../../src/core/decode.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { type AccountDocument, encodeAccount } from "../../src/paths/fhe/wire/account.ts";
import { type KeyDocument, parseKeyDocument } from "../../src/paths/fhe/wire/key-document.ts";
import { listMetadata } from "../../src/paths/fhe/wire/list-metadata.ts";
import { blobAddress, encodeRun, parseRunAnswer, type RunAnswer } from "../../src/paths/fhe/wire/run.ts";
import { childrenOf, type Program, startProgram } from "../program.ts";
import { repository } from "../suite.ts";
import { Direct } from "./direct.ts";

const PROGRAM = join(repository, "dist", "src", "main", "triseal.js");
const TENANT = "dev";
const ASSET = "bench-dollar";
const CHUNK_BYTES = 8 * 2 ** 20;
const TIMEOUT_MS = 300_000;

const execute = promisify(execFile);
const native = async (...args: readonly string[]) => (await execute(engine.program, [...args])).stdout.trim();
const clock = () => unixSeconds(Math.floor(Date.now() / 1000));

/** A transfer that is ready to be sent: its list is proven, its challenge open. */
export interface Prepared {
  readonly document: Uint8Array;
  /** What the challenge took. */
  readonly challengeMs: number;
  /** File of the proven list, and what it is bound to in hexadecimal digits. */
  readonly list: string;
  readonly metadata: string;
}

/** An answered transfer. */
export interface Answered {
  /** From the request to the whole answer in hand: the receipt is in the log by then. */
  readonly ms: number;
  /** Of the body of the answer. */
  readonly bytes: number;
  readonly answer: RunAnswer;
  readonly receiptId: string;
}

/** Files of the key set. */
export interface KeyFiles {
  readonly serverKey: string;
  readonly clientKey: string;
  readonly publicKey: string;
  readonly crs: string;
}

/** The ledger and whoever calls it. */
export class Ledger {
  readonly folder: string;
  readonly key: KeyDocument;
  readonly files: KeyFiles;
  /** tfhe-rs under the same key set, called directly; it proves the lists, too. */
  readonly direct: Direct;
  private readonly gateway: Program;
  private readonly owner: string;
  private lists = 0;

  private constructor(gateway: Program, folder: string, key: KeyDocument, files: KeyFiles) {
    this.gateway = gateway;
    this.folder = folder;
    this.key = key;
    this.files = files;
    this.owner = digestHex(digestOf(utf8(String(gateway.ready["apiKey"]))));
    this.direct = new Direct(files);
  }

  /**
   * Starts a gateway, makes a key set and uploads it, and makes the named accounts, of which those of `funded` get units.
   * @throws Error where the engine or its examples are not built.
   */
  static async open(units: bigint, accounts: readonly string[], funded: readonly string[]): Promise<Ledger> {
    Direct.assertBuilt();
    const folder = join(tmpdir(), `triseal-bench-fhe-${randomUUID()}`);
    await mkdir(folder, { recursive: true });
    let gateway: Program | null = null;
    try {
      await native("keygen", "--out", join(folder, "keys"), "--json");
      gateway = await startGateway(folder);
      const key = parseKeyDocument(new Uint8Array(await readFile(join(folder, "keys", "key.json"))));
      const names = ["server.key", "client.key", "public.key"].map((name) => join(folder, "keys", name));
      const [serverKey = "", clientKey = "", publicKey = ""] = names;
      const crs = join(folder, "crs");
      await fetchCrs(gateway, crs);
      const ledger = new Ledger(gateway, folder, key, { serverKey, clientKey, publicKey, crs });
      await ledger.upload();
      await ledger.makeAccounts(units * BigInt(funded.length), accounts);
      for (const account of funded) await ledger.mint(account, units);
      await ledger.direct.opened();
      return ledger;
    } catch (error) {
      await gateway?.stop();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Process id of the engine: it has run by now. */
  enginePid(): number {
    const isEngine = (pid: number) =>
      existsSync(`/proc/${pid}/exe`) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("triseal-fhe");
    return childrenOf(this.gateway.pid).find(isEngine) ?? 0;
  }

  get gatewayPid(): number {
    return this.gateway.pid;
  }

  /** Opens a challenge and proves the amount under it. */
  async prepare(from: string, to: string, amount: bigint): Promise<Prepared> {
    const started = performance.now();
    const { nonce, exp, modelDigest: programDigest } = await this.challenge("transfer-u64");
    const challengeMs = performance.now() - started;
    const bound = { tenant: TENANT, accounts: [from, to], programDigest, nonce, exp };
    const [list, metadata] = [join(this.folder, `list-${this.lists++}`), encodeHex(listMetadata(bound))];
    await this.direct.ask({ op: "prove", metadata, value: String(amount), out: list });
    const inputs = new Map([
      ["from", { account: from }],
      ["to", { account: to }],
      ["amount", { list: 0, index: 0 }],
    ] as const);
    const writes = new Map([
      ["from_after", from],
      ["to_after", to],
    ] as const);
    const lists = [new Uint8Array(await readFile(list))];
    const document = encodeRun({ nonce, programDigest, keyId: this.key.keyId, inputs, lists, writes });
    return { document, challengeMs, list, metadata };
  }

  /** Sends a transfer and waits for the whole answer. @throws Error where it is refused. */
  async submit({ document }: Pick<Prepared, "document">): Promise<Answered> {
    const started = performance.now();
    const { bytes, headers } = await this.call("POST", "/v1/fhe/run", document);
    const ms = performance.now() - started;
    const receiptId = headers.get("x-receipt-id") ?? "";
    return { ms, bytes: bytes.length, answer: parseRunAnswer(bytes), receiptId };
  }

  /** What an account holds, decrypted. */
  async balance(account: string): Promise<bigint> {
    const { json } = await this.call("GET", `/v1/fhe/accounts/${account}`);
    const { bytes } = await this.call("GET", blobAddress(json["digest"] as Sha256Digest));
    const file = join(this.folder, `balance-${account}`);
    await writeFile(file, bytes);
    return BigInt(await native("decrypt", "--key", this.files.clientKey, "--type", "u64", file));
  }

  /** What `triseal verify` says of a receipt's bundle. */
  async outcome(receiptId: string): Promise<string> {
    const file = join(this.folder, "bundle");
    await writeFile(file, (await this.call("GET", `/v1/receipts/${receiptId}/bundle`)).bytes);
    const args = [PROGRAM, "verify", file, "--trust", String(this.gateway.ready["trust"]), "--json"];
    const { stdout } = await execute(process.execPath, args);
    return (JSON.parse(stdout) as { readonly outcome: string }).outcome;
  }

  async close(): Promise<void> {
    this.direct.end();
    await this.gateway.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private call(method: string, path: string, body?: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
    return call(this.gateway, method, path, body, headers);
  }

  private async challenge(model: string) {
    const { json } = await this.call("POST", "/v1/fhe/challenges", encodeJcs({ model, parameters: { kind: "state" } }));
    const { nonce, exp, modelDigest } = json;
    return { nonce: hexText(16)(nonce, "nonce"), exp: seconds(exp, "exp"), modelDigest: digest(modelDigest, "modelDigest") };
  }

  private async upload(): Promise<void> {
    const pieces = [
      [this.files.serverKey, this.key.serverKey],
      [this.files.publicKey, this.key.publicKey],
    ] as const;
    await this.call("POST", "/v1/fhe/keys", new Uint8Array(await readFile(join(this.folder, "keys", "key.json"))));
    for (const [file, piece] of pieces) {
      const bytes = new Uint8Array(await readFile(file));
      const path = `/v1/fhe/keys/${digestHex(piece?.digest as Sha256Digest)}`;
      for (let offset = 0; offset < bytes.length; offset += CHUNK_BYTES)
        await this.call("PATCH", path, bytes.subarray(offset, offset + CHUNK_BYTES), { "upload-offset": String(offset) });
    }
  }

  private async makeAccounts(cap: bigint, names: readonly string[]): Promise<void> {
    const acl = { read: [], debit: [], credit: [], programs: "any" } as const;
    const fixed = { v: 1, tenant: TENANT, owner: this.owner, acl, keyId: this.key.keyId, type: "u64", created: clock() } as const;
    const make = (more: Pick<AccountDocument, "kind" | "account" | "cap"> & Partial<AccountDocument>) =>
      this.call("POST", "/v1/fhe/accounts", encodeAccount({ ...fixed, nonce: randomUUID().replaceAll("-", ""), ...more }));
    await make({ kind: "asset", account: ASSET, cap: String(cap) });
    for (const account of names) await make({ kind: "account", account, cap: null, asset: ASSET });
  }

  private async mint(account: string, units: bigint): Promise<void> {
    const { nonce, modelDigest: programDigest } = await this.challenge("mint-u64");
    const inputs = new Map([
      ["balance", { account }],
      ["amount", { clear: String(units) }],
    ] as const);
    const writes = new Map([
      ["balance_after", account],
      ["supply", ASSET],
    ] as const);
    await this.submit({ document: encodeRun({ nonce, programDigest, keyId: this.key.keyId, inputs, lists: [], writes }) });
  }
}

function startGateway(folder: string): Promise<Program> {
  return startProgram([PROGRAM, "serve", "--dev", "--data", join(folder, "data"), "--port", "0", "--json"]);
}

async function call(
  gateway: Program,
  method: string,
  path: string,
  body?: Uint8Array,
  more: Readonly<Record<string, string>> = {},
): Promise<{ readonly bytes: Uint8Array; readonly json: JsonObject; readonly headers: Headers }> {
  const headers = { authorization: `Bearer ${String(gateway.ready["apiKey"])}`, ...more };
  const init = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const sent = body === undefined ? init : { ...init, body: Uint8Array.from(body) };
  const response = await fetch(`${String(gateway.ready["url"])}${path}`, sent);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = () => new TextDecoder().decode(bytes);
  if (response.status >= 300) throw new Error(`${method} ${path}: ${response.status} ${text().slice(0, 200)}`);
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return { bytes, json: isJson ? (JSON.parse(text()) as JsonObject) : {}, headers: response.headers };
}

async function fetchCrs(gateway: Program, file: string): Promise<void> {
  const { json } = await call(gateway, "GET", "/v1/fhe/crs");
  await writeFile(file, (await call(gateway, "GET", blobAddress(json["digest"] as Sha256Digest))).bytes);
}
