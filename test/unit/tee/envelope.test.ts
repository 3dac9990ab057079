import { describe, expect, it } from "vitest";
import { encodeBase64, encodeHex, parseBase64, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { openRequest, parseEnvelope, type SealKeyPair, sealRequest, sealSuite } from "../../../src/paths/tee/wire/envelope.ts";

const head = {
  model: "m",
  keysetDigest: digestOf(utf8("keyset")),
  facts: { classification: "personal", value_usd: 3 },
  exp: unixSeconds(1000),
};
const plaintext = utf8("the request");

async function makeKeys(): Promise<{ keys: SealKeyPair; publicKey: string }> {
  const keys = await sealSuite.GenerateKeyPair(false);
  return { keys, publicKey: encodeHex(await sealSuite.SerializePublicKey(keys.publicKey)) };
}

function fields(body: Uint8Array): JsonObject {
  const value = parseJson(body);
  return isJsonObject(value) ? value : {};
}

function flipped(base64: unknown, index: number): string {
  const bytes = parseBase64(String(base64));
  const at = index < 0 ? bytes.length + index : index;
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  return encodeBase64(bytes);
}

const unopenable = expect.objectContaining({ code: "SEALED_UNOPENABLE" });
const malformed = expect.objectContaining({ code: "SEALED_MALFORMED" });

describe("a sealed envelope", () => {
  it("opens under its key, and its answer opens only with what sealed it", async () => {
    const { keys, publicKey } = await makeKeys();
    const sealed = await sealRequest(head, publicKey, plaintext);
    const envelope = parseEnvelope(sealed.body);
    expect(envelope.facts).toEqual(head.facts);
    const opened = await openRequest(envelope, keys);
    expect(opened.plaintext).toEqual(plaintext);
    const answer = await opened.sealResponse(utf8("the answer"));
    expect(await sealed.openResponse(answer)).toEqual(utf8("the answer"));
    const other = await sealRequest(head, publicKey, plaintext);
    await expect(other.openResponse(answer)).rejects.toEqual(unopenable);
  });

  it("never has the same bytes twice, nor its plaintext in them", async () => {
    const { publicKey } = await makeKeys();
    const bodies = await Promise.all([1, 2, 3].map(async () => encodeHex((await sealRequest(head, publicKey, plaintext)).body)));
    expect(new Set(bodies).size).toBe(3);
    for (const body of bodies) expect(body).not.toContain(encodeHex(plaintext));
  });

  it("opens under no other key, and with no clear field changed", async () => {
    const { keys, publicKey } = await makeKeys();
    const { body } = await sealRequest(head, publicKey, plaintext);
    await expect(openRequest(parseEnvelope(body), (await makeKeys()).keys)).rejects.toEqual(unopenable);
    const clear = fields(body);
    const changes: JsonObject[] = [
      { model: "n" },
      { keysetDigest: digestOf(utf8("other")) },
      { exp: 1001 },
      { facts: {} },
      { facts: { classification: "personal" } },
      { facts: { classification: "personal", value_usd: 4 } },
      { facts: { classification: "personal", value_usd: 3, kind: "x" } },
      { enc: flipped(clear["enc"], 0) },
      { enc: flipped(clear["enc"], -1) },
      { ct: flipped(clear["ct"], 0) },
      { ct: flipped(clear["ct"], -1) },
    ];
    for (const change of changes) {
      const envelope = parseEnvelope(encodeJcs({ ...clear, ...change }));
      await expect(openRequest(envelope, keys), JSON.stringify(change)).rejects.toEqual(unopenable);
    }
    const same = encodeJcs({ ...clear, facts: { value_usd: 3, classification: "personal" } });
    expect((await openRequest(parseEnvelope(same), keys)).plaintext).toEqual(plaintext);
  });

  it("is refused in any other form", async () => {
    const { publicKey } = await makeKeys();
    const clear = fields((await sealRequest(head, publicKey, plaintext)).body);
    const { ct, ...withoutCt } = clear;
    expect(ct).toBeDefined();
    const forms: JsonObject[] = [
      withoutCt,
      { ...clear, v: 2 },
      { ...clear, extra: null },
      { ...clear, exp: "1000" },
      { ...clear, enc: "not base64" },
      { ...clear, facts: { other: 1 } },
      { ...clear, keysetDigest: "sha256:00" },
    ];
    for (const form of forms) expect(() => parseEnvelope(encodeJcs(form)), JSON.stringify(form)).toThrow(malformed);
    expect(() => parseEnvelope(utf8("[]"))).toThrow(malformed);
    expect(() => parseEnvelope(Uint8Array.of(0xff))).toThrow(malformed);
  });

  it("is not made for a key that is none", async () => {
    await expect(sealRequest(head, "00", plaintext)).rejects.toEqual(unopenable);
    await expect(sealRequest(head, "zz".repeat(32), plaintext)).rejects.toEqual(unopenable);
    await expect(sealRequest(head, "00".repeat(32), plaintext)).rejects.toEqual(unopenable);
  });
});

describe("a sealed answer", () => {
  it("is refused when any part of it was changed", async () => {
    const { keys, publicKey } = await makeKeys();
    const sealed = await sealRequest(head, publicKey, plaintext);
    const opened = await openRequest(parseEnvelope(sealed.body), keys);
    const answer = fields(await opened.sealResponse(utf8("the answer")));
    const open = (change: JsonObject) => sealed.openResponse(encodeJcs({ ...answer, ...change }));
    await expect(open({ nonce: flipped(answer["nonce"], 0) })).rejects.toEqual(unopenable);
    await expect(open({ ct: flipped(answer["ct"], 0) })).rejects.toEqual(unopenable);
    await expect(open({ ct: "" })).rejects.toEqual(unopenable);
    await expect(open({ v: 2 })).rejects.toEqual(malformed);
    await expect(open({ more: 1 })).rejects.toEqual(malformed);
    await expect(sealed.openResponse(utf8("{"))).rejects.toEqual(malformed);
    expect(await open({})).toEqual(utf8("the answer"));
  });
});
