import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { callerProofUnder, readCallerTerms, readHandedKey } from "../../../src/paths/zk/client/caller-proofs.ts";
import { verifyStandalone } from "../../../src/paths/zk/evidence/standalone.ts";
import { CALLER_CONTEXT, callerContext, encodeCallerProof, parseCallerProof } from "../../../src/paths/zk/wire/caller-proof.ts";
import { contextOf } from "../../../src/paths/zk/wire/context.ts";
import { verificationKeyDigest } from "../../../src/paths/zk/wire/documents.ts";
import { FIELD_ORDER } from "../../../src/paths/zk/wire/field.ts";
import { devSetup } from "../../../src/paths/zk/wire/setup.ts";
import { standaloneContext } from "../../../src/paths/zk/wire/standalone.ts";
import { encodeSubmittedLeg, parseSubmittedLeg } from "../../../src/paths/zk/wire/submitted-leg.ts";
import { readVerificationKey } from "../../../src/paths/zk/wire/zkey.ts";
import { callerDocument } from "../../fixtures/caller-proof.ts";
import { CIRCUIT, honestKey } from "../../fixtures/zk-leg.ts";

const digest = (name: string) => digestOfJson(name);
const statement = {
  modelDigest: digest("model"),
  decisionDigest: digest("decision"),
  factsDigest: digest("facts"),
  nonce: "0123456789abcdef0123456789abcdef",
};
const bytes = encodeCallerProof(callerDocument(statement));
const text = new TextDecoder().decode(bytes);
const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

describe("the document of a caller's proof", () => {
  it("is encoded and parsed without loss, and is what the caller's side makes", () => {
    expect(encodeCallerProof(parseCallerProof(bytes))).toEqual(bytes);
    const { context, document } = callerProofUnder(statement);
    const { publicSignals, proof } = callerDocument(statement, context);
    expect(document(publicSignals, proof)).toEqual(bytes);
  });

  it.each([
    ["another version", text.replace('"v":1}', '"v":2}')],
    ["another kind", text.replace("zk.caller.v1", "zk.standalone.v1")],
    ["a member too many", text.replace('"v":1}', '"v":1,"w":1}')],
    ["a nonce of another length", text.replace('"0123', '"123')],
    ["a signal that is a number", text.replace('["77"', "[77")],
    ["a signal beyond the field", text.replace('["77"', `["${FIELD_ORDER + 77n}"`)],
    ["a projective point", text.replace(',"1"]', ',"2"]')],
    ["nothing", ""],
  ])("is refused with %s", (_, changed) => {
    expect(changed).not.toBe(text);
    expect(() => parseCallerProof(utf8(changed))).toThrow(malformed);
  });

  it("is refused beyond its size", () => {
    expect(() => parseCallerProof(new Uint8Array(400_000))).toThrow(malformed);
  });
});

describe("the context of a caller's proof", () => {
  it("of a known statement is a known number, below the field order", () => {
    expect(callerContext(statement)).toBe(1301210540940211407232971364761794022233443098152439934030422961043010050350n);
    expect(callerContext(statement)).toBeLessThan(2n ** 253n);
  });

  it.each(["modelDigest", "decisionDigest", "factsDigest"] as const)("is another for another %s", (member) => {
    expect(callerContext({ ...statement, [member]: digest("other") })).not.toBe(callerContext(statement));
  });

  it("is neither that of a gateway's leg nor that of a standalone proof", () => {
    const binding = { v: 1 as const, requestDigest: digest("request"), ...statement };
    const others = [contextOf(binding), standaloneContext(statement.modelDigest, new Uint8Array(32))];
    expect(new Set([callerContext(statement), ...others]).size).toBe(3);
    expect(callerContext({ ...statement, nonce: "f".repeat(32) })).not.toBe(callerContext(statement));
  });

  it("makes no standalone proof", () => {
    const { modelDigest } = statement;
    const { publicSignals, proof } = parseCallerProof(bytes);
    const setup = devSetup({ modelDigest, circuitDigest: CIRCUIT, keyDigest: honestKey.digest });
    const document = { modelDigest, nonce: new Uint8Array(32), publicSignals, proof, verificationKey: honestKey.key, setup };
    expect(() => verifyStandalone(document, [], "dev-insecure")).toThrow(
      expect.objectContaining({ code: "ZK_CONTEXT_MISMATCH" }),
    );
  });
});

describe("the leg of a caller's proof", () => {
  const leg = {
    requestDigest: digest("request"),
    responseDigest: digest("response"),
    circuitDigest: digest("circuit"),
    keyDigest: digest("key"),
    setupDigest: digest("setup"),
  };
  const written = new TextDecoder().decode(encodeSubmittedLeg(CALLER_CONTEXT, leg));

  it("names its kind of context, and is parsed without loss", () => {
    expect(written).toContain('"context":"triseal.zk.caller.v1"');
    expect(parseSubmittedLeg(CALLER_CONTEXT, utf8(written))).toEqual(leg);
  });

  it.each([
    ["another kind", written.replace("caller", "gateway")],
    ["a member too many", written.replace('"v":1}', '"v":1,"w":1}')],
    ["a member too few", written.replace(/"keyDigest":"[^"]+",/, "")],
    ["too many bytes", written.replace("{", `{${" ".repeat(5000)}`)],
  ])("is refused with %s", (_, changed) => {
    expect(changed).not.toBe(written);
    expect(() => parseSubmittedLeg(CALLER_CONTEXT, utf8(changed))).toThrow(malformed);
  });
});

describe("a proving key that a gateway hands out", () => {
  const zkey = new Uint8Array(readFileSync(new URL("../../vectors/zk/small.zkey", import.meta.url)));
  const { key } = readVerificationKey(zkey);
  const termsFor = (keyDigest: string) =>
    readCallerTerms({
      circuitDigest: digest("circuit"),
      keyDigest,
      setupDigest: digest("setup"),
      provingKey: { digest: digest("zkey"), bytes: zkey.length },
    });

  it("is read where it is the one that the challenge names", () => {
    expect(readHandedKey(zkey, termsFor(verificationKeyDigest(key)))).toEqual(key);
  });

  it("is refused where it is another, is none, or blinds nothing", () => {
    expect(() => readHandedKey(zkey, termsFor(digest("another")))).toThrow(expect.objectContaining({ code: "ZK_KEY_INVALID" }));
    expect(() => readHandedKey(zkey.subarray(0, 900), termsFor(verificationKeyDigest(key)))).toThrow(malformed);
    // delta in the first group, in the section of the header: no part of the verification key.
    const view = new DataView(zkey.buffer);
    let section = 12;
    while (view.getUint32(section, true) !== 2) section += 12 + Number(view.getBigUint64(section + 4, true));
    const header = section + 12;
    const unblinded = zkey.slice().fill(0, header + 468, header + 532);
    expect(verificationKeyDigest(readVerificationKey(unblinded).key)).toBe(verificationKeyDigest(key));
    expect(() => readHandedKey(unblinded, termsFor(verificationKeyDigest(key)))).toThrow(
      expect.objectContaining({ code: "ZK_KEY_INVALID", message: expect.stringContaining("blinds nothing") }),
    );
  });

  it("has terms of the known form, and no larger than callers take", () => {
    const terms = { ...termsFor(digest("key")) };
    for (const change of [{ more: 1 }, { provingKey: { digest: digest("zkey"), bytes: 0 } }, { keyDigest: "none" }])
      expect(() => readCallerTerms({ ...terms, ...change })).toThrow(malformed);
  });
});
