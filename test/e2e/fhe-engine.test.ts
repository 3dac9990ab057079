/** The fhe path through HTTP with the real engine, keys and proofs. Skipped where the engine is not built. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeBase64, encodeHex } from "../../src/core/bytes.ts";
import { digestHex, type Sha256Digest } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { UnixSeconds } from "../../src/core/time.ts";
import { hashApiKey } from "../../src/gateway/authenticate.ts";
import { findShipped } from "../../src/paths/fhe/compile/shipped.ts";
import { claimOfBundle } from "../../src/paths/fhe/evidence/receipted-claim.ts";
import { type AccountDocument, encodeAccount } from "../../src/paths/fhe/wire/account.ts";
import { type KeyDocument, parseKeyDocument } from "../../src/paths/fhe/wire/key-document.ts";
import { listMetadata } from "../../src/paths/fhe/wire/list-metadata.ts";
import { parseBundle } from "../../src/receipt/bundle.ts";
import { type Answer, bundleOf, clock, get, readAnswer, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { childrenOf, repository, runCli } from "./gateway-process.ts";

const ENGINE = join(repository, "src/paths/fhe/engine/target/release/triseal-fhe");
const built = existsSync(ENGINE);
if (!built) console.log("skipped: the FHE engine is not built (`npm run build:engine`)");

const execute = promisify(execFile);
const native = async (...args: readonly string[]) => (await execute(ENGINE, [...args])).stdout.trim();
const CHUNK = 8 * 2 ** 20;

let service: Service;
let folder: string;
let key: KeyDocument;
let mintReceipt = "";

beforeAll(async () => {
  if (!built) return;
  folder = await mkdtemp(join(tmpdir(), "triseal-fhe-e2e-"));
  await native("keygen", "--out", join(folder, "keys"));
  key = parseKeyDocument(new Uint8Array(await readFile(join(folder, "keys", "key.json"))));
  service = await startService();
}, 300_000);

afterAll(async () => {
  if (!built) return;
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

async function call(method: string, path: string, body?: Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
  const init = {
    method,
    headers: { authorization: `Bearer ${service.apiKey}`, ...headers },
    signal: AbortSignal.timeout(120_000),
  };
  return readAnswer(await fetch(`${service.url}${path}`, body === undefined ? init : { ...init, body: Uint8Array.from(body) }));
}

async function upload(): Promise<void> {
  await call("POST", "/v1/fhe/keys", new Uint8Array(await readFile(join(folder, "keys", "key.json"))));
  for (const [name, piece] of [
    ["server.key", key.serverKey],
    ["public.key", key.publicKey],
  ] as const) {
    const bytes = new Uint8Array(await readFile(join(folder, "keys", name)));
    for (let offset = 0; offset < bytes.length; offset += CHUNK) {
      const chunk = bytes.subarray(offset, offset + CHUNK);
      const path = `/v1/fhe/keys/${digestHex(piece?.digest as Sha256Digest)}`;
      const answer = await call("PATCH", path, chunk, { "upload-offset": String(offset) });
      expect([answer.status, answer.json["code"]]).toEqual([answer.json["complete"] === true ? 201 : 202, undefined]);
    }
  }
}

function accountOf(name: string, more: Partial<AccountDocument> = {}): Uint8Array {
  const programs = ["transfer-u64", "mint-u64"].map((program) => findShipped(program)?.program.digest as Sha256Digest);
  const acl = { read: [], debit: [], credit: [], programs };
  const fixed = { v: 1, kind: "account", tenant: "dev", account: name, keyId: key.keyId, type: "u64", cap: null } as const;
  return encodeAccount({ ...fixed, owner: hashApiKey(service.apiKey), acl, created: clock(), nonce: "00".repeat(16), ...more });
}

interface Asked {
  readonly nonce: string;
  readonly exp: UnixSeconds;
  readonly modelDigest: Sha256Digest;
}

async function ask(program: string): Promise<Asked> {
  const asked = await call("POST", "/v1/fhe/challenges", encodeJcs({ model: program, parameters: { kind: "state" } }));
  expect([asked.status, asked.json["code"]]).toEqual([200, undefined]);
  return asked.json as unknown as Asked;
}

let crsFile: string | null = null;
let provenLists = 0;

/** A list that proves one amount, for a run on these accounts. */
async function proven(
  { nonce, exp, modelDigest: programDigest }: Asked,
  accounts: readonly string[],
  value: string,
): Promise<string> {
  if (crsFile === null) {
    const { digest } = (await get(service, "/v1/fhe/crs")).json as { digest: string };
    crsFile = join(folder, "crs");
    await writeFile(crsFile, (await get(service, `/v1/fhe/blobs/${digest.replace("sha256:", "")}`)).bytes);
  }
  const metadata = encodeHex(listMetadata({ tenant: "dev", accounts, programDigest, nonce, exp }));
  // The program overwrites no file.
  const out = join(folder, `list-${provenLists++}`);
  const files = ["--public", join(folder, "keys", "public.key"), "--crs", crsFile, "--out", out];
  await native("prove", ...files, "--metadata", metadata, "--value", value);
  return encodeBase64(new Uint8Array(await readFile(out)));
}

const submit = ({ nonce, modelDigest }: Asked, more: JsonObject) =>
  call(
    "POST",
    "/v1/fhe/run",
    encodeJcs({ v: 1, nonce, programDigest: modelDigest, keyId: key.keyId, lists: [], writes: {}, ...more }),
  );

async function transfer(amount: string, bound: readonly string[] = ["alice", "bob"], asked?: Asked): Promise<Answer> {
  const challenge = asked ?? (await ask("transfer-u64"));
  const lists = [await proven(challenge, bound, `u64:${amount}`)];
  const inputs = { from: { account: "alice" }, to: { account: "bob" }, amount: { list: 0, index: 0 } };
  return submit(challenge, { inputs, lists, writes: { from_after: "alice", to_after: "bob" } });
}

