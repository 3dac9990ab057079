import { createHmac } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../../../src/core/bytes.ts";
import type { JsonObject, JsonValue } from "../../../../src/core/json.ts";
import { unixSeconds } from "../../../../src/core/time.ts";
import type { EvidenceAppraisal, RoleValue } from "../../../../src/paths/tee/evidence/appraisal/appraiser.ts";
import { codeOf } from "../../../../src/paths/tee/evidence/appraisal/findings.ts";
import { nras } from "../../../../src/paths/tee/evidence/nras/appraise.ts";
import { parseCertificate } from "../../../../src/paths/tee/evidence/x509/certificate.ts";
import { type Identity, issue, issueChain } from "../../../fixtures/device-evidence/authority.ts";
import {
  type BundleDraft,
  deviceClaims,
  encodeBundle,
  encodeKeySet,
  encodeToken,
  KEY_ID,
  makeBundle,
  NONCE,
  submodulesOf,
  TOKEN_AT,
} from "../../../fixtures/device-evidence/eat.ts";

let chain: readonly Identity[];
let keys: JsonObject;

beforeAll(async () => {
  chain = await issueChain(["TEST attestation service", "TEST intermediate", "TEST root"], {});
  keys = (await encodeKeySet([chain.slice(0, 2), await issueChain(["other"], {})])) as JsonObject;
});

const signer = (): Identity => {
  const [first] = chain;
  if (first === undefined) throw new Error("no signer");
  return first;
};

interface Changes {
  readonly eat?: Uint8Array;
  readonly jwks?: JsonValue | Uint8Array | null;
  readonly policy?: JsonObject;
  readonly at?: number;
  readonly anchors?: readonly Identity[];
}

const STRICT = { nonce: NONCE, requireDistinctDevices: true };

async function appraise(changes: Changes = {}): Promise<EvidenceAppraisal & { readonly code: string | null }> {
  const { jwks = keys, policy = STRICT, at = TOKEN_AT, anchors = [] } = changes;
  const set: RoleValue | null = jwks === null ? null : jwks instanceof Uint8Array ? jwks : { json: jwks };
  const appraisal = await nras.under(policy)({
    evidence: new Map([["eat", changes.eat ?? encodeBundle(await makeBundle(signer()))]]),
    endorsements: new Map(set === null ? [] : [["jwks", set]]),
    anchors: anchors.map(({ der }) => parseCertificate(der)),
    at: unixSeconds(at),
  });
  return { ...appraisal, code: codeOf(appraisal.checks) };
}

const bundle = async (changes: Partial<BundleDraft>): Promise<Changes> => ({
  eat: encodeBundle(await makeBundle(signer(), changes)),
});
const device = (changes: Readonly<Record<string, unknown>>) => ({ "GPU-0": { ...deviceClaims("1"), ...changes } });

describe("an answer of the attestation service", () => {
  it("is accepted with its key set, and says what the service said", async () => {
    const { code, claims, checks } = await appraise();
    expect(code).toBe(null);
    expect(checks.every(({ status }) => status === "pass")).toBe(true);
    expect(claims).toMatchObject({
      nonce: NONCE,
      overallResult: true,
      deviceCount: 2,
      devices: {
        "GPU-0": { ueid: "478176379286082186618948445787393647", hwmodel: "GH100 A01 GSP BROM", driverVersion: "550.90.07" },
      },
    });
  });

  it("is accepted with a key set as bytes, with a root that is named, and with bare keys or bare certificates", async () => {
    expect((await appraise({ jwks: utf8(JSON.stringify(keys)) })).code).toBe(null);
    expect((await appraise({ anchors: chain.slice(2) })).code).toBe(null);
    const bare = await encodeKeySet([chain.slice(0, 1)], { x5c: undefined });
    expect((await appraise({ jwks: JSON.parse(JSON.stringify(bare)) as JsonObject })).code).toBe(null);
    const certified = await encodeKeySet([chain.slice(0, 2)], { x: undefined, y: undefined });
    expect((await appraise({ jwks: JSON.parse(JSON.stringify(certified)) as JsonObject })).code).toBe(null);
  });

  it("is accepted in the first second of its window, and not in the first after it", async () => {
    expect((await appraise({ at: TOKEN_AT - 600 })).code).toBe(null);
    expect((await appraise({ at: TOKEN_AT + 2999 })).code).toBe(null);
    expect((await appraise({ at: TOKEN_AT + 3000 })).code).toBe("EVIDENCE_TOKEN_EXPIRED");
    expect((await appraise({ at: TOKEN_AT - 601 })).code).toBe("EVIDENCE_TOKEN_EXPIRED");
  });
});

