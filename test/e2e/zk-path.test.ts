/** A real gateway with a real prover: answers with proofs, a prover that dies, jobs that are cancelled. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/core/digest.ts";
import { parseInferenceResponse } from "../../src/core/oip.ts";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { runInteger } from "../../src/model/integer/run.ts";
import { compileCircuit } from "../../src/paths/zk/compile/circuit.ts";
import { encodeR1cs } from "../../src/paths/zk/wire/r1cs.ts";
import { parseBundle } from "../../src/receipt/index.ts";
import { parseTrust, verifyBundle } from "../../src/verify/index.ts";
import { type Answer, bundleOf, clock, get, heldBack, infer, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { childrenOf, repository } from "./gateway-process.ts";

const MODEL = "breast-cancer-logistic-int";
const checked = parseIntegerModel(readFileSync(join(repository, "models/breast-cancer-logistic/integer.json")));

let service: Service;
let input: readonly number[];
beforeAll(async () => {
  service = await startService({ config: { zk: { models: [MODEL] } } });
  input = (await heldBack("breast-cancer-logistic", 6)).input;
}, 60_000);
afterAll(() => service?.close());

function body(change: { parameters?: object; data?: readonly number[]; rows?: number } = {}): Uint8Array {
  const { data = input, rows = 1 } = change;
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  const parameters = { assurance: "proof", classification: "personal", ...change.parameters };
  return Buffer.from(
    JSON.stringify({ id, parameters, inputs: [{ name: "features", datatype: "FP32", shape: [rows, 30], data }] }),
  );
}

const ask = (request: Uint8Array, headers: Record<string, string> = {}) => infer(service, request, { model: MODEL, headers });

/** Process ids of the gateway's provers. */
function provers(): readonly number[] {
  const isProver = (pid: number) => /snarkjs|triseal-prover/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  return childrenOf(service.program.pid).filter(isProver);
}

