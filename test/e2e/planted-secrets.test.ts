/**
 * Secrets that are planted in a real service of all three paths, which is then used, abused and killed: API keys, plaintext inputs,
 * salts, private keys and a client's FHE key turn up in no file but their own, no log line, and no answer but the caller's.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TrisealClient } from "../../src/client/index.ts";
import { SEALED_TYPES } from "../../src/paths/tee/wire/envelope.ts";
import {
  type Answer,
  bundleOf,
  clock,
  digitsBody,
  get,
  heldBack,
  infer,
  makeApiKey,
  type Service,
  startService,
} from "./gateway-harness.ts";
import { childrenOf, type Finished, repository, runCli, until } from "./gateway-process.ts";
import { leaks, type Planted, plantedText, privateKeysUnder, type Said } from "./planted.ts";

const INTEGER = "breast-cancer-logistic-int";
const engineBuilt = existsSync(join(repository, "src/paths/fhe/engine/target/release/triseal-fhe"));

let service: Service;
let callers: string;
let otherKey: string;
let record: readonly number[];
const said: Said[] = [];
const planted: Planted[] = [];

beforeAll(async () => {
  callers = await mkdtemp(join(tmpdir(), "triseal-callers-"));
  const other = await makeApiKey("other");
  otherKey = other.key;
  service = await startService({
    witness: true,
    config: { zk: { models: [INTEGER] }, apiKeys: [{ hash: other.hash, tenant: "other" }] },
  });
  record = (await heldBack("breast-cancer-logistic", 6)).input;
  planted.push(
    plantedText("the API key", service.apiKey.replace(/^dev-/, ""), /\/dev\/api-key$/),
    plantedText("another API key", other.key),
  );
}, 240_000);

afterAll(async () => {
  await service?.close();
  await rm(callers, { recursive: true, force: true });
});

/** A number with twelve random digits, which no other number of the run begins with. */
function marker(): number {
  return Number(
    `3.${1 + ((randomBytes(1)[0] ?? 0) % 9)}${BigInt(`0x${randomBytes(6).toString("hex")}`)
      .toString()
      .padStart(11, "7")
      .slice(0, 11)}`,
  );
}

/** Plants numbers: as text, and as the bytes of both widths that a tensor has of them. */
function plantNumbers(name: string, values: readonly number[]): void {
  for (const value of values) planted.push(plantedText(name, String(value)));
  planted.push({ name: `${name}, binary`, bytes: Buffer.from(Float32Array.from(values).buffer) });
  planted.push({ name: `${name}, wide`, bytes: Buffer.from(Float64Array.from(values).buffer) });
}

function keep(place: string, { bytes, headers }: Answer): void {
  said.push({ place, bytes }, { place: `${place}, its head`, bytes: Buffer.from(JSON.stringify([...headers])) });
}

const pixels = (values: readonly number[]) => [...values, ...Array<number>(64 - values.length).fill(1)];

async function published(receiptId: string | null): Promise<void> {
  said.push({ place: `the bundle of ${receiptId}`, bytes: await bundleOf(service, receiptId) });
  keep(`the receipt ${receiptId}`, await get(service, `/v1/aci/receipts/${receiptId}`));
}

describe("secrets of the tee path", () => {
  it("go in sealed, in the clear, and binary", async () => {
    const client = new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust: await service.trust(), clock });
    for (const [name, seal, binary] of [
      ["a sealed input", true, false],
      ["a sealed binary input", true, true],
      ["an input in the clear", false, false],
      ["a binary input in the clear", false, true],
    ] as const) {
      const values = [marker(), marker(), marker(), marker()];
      plantNumbers(name, values);
      const data = binary ? Float32Array.from(pixels(values)) : pixels(values);
      const inputs = [{ name: "pixels", datatype: "FP32", shape: [1, 64], data }];
      const { receiptId } = await client.infer({ model: "digits-mlp", inputs, seal, binary });
      await published(receiptId);
    }
    const salt = randomBytes(16).toString("hex");
    planted.push({ name: "the salt of an integer run", bytes: Buffer.from(salt, "hex") });
    const inputs = [{ name: "features", datatype: "FP32", shape: [1, 30], data: [...record] }];
    const { receiptId } = await client.infer({ model: INTEGER, inputs, parameters: { triseal_salt: salt } });
    await published(receiptId);
  });
});

