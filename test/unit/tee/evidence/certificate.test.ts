/** Certificates, chains, CRLs and PEM: strict forms, and every reason to refuse a chain. */
import { describe, expect, it } from "vitest";
import { concatBytes, encodeBase64 } from "../../../../src/core/bytes.ts";
import { unixSeconds } from "../../../../src/core/time.ts";
import { Findings } from "../../../../src/paths/tee/evidence/appraisal/findings.ts";
import { pinnedRoots } from "../../../../src/paths/tee/evidence/appraisal/vendor-root.ts";
import { amdRoots } from "../../../../src/paths/tee/evidence/sev-snp/roots.ts";
import { intelRoots } from "../../../../src/paths/tee/evidence/tdx/roots.ts";
import { parsePublicKey } from "../../../../src/paths/tee/evidence/x509/algorithm.ts";
import {
  type Certificate,
  MAX_CERTIFICATE_BYTES,
  parseCertificate,
} from "../../../../src/paths/tee/evidence/x509/certificate.ts";
import { judgeChain } from "../../../../src/paths/tee/evidence/x509/chain.ts";
import { parseCrl } from "../../../../src/paths/tee/evidence/x509/crl.ts";
import { parsePem } from "../../../../src/paths/tee/evidence/x509/pem.ts";
import { verifyDerSignature } from "../../../../src/paths/tee/evidence/x509/signature.ts";
import { bits, boolean, context, element, integer, nothing, oid, sequence } from "../../../fixtures/evidence/der.ts";
import { AT, flipped } from "../../../fixtures/evidence/question.ts";
import {
  AUTHORITY_EXTENSIONS,
  ecKey,
  encodeCertificate,
  encodeCrl,
  issue,
  issueAuthority,
  rsaPssKey,
  type TestExtension,
} from "../../../fixtures/evidence/test-authority.ts";

const MALFORMED = expect.objectContaining({ code: "EVIDENCE_MALFORMED" });
const UNSUPPORTED = expect.objectContaining({ code: "EVIDENCE_UNSUPPORTED" });

const [rootKey, middleKey, leafKey] = [ecKey("P-384"), ecKey("P-256"), ecKey("P-256")];
const root = issueAuthority({ subject: "root", key: rootKey, issuer: null });
const middle = issueAuthority({ subject: "middle", key: middleKey, issuer: root, serial: 2 });
const leaf = issue({ subject: "leaf", key: leafKey, issuer: middle, serial: 3 });

async function chainCodes(chain: readonly Certificate[], anchors: readonly Certificate[] = [root.certificate], at: number = AT) {
  const findings = new Findings();
  await judgeChain(chain, anchors, unixSeconds(at), findings, "chain");
  return findings.all().flatMap(({ code }) => (code === null ? [] : [code.replace("EVIDENCE_", "")]));
}

