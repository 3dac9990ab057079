import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { assertOpened, checkAnswer } from "../../../src/paths/tee/server/check-answer.ts";
import { sealRequest } from "../../../src/paths/tee/wire/envelope.ts";
import { encodeFrame } from "../../../src/paths/tee/wire/frame.ts";
import { workerKeysetDigest } from "../../../src/paths/tee/wire/keyset.ts";
import { parseTeeLeg, signTeeLeg } from "../../../src/paths/tee/wire/leg.ts";
import { createSigner, generateKey } from "../../../src/signing/ed25519-signer.ts";
import { createFakeWorker, modelDigest, type Spoil, sealKeyOf } from "./fake-worker.ts";

const context = { modelDigest, decisionDigest: digestOf(utf8("decision")), nonce: "11".repeat(16) };
const facts = { classification: "public" };
const request = utf8("the request");
const invalid = expect.objectContaining({ code: "WORKER_ANSWER_INVALID" });

let worker: Awaited<ReturnType<typeof createFakeWorker>>;
let envelope: Uint8Array;

beforeAll(async () => {
  worker = await createFakeWorker();
  const head = { model: "m", keysetDigest: workerKeysetDigest(worker.keyset), facts, exp: unixSeconds(1000) };
  envelope = (await sealRequest(head, sealKeyOf(worker.keyset), request)).body;
});

const asked = (change: object = {}) => ({ context, facts, envelopeDigest: digestOf(envelope), keyset: worker.keyset, ...change });

describe("a worker's answer", () => {
  it("passes when its leg is about exactly what was asked and answered", async () => {
    const { frame, sealed, response } = await worker.answer(envelope, context, facts);
    const checked = checkAnswer(frame, asked());
    expect(checked.sealed).toEqual(sealed);
    expect(() => assertOpened(checked.leg, request, response)).not.toThrow();
  });

  it("is dropped when its signed statement is about anything else", async () => {
    const other = digestOf(utf8("other"));
    const binding =
      (change: object): Spoil =>
      (statement) => ({ ...statement, binding: { ...statement.binding, ...change } });
    const spoils: Spoil[] = [
      binding({ modelDigest: other }),
      binding({ decisionDigest: other }),
      binding({ nonce: "22".repeat(16) }),
      (statement) => ({ ...statement, factsDigest: other }),
      (statement) => ({ ...statement, wire: { ...statement.wire, requestDigest: other } }),
      (statement) => ({ ...statement, wire: { ...statement.wire, responseDigest: other } }),
    ];
    for (const spoil of spoils) {
      const { frame } = await worker.answer(envelope, context, facts, spoil);
      expect(() => checkAnswer(frame, asked())).toThrow(invalid);
    }
  });

  it("is dropped when it answers another request, decision, facts or worker than this", async () => {
    const { frame } = await worker.answer(envelope, context, facts);
    expect(() => checkAnswer(frame, asked({ envelopeDigest: digestOf(utf8("another")) }))).toThrow(invalid);
    expect(() => checkAnswer(frame, asked({ facts: {} }))).toThrow(invalid);
    expect(() => checkAnswer(frame, asked({ context: { ...context, nonce: "33".repeat(16) } }))).toThrow(invalid);
    const { keyset } = await createFakeWorker();
    expect(() => checkAnswer(frame, asked({ keyset }))).toThrow(invalid);
    expect(() => checkAnswer(frame, asked({ keyset: { ...worker.keyset, legKeys: [] } }))).toThrow(invalid);
  });

  it("is dropped when the leg is unsigned, signed by another key, or was changed after signing", async () => {
    const { leg, sealed } = await worker.answer(envelope, context, facts);
    const frameOf = (bytes: Uint8Array) => encodeFrame({ v: 1, legLength: bytes.length, requestGuessable: false }, bytes, sealed);
    const forged = signTeeLeg(parseTeeLeg(leg).statement, createSigner("leg-1", generateKey()));
    const renamed = signTeeLeg(parseTeeLeg(leg).statement, { ...worker.legSigner, keyId: "leg-2" });
    const text = new TextDecoder().decode(leg);
    const changed = utf8(text.replace(/"signature":"(.)/, (_, digit: string) => `"signature":"${digit === "0" ? "1" : "0"}`));
    for (const bytes of [forged, renamed, changed, utf8(text.slice(0, -1)), utf8("{}")]) {
      expect(() => checkAnswer(frameOf(bytes), asked())).toThrow(invalid);
    }
  });

  it("is dropped when the frame is cut, or carries another sealed body", async () => {
    const { frame, leg, sealed } = await worker.answer(envelope, context, facts);
    expect(() => checkAnswer(frame.subarray(0, 3), asked())).toThrow(invalid);
    expect(() => checkAnswer(frame.subarray(0, 100), asked())).toThrow(invalid);
    expect(() => checkAnswer(frame.subarray(0, frame.length - 1), asked())).toThrow(invalid);
    expect(() => checkAnswer(concatBytes(frame, utf8(" ")), asked())).toThrow(invalid);
    const long = encodeFrame({ v: 1, legLength: leg.length + sealed.length + 1, requestGuessable: false }, leg, sealed);
    expect(() => checkAnswer(long, asked())).toThrow(invalid);
  });

  it("is dropped when the opened bodies are not those of the leg", async () => {
    const { leg, response } = await worker.answer(envelope, context, facts);
    const parsed = parseTeeLeg(leg);
    expect(() => assertOpened(parsed, utf8("another"), response)).toThrow(invalid);
    expect(() => assertOpened(parsed, request, utf8("another"))).toThrow(invalid);
    expect(() => assertOpened(parsed, response, request)).toThrow(invalid);
  });
});
