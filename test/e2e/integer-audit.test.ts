/** An integer model through the real gateway: what its receipt states opens to this exchange, and to no other. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TrisealClient } from "../../src/client/index.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { parseInferenceResponse } from "../../src/core/oip.ts";
import { parseTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import { eventOf, parseBundle } from "../../src/receipt/index.ts";
import { bundleOf, clock, digitsBody, get, heldBack, infer, type Service, startService } from "./gateway-harness.ts";
import { repository, runCli } from "./gateway-process.ts";

const MODEL = "digits-mlp-int";
const SALT = "5a".repeat(16);

let service: Service;
let pixels: readonly number[];

beforeAll(async () => {
  service = await startService();
  ({ input: pixels } = await heldBack("digits-mlp", 5));
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

interface Recorded {
  readonly bundle: string;
  readonly request: string;
  readonly response: string;
  readonly salt: string;
}

/** Asks once in the clear and writes down what an auditor may be shown. */
async function record(): Promise<Recorded> {
  const request = utf8(JSON.stringify(digitsBody(pixels, { id: "a".repeat(32), parameters: { triseal_salt: SALT } })));
  const answer = await infer(service, request, { model: MODEL });
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining(SALT)]);
  const files: Readonly<Record<string, Uint8Array>> = {
    bundle: await bundleOf(service, answer.headers.get("x-receipt-id")),
    request,
    response: answer.bytes,
    salt: utf8(`${SALT}\n`),
  };
  const paths = Object.keys(files).map((name) => [name, join(service.folder, `${name}.audit`)] as const);
  for (const [name, path] of paths) await writeFile(path, files[name] ?? new Uint8Array());
  return Object.fromEntries(paths) as unknown as Recorded;
}

interface Judged {
  readonly code: number | null;
  readonly verdict: { readonly code: string | null; readonly checks: readonly { id: string; status: string }[] };
}

async function audit(files: Recorded, change: Partial<Recorded> = {}, model: string | null = "digits-mlp"): Promise<Judged> {
  const shown = { ...files, ...change };
  const exchange = ["--request", shown.request, "--response", shown.response, "--salt", shown.salt];
  const folder = model === null ? [] : ["--model", join(repository, "models", model)];
  const args = ["verify", shown.bundle, "--trust", service.trustFile, ...exchange, ...folder, "--json"];
  const { code, stdout } = await runCli(args);
  return { code, verdict: JSON.parse(stdout.split("\n")[0] ?? "") as Judged["verdict"] };
}

function statusOf({ verdict }: Judged, id: string): string | undefined {
  return verdict.checks.find((check) => check.id === id)?.status;
}

describe("the receipt of an integer run", () => {
  it("opens to its exchange with --request, --response, --salt and --model, and to no other", async () => {
    const files = await record();
    const whole = await audit(files);
    expect([whole.code, whole.verdict.code]).toEqual([0, null]);
    for (const id of ["exchange.input-opens", "exchange.outputs-match"]) expect(statusOf(whole, id)).toBe("pass");

    const without = await audit(files, {}, null);
    expect([without.code, statusOf(without, "exchange.input-opens")]).toEqual([0, "skipped"]);

    const salt = join(service.folder, "another-salt");
    await writeFile(salt, "5b".repeat(16));
    expect(await audit(files, { salt })).toMatchObject({ code: 10, verdict: { code: "ZK_INPUT_OPENS" } });

    expect(await audit(files, {}, "breast-cancer-mlp")).toMatchObject({ code: 10, verdict: { code: "ZK_INPUT_OPENS" } });

    const request = join(service.folder, "another-request");
    const changed = pixels.map((value, at) => (at === 20 ? 16 - value : value));
    await writeFile(request, JSON.stringify(digitsBody(changed, { id: "a".repeat(32), parameters: { triseal_salt: SALT } })));
    const other = await audit(files, { request });
    expect(other).toMatchObject({ code: 10, verdict: { code: "EXCHANGE_REQUEST_MISMATCH" } });
    expect(statusOf(other, "exchange.input-opens")).toBe("fail");
  });

  it("refuses a salt that is none", async () => {
    const files = await record();
    const wrong = await runCli(["verify", files.bundle, "--trust", service.trustFile, "--salt", files.request]);
    expect([wrong.code, wrong.stderr]).toEqual([expect.any(Number), expect.stringContaining("--salt")]);
    expect(wrong.code).not.toBe(0);
  });

  it("shows neither salt nor, where the caller sealed, outputs", async () => {
    const trust = await service.trust();
    const client = new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust, clock });
    const call = { model: MODEL, inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: pixels }] };
    const { commitment, bundle, response } = await client.infer(call);
    expect(commitment).toEqual({ salt: expect.stringMatching(/^[0-9a-f]{32}$/), opened: true });
    expect(new TextDecoder().decode(bundle)).not.toContain(commitment?.salt);
    const { receipt, blobs } = parseBundle(bundle);
    const event = eventOf(receipt, "leg.sealed");
    const leg = event?.status === "final" ? blobs.get(event.leg_digest) : undefined;
    const { statement } = parseTeeLeg(leg ?? new Uint8Array());
    expect([statement.outputs, typeof statement.outputCommitment]).toEqual([undefined, "string"]);
    expect(response.outputs[0]?.datatype).toBe("INT32");
    const second = await client.infer({ ...call, seal: false, parameters: { triseal_salt: SALT } });
    expect(second.commitment).toEqual({ salt: SALT, opened: true });
    const float = await client.infer({ ...call, model: "digits-mlp" });
    expect(float.commitment).toBeNull();
  });

  it("is of a model that the gateway hands out where its package says that it is public", async () => {
    const model = await get(service, `/v2/models/${MODEL}/integer-model`);
    expect([model.status, model.bytes.length > 1000]).toEqual([200, true]);
    const float = await get(service, "/v2/models/digits-mlp/integer-model");
    expect([float.status, JSON.parse(float.text)]).toEqual([404, expect.objectContaining({ code: "NOT_FOUND" })]);
    const batch = await infer(service, digitsBody([...pixels, ...pixels]), { model: MODEL });
    expect([batch.status, JSON.parse(batch.text)]).toEqual([400, expect.objectContaining({ code: "REQUEST_BATCH" })]);
    const { bytes } = await infer(service, digitsBody(pixels), { model: MODEL });
    const salt = expect.stringMatching(/^[0-9a-f]{32}$/);
    expect(parseInferenceResponse(bytes).parameters).toEqual({ triseal_salt: salt });
  });
});
