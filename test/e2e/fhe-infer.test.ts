/** Integer models on encrypted inputs, through HTTP with the real engine. Skipped where the engine is not built. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fheClient, type TrisealClient } from "../../src/client/index.ts";
import { createNodeClient } from "../../src/client/node/index.ts";
import { encodeBase64 } from "../../src/core/bytes.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { classifyEncrypted } from "../../src/main/fhe/classify.ts";
import { type KeyFolder, readKeyFolder, uploadFiles } from "../../src/main/fhe/key-folder.ts";
import { isNativeBuilt, type NativeProgram, needNative } from "../../src/main/fhe/native-program.ts";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import { runInteger } from "../../src/model/integer/run.ts";
import { standardizeRow } from "../../src/model/model-package.ts";
import { readPackage } from "../../src/model/read/read-package.ts";
import { LWE_INPUT_BYTES } from "../../src/paths/fhe/wire/lwe-file.ts";
import { bundleOf, clock, readAnswer, type Service, startService } from "./gateway-harness.ts";
import { repository, runCli } from "./gateway-process.ts";

const built = isNativeBuilt();
if (!built) console.log("skipped: the FHE engine is not built (`npm run build:engine`)");

/** With how many rows of each are asked for: a forest takes 577 bootstraps. */
const MODELS = [
  ["breast-cancer-logistic", 3],
  ["breast-cancer-tree", 3],
  ["breast-cancer-mlp-fhe", 3],
  ["breast-cancer-forest", 1],
  ["digits-mlp-fhe", 1],
] as const;

let service: Service;
let folder: string;
let native: NativeProgram;
let keys: KeyFolder;
let client: TrisealClient;

beforeAll(async () => {
  if (!built) return;
  native = needNative();
  folder = await mkdtemp(join(tmpdir(), "triseal-infer-e2e-"));
  await native.keygen(join(folder, "keys"), "lwe");
  keys = await readKeyFolder(join(folder, "keys"));
  service = await startService({ config: { fhe: { models: MODELS.map(([name]) => `${name}-int`) } } });
  client = createNodeClient({ baseUrl: service.url, apiKey: service.apiKey, trust: await service.trust(), clock });
  await fheClient(client).uploadKey(keys.key, uploadFiles(keys));
}, 300_000);