/** A key set in which the signer's key has a certificate of another validity. */
async function reissued(validity: { readonly from?: string; readonly to?: string }): Promise<Changes> {
  const options = { leaf: true, keys: signer().keys, ...validity };
  const other = await issue("TEST attestation service", chain[1] ?? null, options);
  return { jwks: (await encodeKeySet([[other, ...chain.slice(1)]])) as JsonObject };
}

describe("an answer of the attestation service is refused", () => {
  const edited = async (edit: (made: Awaited<ReturnType<typeof makeBundle>>) => Awaited<ReturnType<typeof makeBundle>>) => ({
    eat: encodeBundle(edit(await makeBundle(signer()))),
  });
  const cases: readonly (readonly [string, string, () => Promise<Changes> | Changes])[] = [
    ["without a key set", "COLLATERAL_MISSING", () => ({ jwks: null })],
    [
      "with a key set from which its key was rotated out",
      "CHAIN_UNTRUSTED",
      async () => ({ jwks: (await encodeKeySet([chain], { kid: "later" })) as JsonObject }),
    ],
    ["with an empty key set", "CHAIN_UNTRUSTED", () => ({ jwks: { keys: [] } })],
    ["without a key id", "CHAIN_UNTRUSTED", () => bundle({ header: { alg: "ES384" } })],
    ["of another issuer", "CHAIN_UNTRUSTED", () => bundle({ overall: { iss: "https://nras.attestation.example" } })],
    ["without an issuer", "CHAIN_UNTRUSTED", () => bundle({ overall: { iss: null } })],
    [
      "of another issuer about a device",
      "CHAIN_UNTRUSTED",
      () => bundle({ devices: device({ iss: "https://nras.attestation-stg.nvidia.com" }) }),
    ],
    [
      "with a certificate of another key",
      "CHAIN_UNTRUSTED",
      async () => ({
        jwks: (await encodeKeySet([chain.slice(0, 2)], {
          x5c: [Buffer.from(signer().der).toString("base64"), Buffer.from(signer().der).toString("base64")]
            .slice(0, 1)
            .map(() => Buffer.from(chain[1]?.der ?? []).toString("base64")),
        })) as JsonObject,
      }),
    ],
    [
      "with certificates that do not belong together",
      "CHAIN_UNTRUSTED",
      async () => ({ jwks: (await encodeKeySet([[signer(), await issue("x", null)]])) as JsonObject }),
    ],
    ["with a root that nobody named", "CHAIN_UNTRUSTED", async () => ({ anchors: [await issue("x", null)] })],
    [
      "with a bare key, where roots are named",
      "CHAIN_UNTRUSTED",
      async () => ({
        jwks: JSON.parse(JSON.stringify(await encodeKeySet([chain], { x5c: undefined }))) as JsonObject,
        anchors: chain.slice(2),
      }),
    ],
    ["with a certificate that has expired", "TOKEN_EXPIRED", () => reissued({ to: "2026-01-01" })],
    ["with a certificate that is not yet valid", "TOKEN_EXPIRED", () => reissued({ from: "2033-01-01" })],
    [
      "with a certificate that has expired, under a root",
      "CERT_EXPIRED",
      async () => ({ ...(await reissued({ to: "2026-01-01" })), anchors: chain.slice(2) }),
    ],
    [
      "with a certificate that is not yet valid, under a root",
      "CERT_NOT_YET_VALID",
      async () => ({ ...(await reissued({ from: "2033-01-01" })), anchors: chain.slice(2) }),
    ],
    ["signed by another key", "SIGNATURE_INVALID", async () => ({ eat: encodeBundle(await makeBundle(await issue("x", null))) })],
    [
      "with a flipped bit in the overall signature",
      "SIGNATURE_INVALID",
      () =>
        edited(({ overall, devices }) => ({
          overall: overall.slice(0, -8) + (overall.at(-8) === "A" ? "B" : "A") + overall.slice(-7),
          devices,
        })),
    ],
    [
      "without a signature",
      "SIGNATURE_INVALID",
      () => edited(({ overall, devices }) => ({ overall: `${overall.split(".").slice(0, 2).join(".")}.`, devices })),
    ],
    [
      "with claims under another token's signature",
      "SIGNATURE_INVALID",
      () =>
        edited(({ overall, devices }) => ({
          overall: [
            ...(devices["GPU-0"] ?? "").split(".").slice(0, 1),
            ...overall.split(".").slice(1, 2),
            ...(devices["GPU-0"] ?? "").split(".").slice(2),
          ].join("."),
          devices,
        })),
    ],
    [
      "with a device token that was swapped",
      "KEY_BINDING_INVALID",
      () =>
        edited(({ overall, devices }) => ({
          overall,
          devices: { "GPU-0": devices["GPU-1"] ?? "", "GPU-1": devices["GPU-0"] ?? "" },
        })),
    ],
    [
      "with a device token left out",
      "KEY_BINDING_INVALID",
      () => edited(({ overall, devices }) => ({ overall, devices: { "GPU-0": devices["GPU-0"] ?? "" } })),
    ],
    [
      "with a device token of another answer",
      "KEY_BINDING_INVALID",
      async () => {
        const other = await makeBundle(signer());
        return edited(({ overall, devices }) => ({ overall, devices: { ...devices, "GPU-1": other.devices["GPU-0"] ?? "" } }));
      },
    ],
    [
      "with a device token that nothing cites",
      "KEY_BINDING_INVALID",
      () => edited(({ overall, devices }) => ({ overall, devices: { ...devices, "GPU-2": devices["GPU-0"] ?? "" } })),
    ],
    ["about no device", "KEY_BINDING_INVALID", () => bundle({ devices: {} })],
    ["with another nonce than the verifier's", "NONCE_MISMATCH", () => ({ policy: { nonce: "00".repeat(32) } })],
    ["with another nonce in a device token", "NONCE_MISMATCH", () => bundle({ devices: device({ eat_nonce: "00".repeat(32) }) })],
    [
      "with another nonce in a device token, where none is expected",
      "NONCE_MISMATCH",
      async () => ({ ...(await bundle({ devices: device({ eat_nonce: "00".repeat(32) }) })), policy: {} }),
    ],
    ["without a nonce", "NONCE_MISMATCH", () => bundle({ overall: { eat_nonce: null } })],
    ["with a device token past its end", "TOKEN_EXPIRED", () => bundle({ devices: device({ exp: TOKEN_AT }) })],
    ["with a device token before its beginning", "TOKEN_EXPIRED", () => bundle({ devices: device({ nbf: TOKEN_AT + 1 }) })],
    ["about a device that is debugged (dbgstat)", "DEBUG_ENABLED", () => bundle({ devices: device({ dbgstat: "enabled" }) })],
    ["without a state of debugging", "DEBUG_ENABLED", () => bundle({ devices: device({ dbgstat: null }) })],
    ["about a device that did not boot securely", "DEBUG_ENABLED", () => bundle({ devices: device({ secboot: false }) })],
    ["with a text in place of secboot", "DEBUG_ENABLED", () => bundle({ devices: device({ secboot: "true" }) })],
    ["about a device with other measurements", "MEASUREMENT_MISMATCH", () => bundle({ devices: device({ measres: "fail" }) })],
    ["that says no over all", "MEASUREMENT_MISMATCH", () => bundle({ overall: { "x-nvidia-overall-att-result": false } })],
    ["that says nothing over all", "MEASUREMENT_MISMATCH", () => bundle({ overall: { "x-nvidia-overall-att-result": null } })],
    [
      "that says yes over all as a text",
      "MEASUREMENT_MISMATCH",
      () => bundle({ overall: { "x-nvidia-overall-att-result": "true" } }),
    ],
    [
      "that counts one device twice",
      "DUPLICATE_DEVICE",
      () => bundle({ devices: { "GPU-0": deviceClaims("7"), "GPU-1": deviceClaims("7") } }),
    ],
    ["about a device without an identity", "DUPLICATE_DEVICE", () => bundle({ devices: device({ ueid: null }) })],
    [
      "with a certificate on hold that the service let pass (certificateHold)",
      "REVOKED",
      () =>
        bundle({
          devices: device({
            "x-nvidia-gpu-driver-rim-cert-chain": {
              "x-nvidia-cert-ocsp-status": "good",
              "x-nvidia-cert-revocation-reason": "certificateHold",
            },
          }),
        }),
    ],
    [
      "with a revoked certificate that the service let pass",
      "REVOKED",
      () =>
        bundle({ devices: device({ "x-nvidia-gpu-attestation-report-cert-chain": { "x-nvidia-cert-ocsp-status": "revoked" } }) }),
    ],
  ];
  it.each(cases)("%s", async (_name, code, changes) => {
    expect((await appraise(await changes())).code).toBe(`EVIDENCE_${code}`);
  });
});

