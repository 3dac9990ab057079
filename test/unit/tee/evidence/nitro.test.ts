import { describe, expect, it } from "vitest";
import { concatBytes, encodeHex, utf8 } from "../../../../src/core/bytes.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import type { Certificate } from "../../../../src/paths/tee/evidence/x509/certificate.ts";
import { issueChain, issueDevice, leafOf } from "../../../fixtures/evidence/device-chain.ts";
import {
  CBOR_NULL,
  type CoseDraft,
  cborArray,
  cborBytes,
  cborMap,
  cborMembers,
  cborNumber,
  cborText,
  documentMembers,
  encodeCose,
  head,
  nitroQuestion,
  pcr,
  withMembers,
} from "../../../fixtures/evidence/nitro.ts";
import { type Answer, AT, answerTo } from "../../../fixtures/evidence/question.ts";

const chain = issueChain(["TEST enclave", "TEST zone", "TEST region", "TEST root"]);
const leaf = leafOf(chain);
const members = documentMembers(chain, AT * 1000 + 81);
const good = encodeCose(cborMap(members), leaf);

interface Changes {
  readonly policy?: JsonObject;
  readonly at?: number;
  readonly anchors?: readonly Certificate[];
}

const appraise = (document: Uint8Array, changes: Changes = {}): Promise<Answer> =>
  answerTo({ ...nitroQuestion(document, chain), ...changes });

const signed = (payload: Uint8Array, changes: Partial<CoseDraft> = {}) => encodeCose(payload, leaf, changes);
const changed = (changes: Readonly<Record<string, Uint8Array | null>>) => signed(cborMap(withMembers(members, changes)));

describe("a Nitro document", () => {
  it("is accepted, with tag 18 and without, and says what the enclave measured", async () => {
    for (const tag of [false, true]) {
      const { code, claims } = await appraise(signed(cborMap(members), { tag }));
      expect(code).toBe(null);
      expect(claims).toMatchObject({
        moduleId: "i-test-enc1",
        timestamp: "2026-06-01T00:00:00.081Z",
        pcr0: encodeHex(pcr(0)),
        pcr15: encodeHex(pcr(15)),
        nonce: encodeHex(utf8("nonce")),
        userData: encodeHex(utf8("user data")),
        publicKey: null,
      });
    }
  });

  it("is accepted with every expectation met", async () => {
    const policy = {
      nonce: encodeHex(utf8("nonce")).toUpperCase(),
      userData: encodeHex(utf8("user data")),
      publicKey: null,
      measurements: { pcr0: encodeHex(pcr(0)), pcr8: ["00", encodeHex(pcr(8))], pcr1: null },
    };
    expect((await appraise(good, { policy })).code).toBe(null);
  });

  it("is accepted with zeros behind it only where the policy allows them", async () => {
    const padded = concatBytes(good, new Uint8Array(8));
    expect((await appraise(padded, { policy: { trailing: "zeros" } })).code).toBe(null);
    expect((await appraise(padded, { policy: { trailing: "none" } })).code).toBe("EVIDENCE_MALFORMED");
    expect((await appraise(concatBytes(padded, utf8("x")), { policy: { trailing: "zeros" } })).code).toBe("EVIDENCE_MALFORMED");
  });

  it("is accepted in debug mode only where the policy allows it", async () => {
    const zeros = cborMap([
      [0, cborBytes(new Uint8Array(48))],
      [1, cborBytes(pcr(1))],
    ]);
    const document = changed({ pcrs: zeros });
    expect((await appraise(document)).code).toBe("EVIDENCE_DEBUG_ENABLED");
    expect((await appraise(document, { policy: { allowDebug: true } })).code).toBe(null);
    expect((await appraise(changed({ pcrs: cborMap([[1, cborBytes(pcr(1))]]) }))).code).toBe("EVIDENCE_DEBUG_ENABLED");
  });
});