async function until(job: string, wanted: (document: Answer["json"]) => boolean): Promise<Answer["json"]> {
  for (let left = 400; left > 0; left--) {
    const { json } = await get(service, `/v1/jobs/${job}`);
    if (wanted(json)) return json;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the job did not get there");
}

/** A job whose prover holds still, and the prover. */
async function heldJob(request: Uint8Array): Promise<{ readonly job: string; readonly pid: number }> {
  const [pid] = provers();
  if (pid === undefined) throw new Error("no prover");
  process.kill(pid, "SIGSTOP");
  const accepted = await ask(request, { prefer: "respond-async" });
  expect(accepted.status).toBe(202);
  const job = String(accepted.json["id"]);
  await until(job, ({ stage }) => stage === "proving");
  return { job, pid };
}

describe("a request for a proof", () => {
  it("is answered with what the integer model gives, and its bundle verifies with the exchange shown", async () => {
    const request = body({ parameters: { triseal_salt: "00112233445566778899aabbccddeeff" } });
    const answer = await ask(request);
    expect(answer.status).toBe(200);
    const { outputs, parameters } = parseInferenceResponse(answer.bytes);
    expect([...(outputs[0]?.data ?? [])]).toEqual([...runInteger(checked, encodeInput(checked.model.input, input))]);
    expect(parameters).toEqual({ triseal_salt: "00112233445566778899aabbccddeeff" });
    const bundle = await bundleOf(service, answer.receiptId);
    const verdict = await verdictOn(service, bundle, { request, response: answer.bytes });
    expect(verdict.checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
    expect(verdict.claims.map(({ text }) => text).join("\n")).toContain("proven for a committed input and stated outputs");
    expect(Buffer.from(bundle).includes("00112233445566778899aabbccddeeff")).toBe(false);
  });

  it("gets a salt of its own where it brings none, another one each time", async () => {
    const salts = [];
    for (const request of [body(), body()])
      salts.push(parseInferenceResponse((await ask(request)).bytes).parameters?.["triseal_salt"]);
    for (const salt of salts) expect(salt).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(salts).size).toBe(2);
  });

  it("has a circuit that the model compiles to, for an auditor who has the model", async () => {
    const bundle = await bundleOf(service, (await ask(body())).receiptId);
    const options = { now: clock(), at: null, request: null, response: null, opening: null, allowPending: false };
    const circuit = digestOf(encodeR1cs(compileCircuit(checked).system));
    const judged = async (digest: typeof circuit) => {
      const programs = new Map([["zk", new Map([[checked.digest, { circuitDigest: digest, committed: null }]])]]);
      return verifyBundle(bundle, await service.trust(), { ...options, programs });
    };
    const verdict = await judged(circuit);
    expect(verdict.checks.find(({ id }) => id === "zk.circuit-recompiled")?.status).toBe("pass");
    expect(await judged(checked.digest)).toMatchObject({ outcome: "rejected", code: "ZK_CIRCUIT_MISMATCH" });
  });

  it("is refused by an auditor who accepts no development key, or another leg under its receipt", async () => {
    const [one, two] = [await ask(body()), await ask(body())];
    const bundle = await bundleOf(service, one.receiptId);
    const text = readFileSync(service.trustFile, "utf8");
    const strict = parseTrust(Buffer.from(text.replace(/setups:\n( +)- state: dev-insecure\n +because: .*\n/, "setups: []\n")));
    const options = { now: clock(), at: null, request: null, response: null, opening: null, allowPending: false };
    expect(await verifyBundle(bundle, strict, options)).toMatchObject({ outcome: "rejected", code: "ZK_SETUP_NOT_ACCEPTED" });
    const document = JSON.parse(new TextDecoder().decode(bundle)) as { blobs: Record<string, string> };
    const legOf = (bytes: Uint8Array) =>
      [...parseBundle(bytes).blobs].find(([, blob]) => Buffer.from(blob).includes('"publicSignals"'));
    const [mine, other] = [legOf(bundle), legOf(await bundleOf(service, two.receiptId))];
    const { [String(mine?.[0])]: _, ...rest } = document.blobs;
    const blobs = { ...rest, [String(other?.[0])]: Buffer.from(other?.[1] ?? []).toString("base64") };
    const swapped = Buffer.from(JSON.stringify({ ...document, blobs }));
    expect(await verifyBundle(swapped, await service.trust(), options)).toMatchObject({
      outcome: "rejected",
      code: "LEG_MISMATCH",
    });
  });

  it.each([
    ["an input out of range", { data: Array<number>(30).fill(1e9) }, 400, "INPUT_OUT_OF_RANGE"],
    ["two rows", { data: Array<number>(60).fill(0), rows: 2 }, 400, "REQUEST_BATCH"],
    ["a salt that is too short", { parameters: { triseal_salt: "0011" } }, 400, "REQUEST_MALFORMED"],
    ["committed outputs", { parameters: { triseal_outputs: "committed" } }, 422, "ZK_OUTPUTS_STATED"],
  ])("is refused with %s, with a receipt that verifies", async (_, change, status, code) => {
    const refused = await ask(body(change));
    expect([refused.status, refused.json["code"]]).toEqual([status, code]);
    expect((await verdictOn(service, await bundleOf(service, refused.receiptId))).outcome).toBe("accepted");
  });

  it("is refused for a model without a key, and nothing else answers in its place", async () => {
    const data = Array<number>(64).fill(1);
    const inputs = [{ name: "pixels", datatype: "FP32", shape: [1, 64], data }];
    const refused = await infer(service, { id: "e2e", parameters: { assurance: "proof" }, inputs }, { model: "digits-mlp-int" });
    expect([refused.status, refused.json["code"]]).toEqual([503, "PATH_UNAVAILABLE"]);
  });
});

describe("a prover", () => {
  it("that dies while it holds a job is replaced, and the job is answered", async () => {
    const request = body();
    const { job, pid } = await heldJob(request);
    process.kill(pid, "SIGKILL");
    const done = await until(job, ({ state }) => state !== "accepted" && state !== "running" && state !== "queued");
    expect(done).toMatchObject({ state: "answered", code: null });
    const result = await get(service, `/v1/jobs/${job}/result`);
    const bundle = await bundleOf(service, String(done["receipt_id"]));
    expect((await verdictOn(service, bundle, { request, response: result.bytes })).outcome).toBe("accepted");
    expect(provers()).not.toContain(pid);
  });

  it("is ended where its job is cancelled, and the next request is answered", async () => {
    const { job, pid } = await heldJob(body());
    const cancelled = await fetch(`${service.url}/v1/jobs/${job}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${service.apiKey}` },
    });
    expect(cancelled.ok).toBe(true);
    const done = await until(job, ({ receipt_id: id, finished_at: at }) => id !== null && at !== null);
    expect(done).toMatchObject({ code: "JOB_CANCELLED" });
    expect((await ask(body())).status).toBe(200);
    expect(provers()).not.toContain(pid);
  });
});