describe("algorithm confusion", () => {
  const withHeader = (header: Readonly<Record<string, unknown>>) => bundle({ header: { kid: KEY_ID, ...header } });
  it.each([
    ["none", { alg: "none" }],
    ["None", { alg: "None" }],
    ["no algorithm", {}],
    ["ES256", { alg: "ES256" }],
    ["HS384", { alg: "HS384" }],
    ["RS384", { alg: "RS384" }],
    ["a list of algorithms", { alg: ["ES384"] }],
    ["a critical header", { alg: "ES384", crit: ["exp"], exp: 1 }],
    ["an unencoded payload", { alg: "ES384", b64: false }],
  ])("%s is refused", async (_name, header) => {
    expect((await appraise(await withHeader(header))).code).toBe("EVIDENCE_UNSUPPORTED");
  });

  it("a token that is signed with the public key as a secret is refused", async () => {
    const { overall, devices } = await makeBundle(signer());
    const head = Buffer.from(JSON.stringify({ alg: "HS384", kid: KEY_ID })).toString("base64url");
    const signed = `${head}.${overall.split(".")[1]}`;
    const mac = createHmac("sha384", JSON.stringify(keys)).update(signed).digest("base64url");
    expect((await appraise({ eat: encodeBundle({ overall: `${signed}.${mac}`, devices }) })).code).toBe("EVIDENCE_UNSUPPORTED");
  });

  it("a key that the token brings along is not used", async () => {
    const own = await issue("x", null);
    const { keys: brought } = (await encodeKeySet([[own]])) as { keys: readonly JsonObject[] };
    const header = { alg: "ES384", kid: KEY_ID, jwk: brought[0], x5c: brought[0]?.["x5c"], jku: "https://example.org" };
    expect((await appraise({ eat: encodeBundle(await makeBundle(own, { header })) })).code).toBe("EVIDENCE_SIGNATURE_INVALID");
  });

  it.each([
    ["another curve", { crv: "P-256" }],
    ["a symmetric key", { kty: "oct" }],
    ["another algorithm", { alg: "ES256" }],
    ["a key for encryption", { use: "enc" }],
  ])("a key of the set for %s is refused", async (_name, changes) => {
    expect((await appraise({ jwks: (await encodeKeySet([chain], changes)) as JsonObject })).code).toBe("EVIDENCE_UNSUPPORTED");
  });
});