describe("a certificate", () => {
  it("is read with names, validity, constraints and usage", () => {
    const { certificate } = middle;
    expect(certificate).toMatchObject({
      subjectName: "middle",
      issuerName: "root",
      serial: "02",
      isAuthority: true,
      pathLength: null,
    });
    expect(certificate.keyUsage?.slice(5, 7)).toEqual([true, true]);
    expect(leaf.certificate).toMatchObject({ isAuthority: false, keyUsage: null });
  });

  it("with a byte after it, cut, or too large is refused", () => {
    expect(() => parseCertificate(concatBytes(leaf.der, Uint8Array.of(0)))).toThrow(MALFORMED);
    expect(() => parseCertificate(leaf.der.slice(0, -1))).toThrow(MALFORMED);
    expect(() => parseCertificate(new Uint8Array(MAX_CERTIFICATE_BYTES + 1))).toThrow(MALFORMED);
  });

  it("that names two signature algorithms is refused", () => {
    const bytes = encodeCertificate({ subject: "leaf", key: leafKey, issuer: null });
    // The last AlgorithmIdentifier is the outer one; its last byte tells the hash.
    const outer = bytes.findLastIndex((_, index) => bytes[index] === 0x30 && bytes[index + 1] === 10 && bytes[index + 2] === 6);
    const inner = bytes.with(outer + 11, 3);
    expect(() => parseCertificate(inner)).toThrow(MALFORMED);
  });

  it.each<readonly [string, readonly TestExtension[]]>([
    ["an extension twice", [AUTHORITY_EXTENSIONS[0] as TestExtension, AUTHORITY_EXTENSIONS[0] as TestExtension]],
    ["constraints with more behind them", [{ oid: "2.5.29.19", value: concatBytes(sequence(boolean(true)), Uint8Array.of(0)) }]],
    ["a boolean that is neither 00 nor FF", [{ oid: "2.5.29.19", value: sequence(element(1, Uint8Array.of(1))) }]],
    ["usage with unused bits set", [{ oid: "2.5.29.15", value: bits(Uint8Array.of(0x07), 1) }]],
  ])("with %s is refused", (_, extensions) => {
    expect(() => issue({ subject: "leaf", key: leafKey, issuer: middle, extensions })).toThrow(MALFORMED);
  });

  it("with a signature that is no strict DER is refused", () => {
    const lax = { ...middleKey, sign: (message: Uint8Array) => concatBytes(middleKey.sign(message), Uint8Array.of(0)) };
    expect(() => issue({ subject: "leaf", key: leafKey, issuer: middle, signer: lax })).toThrow(MALFORMED);
  });

  it("with parameters that hold more than they may is refused", () => {
    const sha384 = sequence(oid("2.16.840.1.101.3.4.2.2"), nothing());
    const mask = context(1, sequence(oid("1.2.840.113549.1.1.8"), sha384));
    const pss = (...params: readonly Uint8Array[]) => sequence(oid("1.2.840.113549.1.1.10"), sequence(...params));
    const signed = (algorithm: Uint8Array) => () =>
      issue({ subject: "leaf", key: leafKey, issuer: middle, signer: { ...middleKey, algorithm } });
    expect(signed(pss(context(0, sha384, nothing()), mask))).toThrow(MALFORMED);
    expect(signed(pss(context(0, sha384), mask, context(2, integer(48), integer(48))))).toThrow(MALFORMED);
    expect(signed(sequence(oid("1.2.840.10045.4.3.2"), nothing()))).toThrow(MALFORMED);
    expect(signed(sequence(oid("1.2.840.113549.1.1.11"), element(5, Uint8Array.of(0))))).toThrow(MALFORMED);
    expect(
      signed(pss(context(0, sha384), context(1, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid("2.16.840.1.101.3.4.2.1")))))),
    ).toThrow(UNSUPPORTED);
    expect(signed(pss(context(0, sha384)))).toThrow(UNSUPPORTED);
    expect(signed(pss(context(0, sha384), mask, context(2, integer(48)), context(3, integer(2))))).toThrow(UNSUPPORTED);
  });

  it.each([
    ["SHA-1", sequence(oid("1.2.840.10045.4.1"))],
    ["MD5", sequence(oid("1.2.840.113549.1.1.4"), nothing())],
    ["RSA-PSS by its defaults, which are SHA-1", sequence(oid("1.2.840.113549.1.1.10"), sequence())],
  ])("signed with %s is not supported", (_, algorithm) => {
    expect(() => issue({ subject: "leaf", key: leafKey, issuer: middle, signer: { ...middleKey, algorithm } })).toThrow(
      UNSUPPORTED,
    );
  });
});

describe("a public key", () => {
  const rsa = (modulus: Uint8Array, exponent: number) =>
    sequence(
      sequence(oid("1.2.840.113549.1.1.1"), nothing()),
      bits(sequence(element(2, Uint8Array.of(0), modulus), integer(exponent))),
    );
  it.each([
    ["an RSA key of 1024 bits", rsa(new Uint8Array(128).fill(0xff), 65537)],
    ["an RSA exponent of 1", rsa(new Uint8Array(256).fill(0xff), 1)],
    ["an even RSA exponent", rsa(new Uint8Array(256).fill(0xff), 65536)],
    ["a curve that is not known", sequence(sequence(oid("1.2.840.10045.2.1"), oid("1.3.132.0.10")), bits(new Uint8Array(65)))],
    ["an Ed25519 key", sequence(sequence(oid("1.3.101.112")), bits(new Uint8Array(32)))],
  ])("%s is not supported", (_, spki) => {
    expect(() => parsePublicKey(spki)).toThrow(UNSUPPORTED);
  });

  it("that is a compressed point is refused", () => {
    const compressed = concatBytes(Uint8Array.of(2), new Uint8Array(32));
    const spki = sequence(sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(compressed));
    expect(() => parsePublicKey(spki)).toThrow(MALFORMED);
  });
});

