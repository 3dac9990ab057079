/**
 * Kills a real gateway while it moves units between two accounts, and checks after each kill that the accounts are what the log
 * says: each transfer moves one unit, so that versions count them and the sum of both never changes. The engine is that of clear
 * values (`test/fixtures/fake-engine.ts`): what is tested is the gateway, and the balances can be read.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { concatBytes, encodeBase64, utf8 } from "../../src/core/bytes.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { UnixSeconds } from "../../src/core/time.ts";
import { hashApiKey } from "../../src/gateway/authenticate.ts";
import { findShipped } from "../../src/paths/fhe/compile/shipped.ts";
import { type AccountDocument, encodeAccount } from "../../src/paths/fhe/wire/account.ts";
import { encodeKeyDocument } from "../../src/paths/fhe/wire/key-document.ts";
import { listMetadata } from "../../src/paths/fhe/wire/list-metadata.ts";
import { clock, copyFolder } from "../e2e/gateway-harness.ts";
import { repository } from "../e2e/gateway-process.ts";
import { freePort, type Place, type RunningChild, startChild } from "./killed-gateway.ts";
import type { KillPoint } from "./killing-files.ts";

/** Where a gateway with accounts is killed. */
export const FHE_KILL_POINTS = [
  /** While the engine runs. */
  "mid-run",
  /** Between the run and the log. */
  "before-append",
  /** When half of the leaf is written. */
  "half-append",
  /** Between log and database: the leaf is durable, and no account was written. */
  "before-response",
  /** When half of the answer has left: database and log have it. */
  "half-response",
] as const;

type FheKillPoint = (typeof FHE_KILL_POINTS)[number];

/** What a campaign saw. */
export interface FheKillResult {
  readonly kills: Readonly<Record<FheKillPoint, number>>;
  readonly acknowledged: number;
  /** Transfers that the accounts have. */
  readonly transfers: number;
  readonly problems: readonly string[];
}

const MODEL = "digits-mlp";
const UNITS = 1_000_000n;
const START_MS = 60_000;
const NEVER = Number.MAX_SAFE_INTEGER;

interface Answer {
  readonly status: number;
  readonly json: JsonObject;
  readonly bytes: Uint8Array;
}

/** What a caller of one gateway knows. */
class Caller {
  readonly place: Place;
  readonly keyId: string;
  private readonly apiKey: string;
  acknowledged = 0;

  constructor(place: Place, apiKey: string, keyId: string) {
    this.place = place;
    this.apiKey = apiKey;
    this.keyId = keyId;
  }

