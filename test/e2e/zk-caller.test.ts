/** A proof made by the command line on this machine, and submitted to a real gateway that never sees the input. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeCallerProof, parseCallerProof } from "../../src/paths/zk/wire/caller-proof.ts";
import { parseZkLeg } from "../../src/paths/zk/wire/leg.ts";
import { devSetup } from "../../src/paths/zk/wire/setup.ts";
import { standaloneDocument } from "../../src/paths/zk/wire/standalone.ts";
import { parseBundle } from "../../src/receipt/index.ts";
import { MODEL as ANY_MODEL, CIRCUIT, honestKey } from "../fixtures/zk-leg.ts";
import {
  bundleOf,
  filesUnder,
  get,
  heldBack,
  infer,
  makeApiKey,
  readAnswer,
  type Service,
  startService,
  verdictOn,
} from "./gateway-harness.ts";
import { repository, runCli } from "./gateway-process.ts";

const NAME = "breast-cancer-logistic-int";
const SECRET = "breast-cancer-mlp-int";
const SALT = "00112233445566778899aabbccddeeff";

let service: Service;
let folder: string;
let input: readonly number[];
let other: { readonly key: string };
const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "triseal-caller-"));
  for (const name of ["breast-cancer-logistic", "breast-cancer-mlp"])
    cpSync(join(repository, "models", name), at("models", name), { recursive: true });
  const card = at("models", "breast-cancer-mlp", "model.json");
  writeFileSync(card, readFileSync(card, "utf8").replace('    "provingKey": "public",\n', ""));
  const key = await makeApiKey("other");
  other = key;
  const apiKeys = [{ hash: key.hash, tenant: "other" }];
  service = await startService({ config: { modelsDir: at("models"), zk: { models: [NAME, SECRET] }, apiKeys } });
  input = (await heldBack("breast-cancer-logistic", 6)).input;
}, 120_000);
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

function request(more: object = {}, data: readonly number[] = input): string {
  const parameters = { classification: "personal", triseal_salt: SALT, ...more };
  return JSON.stringify({ parameters, inputs: [{ name: "features", datatype: "FP32", shape: [1, 30], data }] });
}

/** `triseal zk prove --gateway`. */
async function prove(body: string, flags: { trust?: string; key?: string; dir?: string } = {}) {
  const { trust = service.trustFile, key = service.apiKey, dir = at("models", "breast-cancer-logistic") } = flags;
  writeFileSync(at("input.json"), body);
  const files = ["--input", at("input.json"), "--out", at("answer.triseal.json")];
  return runCli(["zk", "prove", dir, ...files, "--gateway", service.url, "--trust", trust, "--key", key, "--json"]);
}