describe("a chain", () => {
  it("is trusted to an anchor inside it, to one above it, and where the leaf is one", async () => {
    expect(await chainCodes([leaf.certificate, middle.certificate, root.certificate])).toEqual([]);
    expect(await chainCodes([leaf.certificate, middle.certificate])).toEqual([]);
    expect(await chainCodes([leaf.certificate], [middle.certificate])).toEqual([]);
    expect(await chainCodes([leaf.certificate], [leaf.certificate])).toEqual([]);
  });

  const refused: readonly (readonly [string, () => readonly Certificate[]])[] = [
    ["nothing", () => []],
    ["a gap", () => [leaf.certificate, root.certificate]],
    [
      "an intermediate alone missing its root's signature",
      () => [
        leaf.certificate,
        issueAuthority({ subject: "middle", key: middleKey, issuer: root, signer: ecKey("P-384") }).certificate,
      ],
    ],
    [
      "an issuer that is no authority",
      () => [leaf.certificate, issue({ subject: "middle", key: middleKey, issuer: root }).certificate],
    ],
    [
      "an issuer that says CA false",
      () => [
        leaf.certificate,
        issue({ subject: "middle", key: middleKey, issuer: root, extensions: [{ oid: "2.5.29.19", value: sequence() }] })
          .certificate,
      ],
    ],
    [
      "an issuer that may not sign certificates",
      () => [
        leaf.certificate,
        issueAuthority({
          subject: "middle",
          key: middleKey,
          issuer: root,
          extensions: [AUTHORITY_EXTENSIONS[0] as TestExtension, { oid: "2.5.29.15", value: bits(Uint8Array.of(0x02), 1) }],
        }).certificate,
      ],
    ],
    [
      "an issuer of another name",
      () => [leaf.certificate, issueAuthority({ subject: "other", key: middleKey, issuer: root }).certificate],
    ],
    [
      "a leaf signed by another key",
      () => [issue({ subject: "leaf", key: leafKey, issuer: middle, signer: ecKey("P-256") }).certificate, middle.certificate],
    ],
    [
      "a critical extension that is not known",
      () => [
        issue({
          subject: "leaf",
          key: leafKey,
          issuer: middle,
          extensions: [{ oid: "1.2.3.4", critical: true, value: nothing() }],
        }).certificate,
        middle.certificate,
      ],
    ],
  ];
  it.each(refused)("with %s is refused", async (_, make) => {
    expect(await chainCodes(make())).toEqual(["CHAIN_UNTRUSTED"]);
  });

  it("longer than an authority allows is refused", async () => {
    const bounded = { oid: "2.5.29.19", value: sequence(boolean(true), integer(0)) };
    const short = issue({ subject: "root", key: rootKey, issuer: null, extensions: [bounded] });
    const under = issue({ subject: "leaf", key: leafKey, issuer: short });
    expect(await chainCodes([under.certificate, short.certificate], [short.certificate])).toEqual([]);
    const between = issueAuthority({ subject: "middle", key: middleKey, issuer: short });
    expect(await chainCodes([leaf.certificate, between.certificate, short.certificate], [short.certificate])).toEqual([
      "CHAIN_UNTRUSTED",
    ]);
    expect(await chainCodes([leaf.certificate, between.certificate], [short.certificate])).toEqual(["CHAIN_UNTRUSTED"]);
  });

  it("counts every certificate, at both ends of its validity", async () => {
    const late = issueAuthority({ subject: "middle", key: middleKey, issuer: root, notBefore: "2026-06-01T00:00:01Z" });
    const old = issueAuthority({ subject: "middle", key: middleKey, issuer: root, notAfter: "2026-05-31T23:59:59Z" });
    expect(await chainCodes([leaf.certificate, late.certificate])).toEqual(["CERT_NOT_YET_VALID"]);
    expect(await chainCodes([leaf.certificate, late.certificate], undefined, AT + 1)).toEqual([]);
    expect(await chainCodes([leaf.certificate, old.certificate])).toEqual(["CERT_EXPIRED"]);
    expect(await chainCodes([leaf.certificate, old.certificate], undefined, AT - 1)).toEqual([]);
    const oldRoot = issueAuthority({ subject: "root", key: rootKey, issuer: null, notAfter: "2025-01-01T00:00:00Z" });
    expect(await chainCodes([leaf.certificate, middle.certificate, oldRoot.certificate], [oldRoot.certificate])).toEqual([
      "CERT_EXPIRED",
    ]);
  });

  it("under RSA-PSS verifies, and a bit of its signature does not", async () => {
    const key = rsaPssKey();
    const rsaRoot = issueAuthority({ subject: "root", key, issuer: null });
    const child = issue({ subject: "leaf", key: leafKey, issuer: rsaRoot });
    expect(await chainCodes([child.certificate], [rsaRoot.certificate])).toEqual([]);
    expect(await chainCodes([parseCertificate(flipped(child.der, -7))], [rsaRoot.certificate])).toEqual(["CHAIN_UNTRUSTED"]);
  });
});