describe("secrets of the zk path", () => {
  it("go in for a proof, at once and as a job", async () => {
    for (const headers of [{}, { prefer: "respond-async" }]) {
      const [first, salt] = [(record[0] ?? 0) + marker() / 1e6, randomBytes(16).toString("hex")];
      planted.push(plantedText("a proven input", String(first)), {
        name: "the salt of a proof",
        bytes: Buffer.from(salt, "hex"),
      });
      const inputs = [{ name: "features", datatype: "FP32", shape: [1, 30], data: [first, ...record.slice(1)] }];
      const body = { id: randomBytes(16).toString("hex"), parameters: { assurance: "proof", triseal_salt: salt }, inputs };
      const answer = await infer(service, body, { model: INTEGER, headers });
      expect([200, 202]).toContain(answer.status);
      if (answer.status === 200) await published(answer.receiptId);
      else {
        const job = String(answer.json["id"]);
        const ended = async () => {
          const seen = await get(service, `/v1/jobs/${job}`);
          return typeof seen.json["finished_at"] === "string" ? seen : null;
        };
        keep("a job", await until(ended, "end of the job", 60_000));
      }
    }
  }, 120_000);
});

const fhe = (...args: string[]): Promise<Finished> => runCli(["fhe", ...args], repository, { TRISEAL_KEY: service.apiKey });

describe("secrets of the fhe path", () => {
  it.skipIf(!engineBuilt)(
    "stay with the holder of the key: a balance, an amount, the client key",
    async () => {
      const at = (name: string) => join(callers, name);
      const gateway = ["--gateway", service.url, "--trust", service.trustFile];
      const amount = `3${BigInt(`0x${randomBytes(6).toString("hex")}`)
        .toString()
        .padStart(14, "5")
        .slice(0, 14)}`;
      await writeFile(at("amount.txt"), amount);
      const little = Buffer.alloc(8);
      little.writeBigUInt64LE(BigInt(amount));
      planted.push(plantedText("a transferred amount", amount), { name: "a transferred amount, binary", bytes: little });
      const account = ["--keys", at("keys"), "--tenant", "dev", "--programs", "any", ...gateway];
      const run = ["--keys", at("keys"), ...gateway];
      const steps = [
        ["keygen", "--out", at("keys")],
        ["upload-key", at("keys"), ...gateway],
        ["create-account", "usd", "--is-asset", "--cap", "4000000000000000", ...account],
        ["create-account", "alice", "--asset", "usd", ...account],
        ["create-account", "bob", "--asset", "usd", ...account],
        [
          "run",
          "mint-u64",
          ...run,
          "--in",
          "balance=account:alice",
          "--in",
          "amount=clear:4000000000000000",
          "--write",
          "balance_after=alice",
          "--write",
          "supply=usd",
        ],
        [
          "run",
          "transfer-u64",
          ...run,
          "--in",
          "from=account:alice",
          "--in",
          "to=account:bob",
          "--in",
          `amount=secret:@${at("amount.txt")}`,
          "--write",
          "from_after=alice",
          "--write",
          "to_after=bob",
          "--bundle",
          at("transfer.triseal.json"),
        ],
      ];
      for (const step of steps) {
        const { code, stdout, stderr } = await fhe(...step);
        expect([step[0], code, code === 0 ? "" : stderr]).toEqual([step[0], 0, ""]);
        said.push({ place: `what fhe ${step[0]} printed`, bytes: Buffer.from(stdout + stderr) });
      }
      said.push({ place: "the bundle of a transfer", bytes: readFileSync(at("transfer.triseal.json")) });
      keep("the accounts", await get(service, "/v1/fhe/accounts"));
      const clientKey = readFileSync(join(at("keys"), "client.key"));
      // Its head names parameters that the public parts name, too; secret bits fill its middle, eight bytes each.
      for (const part of [0.4, 0.5, 0.6]) {
        const from = Math.floor(clientKey.length * part);
        planted.push({ name: `the client key at ${part}`, bytes: clientKey.subarray(from, from + 1024) });
      }
    },
    240_000,
  );
});