describe("malformed answers of the attestation service", () => {
  const text = async () => new TextDecoder().decode(encodeBundle(await makeBundle(signer())));
  const cases: readonly (readonly [string, () => Promise<string> | string])[] = [
    ["cut", async () => (await text()).slice(0, -1)],
    ["with text behind it", async () => `${await text()}x`],
    ["no JSON", () => "x"],
    ["an object", () => "{}"],
    ["of another form", async () => (await text()).replace("JWT", "CWT")],
    ["with a third part", async () => (await text()).replace(/]$/, ",{}]")],
    ["with a device twice (duplicate JSON keys)", async () => (await text()).replace('"GPU-1"', '"GPU-0"')],
    ["with a device of the name __proto__", async () => (await text()).replace('"GPU-1"', '"__proto__"')],
    ["with a token that is no text", async () => (await text()).replace(/"GPU-0":"[^"]*"/, '"GPU-0":1')],
    ["with a token of two parts", async () => (await text()).replace(/("GPU-0":"[^".]*)\./, "$1")],
    ["with a token of four parts", async () => (await text()).replace(/("GPU-0":")/, "$1e30.")],
    ["with base64 and not base64url", async () => (await text()).replace(/("GPU-0":"[^"]{8})[^"]/, "$1+")],
    ["with padded base64url", async () => (await text()).replace(/("GPU-0":"[^".]*)\./, "$1=.")],
    [
      "with more devices than anyone has",
      () => JSON.stringify([["JWT", "a.b.c"], Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`GPU-${at}`, "a"]))]),
    ],
    ["oversize", () => `[["JWT","${"a".repeat(2_000_000)}"],{}]`],
  ];
  it.each(cases)("%s", async (_name, made) => {
    expect((await appraise({ eat: utf8(await made()) })).code).toBe("EVIDENCE_MALFORMED");
  });

  it.each([
    ["no end", { exp: undefined }],
    ["an end that is no number", { exp: "1795780000" }],
    ["an end with a fraction", { exp: TOKEN_AT + 0.5 }],
    ["no beginning", { nbf: undefined, iat: undefined }],
    ["a nonce that is no text", { eat_nonce: 1 }],
    ["no submodules", { submods: undefined }],
    ["a submodule that is no digest", { submods: { "GPU-0": "x" } }],
    ["a submodule by another hash", { submods: { "GPU-0": ["DIGEST", ["SHA-1", "00".repeat(20)]] } }],
    ["a digest of another length", { submods: { "GPU-0": ["DIGEST", ["SHA-256", "00"]] } }],
  ])("a token with %s", async (_name, overall) => {
    expect((await appraise(await bundle({ overall }))).code).toBe("EVIDENCE_MALFORMED");
  });

  it("claims with a key twice", async () => {
    const made = await makeBundle(signer());
    const twice = '{"iss":"https://nras.attestation.nvidia.com","measres":"fail","measres":"success"}';
    const devices = { ...made.devices, "GPU-0": await encodeToken(signer(), twice) };
    const { overall } = await makeBundle(signer(), { submodules: submodulesOf(devices) });
    expect((await appraise({ eat: encodeBundle({ overall, devices }) })).code).toBe("EVIDENCE_MALFORMED");
  });

  it.each([
    ["no list of keys", {}],
    ["a key that is no object", { keys: [1] }],
    ["an id twice", { keys: [{ kid: "a" }, { kid: "a" }] }],
    ["a key without coordinates", { keys: [{ kid: KEY_ID }] }],
    ["a coordinate of another length", { keys: [{ kid: KEY_ID, x: "AA", y: "AA" }] }],
    ["a certificate that is no base64", { keys: [{ kid: KEY_ID, x5c: ["*"] }] }],
    ["too many keys", { keys: Array.from({ length: 1000 }, (_, at) => ({ kid: `${at}` })) }],
  ])("a key set with %s", async (_name, jwks) => {
    expect((await appraise({ jwks })).code).toBe("EVIDENCE_MALFORMED");
  });

  it("a key set with a key twice (duplicate JSON keys), or that is no JSON", async () => {
    for (const jwks of ['{"keys":[],"keys":[]}', "x"])
      expect((await appraise({ jwks: utf8(jwks) })).code).toBe("EVIDENCE_MALFORMED");
  });
});