  async call(method: string, path: string, body?: Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    const init = { method, headers: { authorization: `Bearer ${this.apiKey}`, ...headers }, signal: AbortSignal.timeout(20_000) };
    const sent = body === undefined ? init : { ...init, body: Uint8Array.from(body) };
    const response = await fetch(`http://127.0.0.1:${this.place.port}${path}`, sent);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, json: isJson ? (JSON.parse(new TextDecoder().decode(bytes)) as JsonObject) : {}, bytes };
  }

  /** @throws where the answer is none of the wanted ones. */
  async must(method: string, path: string, body?: Uint8Array, headers?: Record<string, string>): Promise<Answer> {
    const answer = await this.call(method, path, body, headers);
    if (answer.status < 300) return answer;
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.json)}`);
  }

  private async asked(program: string): Promise<{ nonce: string; exp: UnixSeconds; modelDigest: Sha256Digest }> {
    const { json } = await this.must("POST", "/v1/fhe/challenges", encodeJcs({ model: program, parameters: { kind: "state" } }));
    return json as unknown as { nonce: string; exp: UnixSeconds; modelDigest: Sha256Digest };
  }

  /** Runs a program on accounts; `fresh` are values that come in a list. */
  async run(
    program: string,
    inputs: JsonObject,
    fresh: Readonly<Record<string, bigint>>,
    writes: Readonly<Record<string, string>>,
  ) {
    const { nonce, exp, modelDigest: programDigest } = await this.asked(program);
    const accounts = [
      ...new Set([
        ...Object.values(inputs).flatMap((input) => ((input as JsonObject)["account"] as string) ?? []),
        ...Object.values(writes),
      ]),
    ];
    const metadata = listMetadata({ tenant: "dev", accounts, programDigest, nonce, exp });
    const values = Object.values(fresh).map((value) => ({ t: "u64", b: blocks(value), key: this.keyId }));
    const lists = values.length === 0 ? [] : [encodeBase64(concatBytes(metadata, utf8(JSON.stringify(values))))];
    const listed = Object.fromEntries(Object.keys(fresh).map((name, index) => [name, { list: 0, index }]));
    const document = { v: 1, nonce, programDigest, keyId: this.keyId, inputs: { ...inputs, ...listed }, lists, writes };
    return this.call("POST", "/v1/fhe/run", encodeJcs(document));
  }

  /** Moves one unit. Whatever happens to the gateway meanwhile is no failure. */
  async transfer(): Promise<void> {
    try {
      const inputs = { from: { account: "alice" }, to: { account: "bob" } };
      const paid = await this.run("transfer-u64", inputs, { amount: 1n }, { from_after: "alice", to_after: "bob" });
      if (paid.status === 200) this.acknowledged++;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async state(name: string): Promise<{ readonly version: number; readonly balance: bigint }> {
    const { json } = await this.must("GET", `/v1/fhe/accounts/${name}`);
    const digest = json["digest"] as string | null;
    if (digest === null) return { version: json["version"] as number, balance: 0n };
    const { bytes } = await this.must("GET", `/v1/fhe/blobs/${digest.replace("sha256:", "")}`);
    const { b } = JSON.parse(new TextDecoder().decode(bytes)) as { b: number[] };
    return { version: json["version"] as number, balance: b.reduceRight((sum, block) => sum * 4n + BigInt(block), 0n) };
  }
}

function blocks(value: bigint): readonly number[] {
  return Array.from({ length: 32 }, (_, block) => Number((value >> BigInt(2 * block)) & 3n));
}

async function makePlace(): Promise<Place & { readonly diary: string }> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-kill-fhe-"));
  const configFile = join(folder, "triseal.config.yaml");
  await copyFolder(join(repository, "models", MODEL), join(folder, "models", MODEL));
  const workers = { jurisdiction: "EU", concurrency: 1 };
  await writeFile(
    configFile,
    stringify({ log: { origin: "triseal.test/kill-fhe" }, modelsDir: join(folder, "models"), workers }),
  );
  const diary = join(folder, "diary");
  const args = ["--import", "tsx", join(repository, "test/fixtures/fake-engine.ts"), "--diary", diary, "--run-ms", "60"];
  const fheEngine = { command: process.execPath, args };
  return { folder, dataDir: join(folder, "data"), configFile, port: await freePort(), fheEngine, diary };
}

/** Key set, asset and accounts, and all units in one of them. */
async function prepare(caller: Caller, owner: string): Promise<void> {
  const bytes = utf8("key of clear values");
  const serverKey = { digest: digestOf(bytes), bytes: bytes.length };
  const publicKey = { digest: digestOf(utf8("public")), bytes: 6 };
  const key = { v: 1, kind: "integer", keyId: caller.keyId, tag: "ab".repeat(16), parameters: "clear" } as const;
  await caller.must("POST", "/v1/fhe/keys", encodeKeyDocument({ ...key, serverKey, publicKey, created: clock() }));
  for (const [piece, content] of [
    [serverKey, bytes],
    [publicKey, utf8("public")],
  ] as const)
    await caller.must("PATCH", `/v1/fhe/keys/${digestHex(piece.digest)}`, content, { "upload-offset": "0" });
  const programs = ["transfer-u64", "mint-u64"].map((name) => findShipped(name)?.program.digest as Sha256Digest);
  const account = (name: string, more: Partial<AccountDocument>): Uint8Array =>
    encodeAccount({
      v: 1,
      kind: "account",
      tenant: "dev",
      account: name,
      owner,
      acl: { read: [], debit: [], credit: [], programs },
      keyId: caller.keyId,
      type: "u64",
      cap: null,
      created: clock(),
      nonce: "00".repeat(16),
      ...more,
    });
  await caller.must("POST", "/v1/fhe/accounts", account("usd", { kind: "asset", cap: String(UNITS) }));
  for (const name of ["alice", "bob"]) await caller.must("POST", "/v1/fhe/accounts", account(name, { asset: "usd" }));
  const inputs = { balance: { account: "alice" }, amount: { clear: String(UNITS) } };
  const minted = await caller.run("mint-u64", inputs, {}, { balance_after: "alice", supply: "usd" });
  if (minted.status !== 200) throw new Error(`nothing was minted: ${JSON.stringify(minted.json)}`);
}

/** Runs a campaign to its end. Needs a fresh build. */
export async function runFheKillCampaign(options: {
  readonly killsPerPoint: number;
  readonly seconds: number;
  readonly say: (line: string) => void;
}): Promise<FheKillResult> {
  const place = await makePlace();
  try {
    return await campaign(place, options);
  } finally {
    await rm(place.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function campaign(
  place: Place & { readonly diary: string },
  { killsPerPoint, seconds, say }: Parameters<typeof runFheKillCampaign>[0],
): Promise<FheKillResult> {
  const end = performance.now() + seconds * 1000;
  const problems: string[] = [];
  const kills = Object.fromEntries(FHE_KILL_POINTS.map((point) => [point, 0])) as Record<FheKillPoint, number>;
  const first = await started(place, { point: "half-response", passage: NEVER });
  const apiKey = `dev-${(await readFile(join(place.dataDir, "dev", "api-key"), "utf8")).trim()}`;
  const caller = new Caller(place, apiKey, digestHex(digestOf(utf8("key of clear values"))));
  await prepare(caller, hashApiKey(apiKey));
  first.stop();
  await first.ended;
  let transfers = 0;
  for (let round = 0; round < killsPerPoint; round++) {
    for (const point of FHE_KILL_POINTS) {
      if (performance.now() > end || problems.length > 0) continue;
      const passage = 1 + (round % 3);
      // The answer to a challenge is an answer, too: every second one is that to a run.
      await kill(place, caller, point, point === "half-response" ? 2 * passage : passage);
      kills[point]++;
      transfers = await examine(place, caller, transfers, (problem) => problems.push(`${point}: ${problem}`));
    }
    say(`${round + 1}: ${FHE_KILL_POINTS.map((point) => `${point} ${kills[point]}`).join(", ")}; ${transfers} transfers`);
  }
  return { kills, acknowledged: caller.acknowledged, transfers, problems };
}

async function started(place: Place, order: { readonly point: KillPoint; readonly passage: number }): Promise<RunningChild> {
  const child = startChild(place, order);
  if (!(await child.ready)) throw new Error(`the gateway did not start: ${await child.ended}`);
  return child;
}

/** A gateway that transfers until it dies at that point. */
async function kill(
  place: Place & { readonly diary: string },
  caller: Caller,
  point: FheKillPoint,
  passage: number,
): Promise<void> {
  const child = await started(place, point === "mid-run" ? { point: "half-response", passage: NEVER } : { point, passage });
  let isDead = false;
  const ended = child.ended.then((how) => {
    isDead = true;
    return how;
  });
  const timer = setTimeout(() => child.stop(), START_MS);
  const runs = async () => (await readFile(place.diary, "utf8")).split("\n").filter((line) => line.startsWith("run")).length;
  const before = await runs();
  const transferring = (async () => {
    while (!isDead) await caller.transfer();
  })();
  while (point === "mid-run" && !isDead) {
    if ((await runs()) >= before + passage) child.stop();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const how = await ended;
  clearTimeout(timer);
  await transferring;
  if (how !== "SIGKILL") throw new Error(`${point}: ${how}`);
}

/** What the accounts are for the next gateway; returns the number of transfers that they have. */
async function examine(place: Place, caller: Caller, before: number, problem: (text: string) => void): Promise<number> {
  const child = await started(place, { point: "half-response", passage: NEVER });
  try {
    const [alice, bob] = [await caller.state("alice"), await caller.state("bob")];
    const said = `alice ${alice.balance} at ${alice.version}, bob ${bob.balance} at ${bob.version}, ${caller.acknowledged} acknowledged`;
    if (alice.balance + bob.balance !== UNITS) problem(`the sum changed: ${said}`);
    if (bob.balance !== BigInt(bob.version) || alice.version !== bob.version + 1)
      problem(`a transfer in one account only: ${said}`);
    if (bob.version < caller.acknowledged || bob.version < before) problem(`a transfer was lost: ${said}`);
    return bob.version;
  } finally {
    child.stop();
    await child.ended;
  }
}
