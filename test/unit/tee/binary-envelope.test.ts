import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, uint32BE, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import {
  openRequest,
  parseEnvelope,
  parseEnvelopeOfType,
  SEALED_TYPES,
  sealRequest,
} from "../../../src/paths/tee/wire/envelope.ts";
import { SEAL_X25519 } from "../../../src/paths/tee/wire/keyset.ts";
import { makeSealKey, publicSealKey, type SealKeyPair } from "../../../src/paths/tee/wire/seal-suite.ts";

const head = { model: "m", keysetDigest: digestOf(utf8("keyset")), facts: { kind: "k" }, exp: unixSeconds(1000) };
const plaintext = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
const malformed = expect.objectContaining({ code: "SEALED_MALFORMED" });
const unopenable = expect.objectContaining({ code: "SEALED_UNOPENABLE" });
let key: SealKeyPair;

beforeAll(async () => {
  key = await makeSealKey("seal-a", SEAL_X25519);
});

const seal = () => sealRequest(head, publicSealKey(key), plaintext, undefined, "binary");

/** The clear members and the ciphertext of a body in binary form. */
function parts(body: Uint8Array): { readonly clear: Record<string, unknown>; readonly ct: Uint8Array } {
  const end = 4 + new DataView(body.buffer, body.byteOffset).getUint32(0);
  return {
    clear: JSON.parse(new TextDecoder().decode(body.subarray(4, end))) as Record<string, unknown>,
    ct: body.subarray(end),
  };
}

function join(clear: Uint8Array, ct: Uint8Array): Uint8Array {
  return concatBytes(uint32BE(clear.length), clear, ct);
}

describe("an envelope in binary form", () => {
  it("holds the ciphertext as it is, opens under its key, and is answered in kind", async () => {
    const sealed = await seal();
    expect(sealed.mediaType).toBe("application/vnd.triseal.sealed");
    const envelope = parseEnvelopeOfType(sealed.body, sealed.mediaType);
    expect([envelope.form, envelope.ct.length]).toEqual(["binary", plaintext.length + 16]);
    const opened = await openRequest(envelope, [key]);
    expect(opened.plaintext).toEqual(plaintext);
    const answer = await opened.sealResponse(plaintext);
    expect(parts(answer).ct.length).toBe(plaintext.length + 16);
    expect(await sealed.openResponse(answer)).toEqual(plaintext);
  });

  it("is sealed with the associated data of the JSON form, so that both say the same", async () => {
    const { clear, ct } = parts((await seal()).body);
    const json = encodeJcs({ ...(clear as JsonObject), ct: Buffer.from(ct).toString("base64") });
    expect((await openRequest(parseEnvelope(json), [key])).plaintext).toEqual(plaintext);
  });

  it("does not open with a clear member or a byte of the ciphertext changed", async () => {
    const { body } = await seal();
    const { clear, ct } = parts(body);
    for (const change of [{ model: "n" }, { exp: 1001 }, { facts: {} }, { keyId: "seal-b" }]) {
      const changed = parseEnvelope(join(encodeJcs({ ...(clear as JsonObject), ...change }), ct));
      await expect(openRequest(changed, [key])).rejects.toEqual(unopenable);
    }
    for (const bad of [
      body.subarray(0, -1),
      concatBytes(body, Uint8Array.of(0)),
      body.map((byte, at) => (at === body.length - 5 ? byte ^ 1 : byte)),
    ]) {
      await expect(openRequest(parseEnvelope(bad), [key])).rejects.toEqual(unopenable);
    }
    await expect(openRequest(parseEnvelope(join(encodeJcs(clear as JsonObject), Uint8Array.of())), [key])).rejects.toEqual(
      unopenable,
    );
  });

  it("is refused where its clear part is not canonical, not whole, too long or of other members", async () => {
    const { clear, ct } = parts((await seal()).body);
    const canonical = encodeJcs(clear as JsonObject);
    const { enc: _, ...withoutEnc } = clear;
    const heads = [
      utf8(JSON.stringify(clear, null, 1)),
      utf8(JSON.stringify(Object.fromEntries(Object.entries(clear).reverse()))),
      concatBytes(canonical, utf8(" ")),
      encodeJcs({ ...(clear as JsonObject), ct: "AAAA" }),
      encodeJcs({ ...(clear as JsonObject), form: "binary" }),
      encodeJcs({ ...(clear as JsonObject), facts: { kind: "k".repeat(17_000) } }),
      encodeJcs(withoutEnc as JsonObject),
      utf8("[]"),
      utf8("0"),
      Uint8Array.of(),
    ];
    for (const bad of heads) expect(() => parseEnvelope(join(bad, ct))).toThrow(malformed);
    for (const bad of [uint32BE(0), Uint8Array.of(0, 0, 0), uint32BE(5), uint32BE(0x00ff_ffff)])
      expect(() => parseEnvelope(bad)).toThrow(malformed);
    expect(() => parseEnvelope(concatBytes(uint32BE(canonical.length + 1), canonical))).toThrow(malformed);
  });

  it("is refused under the media type of the other form", async () => {
    const { body } = await seal();
    const json = (await sealRequest(head, publicSealKey(key), plaintext)).body;
    expect(() => parseEnvelopeOfType(body, SEALED_TYPES.json)).toThrow(malformed);
    expect(() => parseEnvelopeOfType(json, SEALED_TYPES.binary)).toThrow(malformed);
    expect(parseEnvelopeOfType(json, SEALED_TYPES.json).form).toBe("json");
  });

  it("has an answer that does not open when any part of it was changed", async () => {
    const sealed = await seal();
    const answer = await (await openRequest(parseEnvelope(sealed.body), [key])).sealResponse(plaintext);
    const { clear, ct } = parts(answer);
    await expect(sealed.openResponse(answer.subarray(0, -1))).rejects.toEqual(unopenable);
    await expect(sealed.openResponse(answer.map((byte, at) => (at === answer.length - 1 ? byte ^ 1 : byte)))).rejects.toEqual(
      unopenable,
    );
    for (const change of [{ v: 2 }, { nonce: "AA" + "A=" + "=" }, { more: 1 }]) {
      const bad = join(encodeJcs({ ...(clear as JsonObject), ...change }), ct);
      await expect(sealed.openResponse(bad)).rejects.toEqual(malformed);
    }
  });
});
