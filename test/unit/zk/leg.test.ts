import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { contextOf } from "../../../src/paths/zk/wire/context.ts";
import { FIELD_ORDER } from "../../../src/paths/zk/wire/field.ts";
import { encodeZkLeg, parseZkLeg, readSignals } from "../../../src/paths/zk/wire/leg.ts";
import { encodeSetup, isSetupOf, parseSetup } from "../../../src/paths/zk/wire/setup.ts";
import { zkLeg } from "../../fixtures/zk-leg.ts";

const digest = (name: string) => digestOfJson(name);
const binding = {
  v: 1,
  requestDigest: digest("request"),
  responseDigest: digest("response"),
  modelDigest: digest("model"),
  decisionDigest: digest("decision"),
  nonce: "0123456789abcdef0123456789abcdef",
} as const;
const { bytes, setupBytes } = zkLeg(binding);
const text = new TextDecoder().decode(bytes);
const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

describe("a zk leg", () => {
  it("is encoded and parsed without loss", () => {
    const leg = parseZkLeg(bytes);
    expect(encodeZkLeg(leg)).toEqual(bytes);
    const context = contextOf(binding);
    expect(readSignals(leg.publicSignals, false)).toEqual({
      inputCommitment: 77n,
      weightCommitment: null,
      outputs: [-5],
      context,
    });
  });

  it.each([
    ["another version", text.replace('"v":1}', '"v":2}')],
    ["a member too many", text.replace('"v":1}', '"v":1,"w":1}')],
    ["a prover that nobody knows", text.replace('"snarkjs"', '"somebody"')],
    ["a signal with a leading zero", text.replace('["77"', '["077"')],
    ["a signal that is a number", text.replace('["77"', "[77")],
    ["a signal beyond the field", text.replace('["77"', `["${FIELD_ORDER + 77n}"`)],
    ["a projective point", text.replace(',"1"]', ',"2"]')],
    ["nothing", ""],
  ])("is refused with %s", (_, changed) => {
    expect(changed).not.toBe(text);
    expect(() => parseZkLeg(utf8(changed))).toThrow(malformed);
  });

  it("is refused beyond its size", () => {
    expect(() => parseZkLeg(new Uint8Array(400_000))).toThrow(malformed);
  });

  it("has a commitment, an int32 output at least, and a context", () => {
    const { outputs } = readSignals([1n, 2n ** 31n - 1n, FIELD_ORDER - 2n ** 31n + 1n, 9n], false);
    expect(outputs).toEqual([2 ** 31 - 1, 1 - 2 ** 31]);
    for (const signals of [
      [1n, 2n],
      [1n, 2n ** 31n, 9n],
      [1n, FIELD_ORDER - 2n ** 31n, 9n],
    ]) {
      expect(() => readSignals(signals, false)).toThrow(malformed);
    }
  });

  it("has a commitment to private weights behind that to the input, which is no output", () => {
    expect(readSignals([1n, 2n ** 200n, 7n, 9n], true)).toEqual({
      inputCommitment: 1n,
      weightCommitment: 2n ** 200n,
      outputs: [7],
      context: 9n,
    });
    for (const signals of [[], [1n], [1n, 2n], [1n, 2n, 9n]]) expect(() => readSignals(signals, true)).toThrow(malformed);
    // Read in the other mode, a commitment would have to be an int32.
    expect(() => readSignals([1n, 2n ** 200n, 7n, 9n], false)).toThrow(malformed);
  });
});

describe("a context", () => {
  it("is the same for every response, and below the field order", () => {
    expect(contextOf({ ...binding })).toBe(contextOf({ ...binding, requestDigest: binding.requestDigest }));
    expect(contextOf(binding)).toBeLessThan(2n ** 253n);
  });

  it.each([
    ["request", { requestDigest: digest("other") }],
    ["model", { modelDigest: digest("other") }],
    ["decision", { decisionDigest: digest("other") }],
    ["nonce", { nonce: "f".repeat(32) }],
  ])("is another for another %s", (_, change) => {
    expect(contextOf({ ...binding, ...change })).not.toBe(contextOf(binding));
  });

  it("of a known binding is a known number", () => {
    expect(contextOf(binding)).toBe(13486138370989401310371738172506611419867490806233835922171152862704377381895n);
  });
});

describe("a setup document", () => {
  it("is encoded and parsed without loss", () => {
    expect(encodeSetup(parseSetup(setupBytes))).toEqual(setupBytes);
  });

  it("is of one model or of one architecture, not of both and not of none", () => {
    const document = new TextDecoder().decode(setupBytes);
    const ofArchitecture = document.replace('"modelDigest"', '"architectureDigest"');
    const parsed = parseSetup(utf8(ofArchitecture));
    expect(isSetupOf(parsed, { architectureDigest: binding.modelDigest })).toBe(true);
    expect(isSetupOf(parsed, { modelDigest: binding.modelDigest })).toBe(false);
    expect(isSetupOf(parseSetup(setupBytes), { architectureDigest: binding.modelDigest })).toBe(false);
    const both = document.replace('"modelDigest"', `"architectureDigest":"${digest("arch")}","modelDigest"`);
    const none = document.replace(`"modelDigest":"${binding.modelDigest}",`, "");
    for (const bytes of [both, none]) expect(() => parseSetup(utf8(bytes))).toThrow(malformed);
  });

  it.each([
    ["an unknown state", '"dev-insecure"', '"trusted"'],
    ["a member too many", '"v":1', '"v":1,"w":1'],
    ["a digest in capitals", "sha256:", "SHA256:"],
  ])("is refused with %s", (_, from, to) => {
    const changed = new TextDecoder().decode(setupBytes).replace(from, to);
    expect(() => parseSetup(utf8(changed))).toThrow(malformed);
  });
});