afterAll(async () => {
  if (!built) return;
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

async function post(path: string, body: Uint8Array) {
  const headers = { authorization: `Bearer ${service.apiKey}` };
  return readAnswer(await fetch(`${service.url}${path}`, { method: "POST", headers, body: Uint8Array.from(body) }));
}

async function ask(more: JsonObject = {}) {
  const asked = await post("/v1/fhe/challenges", encodeJcs({ model: "breast-cancer-logistic-int", ...more }));
  return { code: asked.json["code"], ...(asked.json as { nonce: string; modelDigest: string; terms: JsonObject }) };
}

async function codeOf(change: JsonObject): Promise<unknown> {
  const { nonce, modelDigest: programDigest } = await ask();
  const { keyId } = keys.key;
  const document = { v: 1, nonce, programDigest, keyId, inputs: {}, lists: [], writes: {}, ...change };
  return (await post("/v1/fhe/run", encodeJcs(document))).json["code"];
}

const input = (bytes: Uint8Array): JsonObject => ({ inputs: { input: { ciphertext: encodeBase64(bytes) } } });

/** What starts like an input under a key set of that tag. */
function forged(tag: string, length = LWE_INPUT_BYTES, magic = "triseal-lwe-in-1"): Uint8Array {
  const bytes = new Uint8Array(length).fill(7);
  bytes.set(new TextEncoder().encode(magic));
  bytes.set(Buffer.from(tag, "hex"), 16);
  return bytes;
}

describe.skipIf(!built)("an integer model on encrypted inputs", () => {
  it.each(MODELS)(
    "%s gives the integers of the reference executor, and a receipt that verifies",
    async (name, count) => {
      const [float, form] = await readPackage(join(repository, "models", name));
      const checked = form?.integer?.checked;
      if (checked === undefined) throw new Error("no integer form");
      const { rows } = await heldBackRows(name);
      let receiptId = "";
      for (const { x } of rows.slice(0, count)) {
        const made = await classifyEncrypted(client, native, keys, { model: `${name}-int`, record: x });
        const expected = runInteger(checked, encodeInput(checked.model.input, standardizeRow(float.model, x)));
        expect(made.integers).toEqual([...expected]);
        expect(float.model.labels).toContain(made.label);
        receiptId = made.finished.receiptId;
      }
      const bundle = join(folder, `${name}.triseal.json`);
      await writeFile(bundle, await bundleOf(service, receiptId));
      const verified = async (model: string) => {
        const files = ["--trust", service.trustFile, "--model", join(repository, "models", model)];
        const { stdout } = await runCli(["verify", bundle, ...files, "--json"]);
        return JSON.parse(stdout) as { outcome: string; checks: { id: string; status: string }[] };
      };
      const own = await verified(name);
      expect([own.outcome, own.checks.find(({ id }) => id === "fhe.circuit-recompiled")?.status]).toEqual(["accepted", "pass"]);
      const at = ["--blobs", service.url, "--trust", service.trustFile, "--key", service.apiKey, "--json"];
      const replay = async (...model: string[]) => JSON.parse((await runCli(["fhe", "replay", bundle, ...at, ...model])).stdout);
      expect(await replay("--model", join(repository, "models", name))).toMatchObject({ ok: true, code: null });
      expect(await replay()).toMatchObject({ ok: false, code: "NOT_FOUND" });
      const other = await verified(name === "digits-mlp-fhe" ? "breast-cancer-tree" : "digits-mlp-fhe");
      expect(other.checks.find(({ id }) => id === "fhe.circuit-recompiled")?.status).toBe("skipped");
    },
    300_000,
  );

  it("is refused with what is no input under the key set, or with an account", async () => {
    const { tag } = keys.key;
    expect(await codeOf(input(forged("00".repeat(16))))).toBe("FHE_INPUT_FOREIGN_KEY");
    expect(await codeOf(input(forged(tag, LWE_INPUT_BYTES - 1)))).toBe("FHE_INPUT_MALFORMED");
    expect(await codeOf(input(forged(tag, LWE_INPUT_BYTES + 1)))).toBe("FHE_INPUT_MALFORMED");
    expect(await codeOf(input(forged(tag, LWE_INPUT_BYTES, "triseal-lwe-ou-1")))).toBe("FHE_INPUT_MALFORMED");
    expect(await codeOf({ ...input(forged(tag)), keyId: "00".repeat(32) })).toBe("FHE_KEY_UNKNOWN");
    expect(await codeOf({ ...input(forged(tag)), writes: { output: "alice" } })).toBe("FHE_RUN_INVALID");
    expect(await codeOf({ inputs: { input: { account: "alice" } } })).toBe("FHE_RUN_INVALID");
    expect(await codeOf({ inputs: { input: { clear: "1" } } })).toBe("FHE_RUN_INVALID");
    expect(await codeOf({ inputs: { features: { ciphertext: encodeBase64(forged(tag)) } } })).toBe("FHE_RUN_INVALID");
    expect((await ask({ parameters: { kind: "state" } })).code).toBe("REQUEST_MALFORMED");
    expect((await ask({ model: "breast-cancer-mlp-int" })).code).toBe("MODEL_UNKNOWN");
  }, 300_000);

  it("is asked for on the command line", async () => {
    const record = join(folder, "record.json");
    const { rows } = await heldBackRows("breast-cancer-logistic");
    await writeFile(record, JSON.stringify({ x: rows[0]?.x }));
    const at = ["--gateway", service.url, "--trust", service.trustFile, "--key", service.apiKey];
    const args = ["fhe", "classify", "breast-cancer-logistic-int", ...at, "--keys", join(folder, "keys"), "--in", record];
    const { stdout } = await runCli([...args, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, label: rows[0]?.label });
    await writeFile(record, "[1]");
    const short = await runCli([...args, "--json"]);
    expect(JSON.parse(short.stdout)).toMatchObject({ ok: false, code: "INPUT_OUT_OF_RANGE" });
  }, 300_000);
});

async function heldBackRows(model: string) {
  const file = join(repository, "models", model, "heldback.json");
  return JSON.parse(await readFile(file, "utf8")) as {
    readonly rows: readonly { readonly x: number[]; readonly label: string }[];
  };
}