describe("a CRL", () => {
  it("is read with its serial numbers", () => {
    const { revoked } = parseCrl(encodeCrl({ issuer: root, revoked: [2, 200] }));
    expect([...revoked]).toEqual(["02", "00c8"]);
  });

  it("with a critical extension, bytes after it, or another version is refused", () => {
    const delta = { oid: "2.5.29.27", critical: true, value: integer(1) };
    expect(() => parseCrl(encodeCrl({ issuer: root, extensions: [delta] }))).toThrow(UNSUPPORTED);
    expect(() => parseCrl(concatBytes(encodeCrl({ issuer: root }), Uint8Array.of(0)))).toThrow(MALFORMED);
    expect(() => parseCrl(leaf.der)).toThrow();
  });
});

describe("PEM", () => {
  const block = (der: Uint8Array) => `-----BEGIN CERTIFICATE-----\r\n${encodeBase64(der)}\r\n-----END CERTIFICATE-----\n`;

  it("holds certificates in order, with white space around them and nothing else", () => {
    expect(parsePem(`\n${block(leaf.der)}\n${block(middle.der)}`)).toEqual([leaf.der, middle.der]);
    for (const text of [
      `x${block(leaf.der)}`,
      `${block(leaf.der)}x`,
      `${block(leaf.der)}x${block(leaf.der)}`,
      "-----BEGIN CERTIFICATE-----",
    ])
      expect(() => parsePem(text)).toThrow(MALFORMED);
    expect(() => parsePem(block(leaf.der).replace("MII", "M*I"))).toThrow(MALFORMED);
    expect(() => parsePem(block(leaf.der).repeat(17))).toThrow(MALFORMED);
  });
});

describe("pinned roots", () => {
  it("are what their fingerprints say, self-signed and authorities", async () => {
    const roots = [...amdRoots(), ...intelRoots()];
    expect(roots.map(({ subjectName }) => subjectName)).toEqual(["ARK-Milan", "ARK-Genoa", "ARK-Turin", "Intel SGX Root CA"]);
    for (const pinned of roots) {
      expect(pinned.isAuthority).toBe(true);
      expect(await verifyDerSignature(pinned.publicKey, pinned.algorithm, pinned.tbs, pinned.signature)).toBe(true);
    }
  });

  it("that are not are refused when they are read", () => {
    const wrong = pinnedRoots([{ fingerprint: "00".repeat(32), der: encodeBase64(root.der) }]);
    expect(wrong).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });
});