const post = async (path: string, body: string | Uint8Array, key = service.apiKey) =>
  readAnswer(
    await fetch(`${service.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: typeof body === "string" ? body : Uint8Array.from(body),
    }),
  );
const challenge = async (model = NAME) => (await post("/v1/zk/challenges", JSON.stringify({ model, parameters: {} }))).json;

/** The document that the last proof submitted. */
async function submitted(): Promise<Uint8Array> {
  const { receipt, blobs } = parseBundle(new Uint8Array(await readFile(at("answer.triseal.json"))));
  const [first] = receipt.event_log;
  const document = first?.type === "request.received" ? blobs.get(first.body_hash) : undefined;
  if (document === undefined) throw new Error("the document is not in the bundle");
  return document;
}

describe("triseal zk prove --gateway", () => {
  it("proves here, and leaves a bundle that verifies; input and salt reach neither gateway nor bundle", async () => {
    const { code, stdout, stderr } = await prove(request());
    expect(code, stderr).toBe(0);
    const made = JSON.parse(stdout) as { receiptId: string; outputs: number[]; salt: string };
    expect(made.salt).toBe(SALT);
    const bundle = new Uint8Array(await readFile(at("answer.triseal.json")));
    const verdict = await verdictOn(service, bundle, { request: await submitted() });
    expect(verdict.checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
    expect(verdict.claims.map(({ text }) => text).join("\n")).toContain("the input never left the caller");
    const answered = await infer(service, request({ assurance: "proof", triseal_salt: "ff".repeat(16) }), { model: NAME });
    expect(answered.json["outputs"]).toMatchObject([{ data: made.outputs }]);
    const cli = await runCli([
      "verify",
      at("answer.triseal.json"),
      "--trust",
      service.trustFile,
      "--model",
      at("models", "breast-cancer-logistic"),
    ]);
    expect(cli.code, cli.stdout).toBe(0);
    const held = filesUnder(service.dataDir)
      .map(({ bytes }) => bytes.toString("latin1"))
      .join("\n");
    expect(held.includes(made.receiptId)).toBe(true);
    expect([held.includes(SALT), Buffer.from(bundle).includes(SALT)]).toEqual([false, false]);
  }, 120_000);

  it.each<[string, () => Promise<Awaited<ReturnType<typeof prove>>>, number, string]>([
    [
      "a model whose key is confidential",
      () => prove(request(), { dir: at("models", "breast-cancer-mlp") }),
      1,
      "PROVING_KEY_CONFIDENTIAL",
    ],
    ["data that policy keeps out", () => prove(request({ classification: "secret" })), 1, "POLICY_DENIED"],
    ["an API key that nobody knows", () => prove(request(), { key: "nobody-knows-this-key" }), 1, "AUTH_INVALID"],
    ["an input out of range", () => prove(request({}, Array<number>(30).fill(1e9))), 30, "INPUT_OUT_OF_RANGE"],
  ])(
    "is refused for %s",
    async (_, run, exit, expected) => {
      const { code, stdout } = await run();
      expect([code, (JSON.parse(stdout) as { code: string }).code]).toEqual([exit, expected]);
    },
    60_000,
  );

  it("accepts no receipt under a trust file that names no dev-insecure setup, or not this gateway", async () => {
    const text = readFileSync(service.trustFile, "utf8");
    writeFileSync(at("strict.yaml"), text.replace(/setups:\n( +)- state: dev-insecure\n +because: .*\n/, "setups: []\n"));
    const strict = await prove(request(), { trust: at("strict.yaml") });
    expect([strict.code, JSON.parse(strict.stdout)]).toEqual([
      10,
      expect.objectContaining({ code: "VERIFICATION_FAILED", message: expect.stringContaining("ZK_SETUP_NOT_ACCEPTED") }),
    ]);
    writeFileSync(at("none.yaml"), "apiVersion: triseal.dev/trust/v1\nservices: []\n");
    expect((await prove(request(), { trust: at("none.yaml") })).code).toBe(10);
  }, 60_000);
});

describe("a proof of a real gateway's key", () => {
  it("is taken once, by the key that asked, under its own challenge, and each refusal has a receipt", async () => {
    expect((await prove(request())).code).toBe(0);
    const document = await submitted();
    const twice = await post("/v1/zk/proofs", document);
    expect([twice.status, twice.json["code"]]).toEqual([404, "CHALLENGE_UNKNOWN"]);
    const fresh = await challenge();
    const moved = { ...parseCallerProof(document), nonce: String(fresh["nonce"]) };
    expect((await post("/v1/zk/proofs", encodeCallerProof(moved), other.key)).json["code"]).toBe("CHALLENGE_UNKNOWN");
    const underOther = await post("/v1/zk/proofs", encodeCallerProof(moved));
    expect(underOther.json["code"]).toBe("ZK_CONTEXT_MISMATCH");
    const next = await challenge();
    const honest = {
      ...parseCallerProof(document),
      decisionDigest: next["decisionDigest"] as never,
      nonce: String(next["nonce"]),
    };
    // All that it states fits now, and the proof was made for another decision.
    expect((await post("/v1/zk/proofs", encodeCallerProof(honest))).json["code"]).toBe("ZK_CONTEXT_MISMATCH");
    for (const refused of [twice, underOther])
      expect((await verdictOn(service, await bundleOf(service, refused.receiptId))).outcome).toBe("accepted");
  }, 60_000);

  it("is no proof that the gateway made, and no standalone one", async () => {
    const proven = await infer(service, request({ assurance: "proof" }), { model: NAME });
    const { blobs } = parseBundle(await bundleOf(service, proven.receiptId));
    const leg = [...blobs.values()].find((blob) => Buffer.from(blob).includes('"publicSignals"')) ?? new Uint8Array();
    const { proof, publicSignals } = parseZkLeg(leg);
    const { nonce, modelDigest, decisionDigest } = await challenge();
    const stated = {
      nonce,
      modelDigest,
      decisionDigest,
      factsDigest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    };
    const wrapped = encodeCallerProof({ ...(stated as never as ReturnType<typeof parseCallerProof>), proof, publicSignals });
    expect((await post("/v1/zk/proofs", wrapped)).json["code"]).toBe("ZK_CONTEXT_MISMATCH");
    const setup = devSetup({ modelDigest: ANY_MODEL, circuitDigest: CIRCUIT, keyDigest: honestKey.digest });
    const standalone = {
      modelDigest: ANY_MODEL,
      nonce: new Uint8Array(32),
      publicSignals,
      proof,
      verificationKey: honestKey.key,
      setup,
    };
    const sent = await post("/v1/zk/proofs", JSON.stringify(standaloneDocument(standalone)));
    expect([sent.status, sent.json["code"], sent.receiptId]).toEqual([400, "ZK_SUBMISSION_MALFORMED", null]);
  }, 60_000);

  it("needs a challenge that has not ended, and that outlived no restart", async () => {
    const short = await startService({ config: { zk: { models: [NAME] }, limits: { challengeSeconds: 1 } } });
    try {
      const ask = async () => {
        const response = await fetch(`${short.url}/v1/zk/challenges`, {
          method: "POST",
          headers: { authorization: `Bearer ${short.apiKey}`, "content-type": "application/json" },
          body: JSON.stringify({ model: NAME }),
        });
        return (await readAnswer(response)).json;
      };
      const send = async ({ nonce }: Readonly<Record<string, unknown>>) => {
        const response = await fetch(`${short.url}/v1/zk/proofs`, {
          method: "POST",
          headers: { authorization: `Bearer ${short.apiKey}`, "content-type": "application/json" },
          body: Uint8Array.from(encodeCallerProof({ ...parseCallerProof(await submitted()), nonce: String(nonce) })),
        });
        return (await readAnswer(response)).json["code"];
      };
      const ended = await ask();
      await new Promise((resolve) => setTimeout(resolve, 2100));
      expect(await send(ended)).toBe("CHALLENGE_EXPIRED");
      const forgotten = await ask();
      await short.program.stop();
      await short.restart();
      expect(await send(forgotten)).toBe("CHALLENGE_UNKNOWN");
    } finally {
      await short.close();
    }
  }, 120_000);
});

describe("what the gateway serves of a proving key", () => {
  it("is the public model's alone, and to holders of an API key", async () => {
    const { terms } = (await challenge()) as { terms: { provingKey: { digest: string; bytes: number } } };
    const address = `/v1/zk/keys/${terms.provingKey.digest.slice("sha256:".length)}`;
    const found = await get(service, address);
    expect([found.status, found.bytes.length]).toEqual([200, terms.provingKey.bytes]);
    expect((await get(service, address, null)).json["code"]).toBe("AUTH_REQUIRED");
    expect((await get(service, `/v1/zk/keys/${"0".repeat(64)}`)).json["code"]).toBe("NOT_FOUND");
  });
});