describe("a Nitro document is refused", () => {
  const cases: readonly (readonly [string, string, () => Uint8Array, Changes?])[] = [
    [
      "with a PCR flipped",
      "SIGNATURE_INVALID",
      () => {
        const at = encodeHex(good).indexOf("01".repeat(48)) / 2;
        return good.with(at, 2);
      },
    ],
    ["with its signature flipped", "SIGNATURE_INVALID", () => good.with(-1, (good.at(-1) ?? 0) ^ 1)],
    ["signed by another key", "SIGNATURE_INVALID", () => encodeCose(cborMap(members), issueDevice("x", null))],
    [
      "with a signature of another length",
      "SIGNATURE_INVALID",
      () => concatBytes(good.subarray(0, -98), cborBytes(new Uint8Array(64))),
    ],
    ["with another nonce", "NONCE_MISMATCH", () => good, { policy: { nonce: "00" } }],
    ["without a nonce", "NONCE_MISMATCH", () => changed({ nonce: CBOR_NULL }), { policy: { nonce: "" } }],
    ["with other user data", "REPORT_DATA_MISMATCH", () => good, { policy: { userData: "00" } }],
    ["without a public key", "REPORT_DATA_MISMATCH", () => good, { policy: { publicKey: "00" } }],
    [
      "with another PCR than the reference",
      "MEASUREMENT_MISMATCH",
      () => good,
      { policy: { measurements: { pcr0: encodeHex(pcr(1)) } } },
    ],
    [
      "with none of the reference values",
      "MEASUREMENT_MISMATCH",
      () => good,
      { policy: { measurements: { pcr2: ["00", encodeHex(pcr(1))] } } },
    ],
    [
      "without a PCR that is expected",
      "MEASUREMENT_MISMATCH",
      () => good,
      { policy: { measurements: { pcr31: encodeHex(pcr(1)) } } },
    ],
    [
      "without a PCR that no document has",
      "MEASUREMENT_MISMATCH",
      () => good,
      { policy: { measurements: { pcr32: encodeHex(pcr(1)) } } },
    ],
    ["with a leaf that has expired", "CERT_EXPIRED", () => good, { at: AT + 20 * 365 * 86_400 }],
    ["with a leaf that is not yet valid", "CERT_NOT_YET_VALID", () => good, { at: AT - 10 * 365 * 86_400 }],
    ["under roots that nobody named", "CHAIN_UNTRUSTED", () => good, { anchors: [] }],
    [
      "with its chain in another order",
      "CHAIN_UNTRUSTED",
      () => changed({ cabundle: cborArray(...chain.slice(1).map(({ der }) => cborBytes(der))) }),
    ],
    [
      "without one of its authorities",
      "CHAIN_UNTRUSTED",
      () =>
        changed({
          cabundle: cborArray(
            ...chain
              .slice(2)
              .toReversed()
              .map(({ der }) => cborBytes(der)),
          ),
        }),
    ],
    [
      "without its root, though an anchor issued the rest",
      "CHAIN_UNTRUSTED",
      () =>
        changed({
          cabundle: cborArray(
            ...chain
              .slice(1, 3)
              .toReversed()
              .map(({ der }) => cborBytes(der)),
          ),
        }),
    ],
  ];
  const rows = cases.map(([name, code, document, changes = {}]) => [name, code, document, changes] as const);
  it.each(rows)("%s", async (_name, code, document, changes) => {
    expect((await appraise(document(), changes)).code).toBe(`EVIDENCE_${code}`);
  });
});

