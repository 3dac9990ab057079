/** Several paths under one receipt: the first of `all` answers, the others confirm what it said before it leaves. */
import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/core/digest.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { eventOf, eventsOf, parseBundle } from "../../src/receipt/index.ts";
import { createBundleVerifier } from "../../src/verify/index.ts";
import { createEchoPath, type EchoScript, echoAppraiser, echoModel, HONEST } from "./echo-paths.ts";
import { NOW, startGateway, trustFor } from "./gateway-fixture.ts";

const verify = createBundleVerifier([echoAppraiser("first"), echoAppraiser("second"), echoAppraiser("third")]);
const options = { now: NOW, at: null, request: null, response: null, opening: null, allowPending: false };
const ruleOf = (all: string) =>
  `  - id: both\n    when: "true"\n    require: { all: ${all}, evidence: { accept: [echoed, other] } }\n`;
const request = JSON.stringify({ id: "9".repeat(32), inputs: [{ name: "x", datatype: "INT32", shape: [2], data: [1, 2] }] });

async function start(all: string, scripts: { first?: EchoScript; second?: EchoScript; third?: EchoScript } = {}) {
  const calls: string[] = [];
  const first = createEchoPath("first", false, scripts.first, calls);
  const second = createEchoPath("second", true, scripts.second, calls);
  const third = createEchoPath("third", true, scripts.third, calls);
  const gateway = await startGateway({ paths: [third, second, first], models: [echoModel], rules: ruleOf(all) });
  const response = await gateway.post("/v2/models/echo/infer", request);
  const id = response.headers.get("x-receipt-id") ?? "";
  const body = new Uint8Array(await response.arrayBuffer());
  const bundle = await gateway.bundle(id);
  return { first, second, third, gateway, status: response.status, body, calls, bundle, ...parseBundle(bundle) };
}

const codeOf = (body: Uint8Array) => (JSON.parse(new TextDecoder().decode(body)) as { code: string }).code;

describe("a request that several paths must answer", () => {
  it("is answered by the first and confirmed by the others, in their order, under one receipt that verifies", async () => {
    const { status, calls, body, bundle, receipt } = await start("[first, third, second]");
    expect(status).toBe(200);
    expect(calls).toEqual(["third looks", "second looks", "first answers", "third confirms", "second confirms"]);
    expect(eventsOf(receipt, "leg.sealed").map(({ path, status: of }) => [path, of])).toEqual([
      ["first", "final"],
      ["third", "final"],
      ["second", "final"],
    ]);
    expect(eventOf(receipt, "response.returned")?.body_hash).toBe(digestOf(body));
    const verdict = await verify(bundle, trustFor({}), options);
    expect(verdict.checks.filter(({ status: of }) => of === "fail")).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
  });

  it("is answered by another path where policy names that one first", async () => {
    const { calls, bundle } = await start("[second, third]");
    expect(calls).toEqual(["third looks", "second answers", "third confirms"]);
    expect((await verify(bundle, trustFor({}), options)).outcome).toBe("accepted");
  });

  it("reaches no path where one of them could not confirm it, whatever the answer is", async () => {
    const unconfirmable = new TrisealError("INPUT_OUT_OF_RANGE", "too large");
    const { status, calls, body, receipt } = await start("[first, second]", { second: { unconfirmable } });
    expect([status, codeOf(body), calls]).toEqual([400, "INPUT_OUT_OF_RANGE", ["second looks"]]);
    expect(eventOf(receipt, "request.forwarded")).toBeNull();
  });

  it.each([
    ["another output", { ...HONEST, outputs: [1, 3] }, "LEG_OUTPUT_MISMATCH"],
    ["a commitment to its outputs only", { ...HONEST, outputs: null, outputCommitment: "0b".repeat(32) }, "LEG_OUTPUT_MISMATCH"],
    ["no outputs", { ...HONEST, outputs: null }, "LEG_OUTPUT_MISMATCH"],
    ["another input that has the same output", { ...HONEST, inputCommitment: "a5".repeat(32) }, "LEG_INPUT_MISMATCH"],
    ["no commitment to its input", { ...HONEST, inputCommitment: null }, "LEG_INPUT_MISMATCH"],
  ])("is not answered where the second leg states %s, and the backend that answered is ended", async (_, states, code) => {
    const { status, body, first, second, receipt, bundle, gateway } = await start("[first, second]", { second: { states } });
    expect([status, codeOf(body)]).toEqual([502, code]);
    expect(first.blamed).toEqual([
      ["first:1", null, expect.stringMatching(`path \`second\` contradicts an answer of it: ${code}`)],
    ]);
    expect(second.blamed).toEqual([]);
    expect(eventsOf(receipt, "leg.sealed")).toEqual([]);
    // The bytes had left for the first path, and the receipt says which.
    expect(eventOf(receipt, "request.forwarded")?.body_hash).toMatch(/^sha256:/);
    expect(eventOf(receipt, "request.refused")?.code).toBe(code);
    expect((await verify(bundle, trustFor({}), options)).outcome).toBe("accepted");
    const lines = gateway.lines.filter(({ event }) => event === "contradicted");
    expect(lines).toEqual([
      {
        level: "error",
        event: "contradicted",
        receipt_id: receipt.receipt_id,
        backend: "first:1",
        session_id: null,
        by: "second",
        code,
      },
    ]);
  });

  it("is not answered where the second path finds the answer false by itself", async () => {
    const before = () => {
      throw new TrisealError("LEG_OUTPUT_MISMATCH", "the circuit's outputs are not those of the answer");
    };
    const { status, body, first } = await start("[first, second]", { second: { before } });
    expect([status, codeOf(body), first.blamed.length]).toEqual([502, "LEG_OUTPUT_MISMATCH", 1]);
  });

  it("is not answered where the second path fails, and nobody is blamed", async () => {
    const before = () => {
      throw new TrisealError("OVERLOADED", "full", { details: { forwarded: false, forwardedDigest: "sha256:none" } });
    };
    const { status, body, first, receipt, bundle } = await start("[first, second]", { second: { before } });
    expect([status, codeOf(body), first.blamed]).toEqual([503, "OVERLOADED", []]);
    // What left for the first path stands in the receipt, whatever the second one says of itself.
    expect(eventOf(receipt, "request.forwarded")?.body_hash).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect((await verify(bundle, trustFor({}), options)).outcome).toBe("accepted");
  });

  it("does not run the second path where the first one fails", async () => {
    const before = () => {
      throw new TrisealError("OVERLOADED", "full");
    };
    const { status, calls } = await start("[first, second]", { first: { before } });
    expect([status, calls]).toEqual([503, ["second looks", "first answers"]]);
  });

  it("is refused where the second path cannot confirm anything", async () => {
    const { status, body, calls } = await start("[second, first]");
    expect([status, codeOf(body), calls]).toEqual([503, "PATH_UNAVAILABLE", []]);
  });
});