async function balance(name: string): Promise<string> {
  const { json } = await get(service, `/v1/fhe/accounts/${name}`);
  const expanded = await get(service, `/v1/fhe/blobs/${(json["digest"] as string).replace("sha256:", "")}?form=expanded`);
  const file = join(folder, `balance-${name}`);
  await writeFile(file, expanded.bytes);
  return native("decrypt", "--key", join(folder, "keys", "client.key"), "--type", "u64", file);
}

const version = async (name: string) => (await get(service, `/v1/fhe/accounts/${name}`)).json["version"];
const engineOf = (): number | undefined =>
  childrenOf(service.program.pid).find((pid) => readCommand(pid).includes("triseal-fhe"));

function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

describe.skipIf(!built)("the fhe path with the real engine", () => {
  it("moves what the balance covers and nothing else, with a receipt that verifies", async () => {
    await upload();
    for (const [name, more] of [
      ["usd", { kind: "asset", cap: "1000" }],
      ["alice", { asset: "usd" }],
      ["bob", { asset: "usd" }],
    ] as const)
      expect((await call("POST", "/v1/fhe/accounts", accountOf(name, more))).status).toBe(201);
    const mint = {
      inputs: { balance: { account: "alice" }, amount: { clear: "1000" } },
      writes: { balance_after: "alice", supply: "usd" },
    };
    const minted = await submit(await ask("mint-u64"), mint);
    expect([minted.status, minted.json["code"]]).toEqual([200, undefined]);
    mintReceipt = minted.receiptId ?? "";
    const over = await submit(await ask("mint-u64"), { ...mint, inputs: { ...mint.inputs, amount: { clear: "1" } } });
    expect(over.json["code"]).toBe("FHE_SUPPLY_EXCEEDED");
    const paid = await transfer("300");
    expect([paid.status, paid.json["code"]]).toEqual([200, undefined]);
    expect([await balance("alice"), await balance("bob")]).toEqual(["700", "300"]);
    const refused = await transfer("701");
    expect([refused.status, refused.bytes.length]).toEqual([200, paid.bytes.length]);
    expect([await balance("alice"), await balance("bob")]).toEqual(["700", "300"]);
    const verdict = await verdictOn(service, await bundleOf(service, paid.receiptId), { response: paid.bytes });
    expect(verdict.checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
  }, 300_000);

  it("is executed again from what the service gives its caller, the zero that the account began with included", async () => {
    const bundle = join(folder, "mint.triseal.json");
    const bytes = await bundleOf(service, mintReceipt);
    await writeFile(bundle, bytes);
    const claim = claimOfBundle(parseBundle(bytes))?.claim;
    const values = [...(claim?.inputs ?? []), ...(claim?.outputs ?? [])].flatMap((one) => ("clear" in one ? [] : [one.digest]));
    await mkdir(join(folder, "blobs"));
    for (const name of [key.keyId, ...values.map(digestHex)]) {
      const blob = await get(service, `/v1/fhe/blobs/${name}`);
      expect(blob.status).toBe(200);
      await writeFile(join(folder, "blobs", name), blob.bytes);
    }
    const replayed = await runCli(["fhe", "replay", bundle, "--blobs", join(folder, "blobs")]);
    expect([replayed.code, replayed.stderr]).toEqual([0, ""]);
    expect(replayed.stdout).toContain("executed again here, give balance_after byte for byte");
  }, 300_000);

  it("refuses a proof for other accounts, a replayed nonce, and one account on both sides", async () => {
    const foreign = await transfer("1", ["alice", "carol"]);
    expect(foreign.json["code"]).toBe("FHE_INPUT_PROOF_INVALID");
    const asked = await ask("transfer-u64");
    expect((await transfer("1", ["alice", "bob"], asked)).status).toBe(200);
    expect((await transfer("1", ["alice", "bob"], asked)).json["code"]).toBe("CHALLENGE_UNKNOWN");
    const inputs = { from: { account: "alice" }, to: { account: "alice" }, amount: { list: 0, index: 0 } };
    const own = await submit(await ask("transfer-u64"), {
      inputs,
      lists: ["AA=="],
      writes: { from_after: "alice", to_after: "bob" },
    });
    expect(own.json["code"]).toBe("FHE_SAME_ACCOUNT");
    expect([await balance("alice"), await balance("bob")]).toEqual(["699", "301"]);
  }, 300_000);

  it("changes nothing where the engine is killed in the middle of a run, and starts another one", async () => {
    const before = await version("alice");
    const asked = await ask("transfer-u64");
    const lists = [await proven(asked, ["alice", "bob"], "u64:1")];
    const inputs = { from: { account: "alice" }, to: { account: "bob" }, amount: { list: 0, index: 0 } };
    const running = submit(asked, { inputs, lists, writes: { from_after: "alice", to_after: "bob" } });
    // A transfer is 128 bootstraps of several milliseconds each, and the check of its list stands before them.
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(engineOf() ?? 0, "SIGKILL");
    expect((await running).json["code"]).toBe("FHE_ENGINE_LOST");
    expect(await version("alice")).toBe(before);
    expect((await transfer("0")).status).toBe(200);
    expect(Number(await balance("alice")) + Number(await balance("bob"))).toBe(1000);
  }, 300_000);

  it("goes on with the same accounts after a restart", async () => {
    await service.program.stop();
    await service.restart();
    expect((await transfer("9")).status).toBe(200);
    expect(Number(await balance("alice")) + Number(await balance("bob"))).toBe(1000);
  }, 300_000);
});