describe("malformed Nitro documents", () => {
  const map = () => cborMap(members);
  const twice = (name: string) => cborMap([...members, ...members.filter(([other]) => other === name)]);
  const es384 = cborMap([[1, cborNumber(-35)]]);
  const cases: readonly (readonly [string, string, () => Uint8Array])[] = [
    ["empty", "MALFORMED", () => new Uint8Array(0)],
    ["cut", "MALFORMED", () => good.subarray(0, -1)],
    ["with a byte behind it", "MALFORMED", () => concatBytes(good, Uint8Array.of(0))],
    ["oversize", "MALFORMED", () => concatBytes(good, new Uint8Array(100_000))],
    ["nested deeply", "MALFORMED", () => new Uint8Array(60_000).fill(0x81)],
    ["a map", "MALFORMED", () => cborMap([])],
    ["of three parts", "MALFORMED", () => cborArray(cborBytes(es384), cborMap([]), cborBytes(map()))],
    ["under another tag", "MALFORMED", () => concatBytes(head(6, 17), good)],
    ["under tag 18 twice", "MALFORMED", () => concatBytes(head(6, 18), head(6, 18), good)],
    ["of indefinite length", "MALFORMED", () => concatBytes(Uint8Array.of(0x9f), good.subarray(1), Uint8Array.of(0xff))],
    ["with an unprotected header", "MALFORMED", () => signed(map(), { unprotected: cborMap([[4, cborBytes(utf8("kid"))]]) })],
    ["with an empty protected header", "MALFORMED", () => signed(map(), { protectedHeader: new Uint8Array(0) })],
    ["with ES256 (algorithm confusion)", "UNSUPPORTED", () => signed(map(), { protectedHeader: cborMap([[1, cborNumber(-7)]]) })],
    ["with HMAC (algorithm confusion)", "UNSUPPORTED", () => signed(map(), { protectedHeader: cborMap([[1, cborNumber(6)]]) })],
    ["without an algorithm", "UNSUPPORTED", () => signed(map(), { protectedHeader: cborMap([]) })],
    [
      "with a critical header",
      "UNSUPPORTED",
      () =>
        signed(map(), {
          protectedHeader: cborMap([
            [1, cborNumber(-35)],
            [2, cborArray(cborNumber(1))],
          ]),
        }),
    ],
    [
      "with the algorithm in a longer form",
      "MALFORMED",
      () => signed(map(), { protectedHeader: Uint8Array.of(0xa1, 0x18, 0x01, 0x38, 0x22) }),
    ],
    [
      "with the algorithm twice (duplicate CBOR keys)",
      "MALFORMED",
      () => signed(map(), { protectedHeader: Uint8Array.of(0xa2, 0x01, 0x38, 0x22, 0x01, 0x26) }),
    ],
    [
      "with a payload of indefinite length",
      "MALFORMED",
      () => signed(concatBytes(Uint8Array.of(0xbf), cborMembers(members), Uint8Array.of(0xff))),
    ],
    ["with bytes behind the payload's map", "MALFORMED", () => signed(concatBytes(map(), Uint8Array.of(0)))],
    ["with its nonce twice (duplicate CBOR keys)", "MALFORMED", () => signed(twice("nonce"))],
    ["with its PCRs twice (duplicate CBOR keys)", "MALFORMED", () => signed(twice("pcrs"))],
    [
      "with one PCR twice (duplicate CBOR keys)",
      "MALFORMED",
      () =>
        changed({
          pcrs: cborMap([
            [0, cborBytes(pcr(0))],
            [0, cborBytes(pcr(1))],
          ]),
        }),
    ],
    [
      "with a PCR under a byte string",
      "MALFORMED",
      () => changed({ pcrs: concatBytes(head(5, 1), cborBytes(Uint8Array.of(0)), cborBytes(pcr(0))) }),
    ],
    ["with PCR 32", "MALFORMED", () => changed({ pcrs: cborMap([[32, cborBytes(pcr(0))]]) })],
    ["with a negative PCR", "MALFORMED", () => changed({ pcrs: cborMap([[-1, cborBytes(pcr(0))]]) })],
    ["with a PCR of 20 bytes", "MALFORMED", () => changed({ pcrs: cborMap([[0, cborBytes(new Uint8Array(20))]]) })],
    ["without PCRs", "MALFORMED", () => changed({ pcrs: cborMap([]) })],
    ["with PCRs in an array", "MALFORMED", () => changed({ pcrs: cborArray(cborBytes(pcr(0))) })],
    ["with a field that is not known", "MALFORMED", () => signed(cborMap([...members, ["extra", cborNumber(1)]]))],
    ["with a field under a number", "MALFORMED", () => signed(cborMap([...members, [1, cborNumber(1)]]))],
    ["without a module id", "MALFORMED", () => changed({ module_id: null })],
    ["without a timestamp", "MALFORMED", () => changed({ timestamp: null })],
    [
      "with a timestamp in floating point",
      "MALFORMED",
      () => changed({ timestamp: Uint8Array.of(0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0) }),
    ],
    [
      "with a timestamp beyond all years",
      "MALFORMED",
      () => changed({ timestamp: Uint8Array.of(0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) }),
    ],
    ["with undefined in place of a nonce", "MALFORMED", () => changed({ nonce: Uint8Array.of(0xf7) })],
    ["with a nonce that is a text", "MALFORMED", () => changed({ nonce: cborText("nonce") })],
    ["with a nonce that is too long", "MALFORMED", () => changed({ nonce: cborBytes(new Uint8Array(5000)) })],
    ["without a certificate", "MALFORMED", () => changed({ certificate: null })],
    [
      "with a certificate that does not parse",
      "MALFORMED",
      () => changed({ certificate: cborBytes(concatBytes(leaf.der, Uint8Array.of(0))) }),
    ],
    ["without authorities", "MALFORMED", () => changed({ cabundle: cborArray() })],
    ["with SHA-256 as its digest", "UNSUPPORTED", () => changed({ digest: cborText("SHA256") })],
  ];
  it.each(cases)("%s", async (_name, code, document) => {
    expect((await appraise(document())).code).toBe(`EVIDENCE_${code}`);
  });
});

describe("a Nitro policy", () => {
  it.each([{ allowdebug: true }, { measurements: { pcr01: "00" } }, { measurements: { PCR0: "00" } }, { nonce: 1 }])(
    "refuses %j",
    async (policy) => {
      await expect(appraise(good, { policy })).rejects.toMatchObject({ code: "FORMAT_INVALID" });
    },
  );
});