describe("secrets in bad input", () => {
  it("are not repeated by any refusal", async () => {
    const secret = `Zaphod-${randomBytes(6).toString("hex")}`;
    planted.push(plantedText("a secret in bad input", secret));
    const json = { "content-type": "application/json" };
    // A fact that the caller states, such as a class, is no secret: a receipt records it, be it one that policy does not know.
    const cases: readonly (readonly [string, string, Record<string, string>])[] = [
      ["/v2/models/digits-mlp/infer", `{"inputs":"${secret}"`, json],
      [
        "/v2/models/digits-mlp/infer",
        JSON.stringify({ inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: [secret] }] }),
        json,
      ],
      ["/v2/models/digits-mlp/infer", JSON.stringify(digitsBody(undefined, { parameters: { value_usd: secret } })), json],
      ["/v2/models/digits-mlp/infer", JSON.stringify({ v: 1, ct: secret }), { "content-type": SEALED_TYPES.json }],
      ["/v1/zk/challenges", JSON.stringify({ model: INTEGER, parameters: secret }), json],
      ["/v1/zk/proofs", JSON.stringify({ v: 1, proof: secret }), json],
      ["/v1/zk/statements", JSON.stringify({ v: 1, signed: secret }), json],
      ["/v1/fhe/run", JSON.stringify({ v: 1, lists: [secret] }), json],
      ["/v1/fhe/accounts", JSON.stringify({ v: 1, owner: secret }), json],
      ["/v1/fhe/keys", `{"v":1,"kind":"${secret}"}`, json],
    ];
    for (const [path, body, headers] of cases) {
      const authorization = `Bearer ${service.apiKey}`;
      const response = await fetch(`${service.url}${path}`, { method: "POST", headers: { authorization, ...headers }, body });
      expect(response.status, path).toBeGreaterThanOrEqual(400);
      said.push({ place: `a refusal of ${path}`, bytes: new Uint8Array(await response.arrayBuffer()) });
    }
    // Keys of nobody, and of another tenant, where they do not belong.
    for (const key of [`${otherKey}x`, otherKey]) {
      keep("what another tenant is told", await get(service, "/v1/fhe/accounts", key));
      keep("what another tenant is told of receipts", await get(service, `/v1/receipts/rcpt-${"0".repeat(32)}/bundle`, key));
    }
  });
});

describe("a service with planted secrets", () => {
  it("leaves none of them anywhere, also once its processes were killed at work", async () => {
    const stderr = (): Said => ({ place: "standard error", bytes: Buffer.from(service.program.stderr()) });
    planted.push(...privateKeysUnder(service.dataDir));
    expect(planted.filter(({ name }) => name.startsWith("key ")).length).toBeGreaterThanOrEqual(4);
    for (const path of [
      "/.well-known/triseal.json",
      "/log/checkpoint",
      "/v2",
      "/v1/aci/sessions",
      `/v1/aci/attestation?nonce=${"0a".repeat(32)}`,
    ])
      keep(path, await get(service, path));
    expect(leaks(planted, service.folder, [...said, stderr()])).toEqual([]);
    const values = [marker(), marker(), marker(), marker()];
    plantNumbers("an input whose worker is killed", values);
    const working = Array.from({ length: 8 }, () => infer(service, digitsBody(pixels(values))).catch(() => null));
    const children = childrenOf(service.program.pid);
    expect(children).not.toEqual([]);
    for (const pid of children) process.kill(pid, "SIGABRT");
    await Promise.all(working);
    // A queue is left behind, and a database that nobody closed.
    await infer(service, { ...digitsBody(pixels(values)) }, { headers: { prefer: "respond-async" } }).catch(() => null);
    const before = stderr();
    await service.program.stop("SIGABRT");
    expect(leaks(planted, service.folder, [...said, before, stderr()])).toEqual([]);
    await service.restart();
    expect(leaks(planted, service.folder, [...said, stderr()])).toEqual([]);
  }, 240_000);

  it("would show each of them: the search finds what is planted in a file, in every spelling", async () => {
    const [secret] = planted;
    for (const [at, spelling] of [secret?.bytes.toString("hex") ?? "", secret?.bytes.toString("base64url") ?? ""].entries()) {
      const file = join(service.folder, `planted-${at}`);
      await writeFile(file, `x${spelling}y`);
      expect(leaks(planted.slice(0, 1), service.folder, [])).toEqual([`${secret?.name} in ${file}`]);
      await rm(file);
    }
  });
});
