import { describe, expect, it } from "vitest";
import { encodeBase64, utf8 } from "../../../../src/core/bytes.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import { issueDevice } from "../../../fixtures/evidence/device-chain.ts";
import { deviceClaims, encodeBundle, encodeKeySet, makeBundle, NONCE } from "../../../fixtures/evidence/eat.ts";
import { appraise, bundle, chain, keys, type NrasChanges, signer } from "../../../fixtures/evidence/nras.ts";
import { AT } from "../../../fixtures/evidence/question.ts";

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
    const bare = encodeKeySet([chain.slice(0, 1)], { x5c: undefined });
    expect((await appraise({ jwks: JSON.parse(JSON.stringify(bare)) as JsonObject })).code).toBe(null);
    const certified = encodeKeySet([chain.slice(0, 2)], { x: undefined, y: undefined });
    expect((await appraise({ jwks: JSON.parse(JSON.stringify(certified)) as JsonObject })).code).toBe(null);
  });

  it("is accepted in the first second of its window, and not in the first after it", async () => {
    expect((await appraise({ at: AT - 600 })).code).toBe(null);
    expect((await appraise({ at: AT + 2999 })).code).toBe(null);
    expect((await appraise({ at: AT + 3000 })).code).toBe("EVIDENCE_TOKEN_EXPIRED");
    expect((await appraise({ at: AT - 601 })).code).toBe("EVIDENCE_TOKEN_EXPIRED");
  });
});

/** A key set in which the signer's key has a certificate of another validity. */
function reissued(validity: { readonly from?: string; readonly to?: string }): NrasChanges {
  const options = { leaf: true, key: signer.key, ...validity };
  const other = issueDevice("TEST attestation service", chain[1] ?? null, options);
  return { jwks: encodeKeySet([[other, ...chain.slice(1)]]) as JsonObject };
}

describe("an answer of the attestation service is refused", () => {
  const edited = (edit: (made: Awaited<ReturnType<typeof makeBundle>>) => Awaited<ReturnType<typeof makeBundle>>) => ({
    eat: encodeBundle(edit(makeBundle(signer))),
  });
  const cases: readonly (readonly [string, string, () => NrasChanges])[] = [
    ["without a key set", "COLLATERAL_MISSING", () => ({ jwks: null })],
    [
      "with a key set from which its key was rotated out",
      "CHAIN_UNTRUSTED",
      () => ({ jwks: encodeKeySet([chain], { kid: "later" }) as JsonObject }),
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
      () => ({ jwks: encodeKeySet([chain], { x5c: chain.slice(1).map(({ der }) => encodeBase64(der)) }) as JsonObject }),
    ],
    [
      "with certificates that do not belong together",
      "CHAIN_UNTRUSTED",
      () => ({ jwks: encodeKeySet([[signer, issueDevice("x", null)]]) as JsonObject }),
    ],
    ["with a root that nobody named", "CHAIN_UNTRUSTED", () => ({ anchors: [issueDevice("x", null)] })],
    [
      "with a bare key, where roots are named",
      "CHAIN_UNTRUSTED",
      () => ({
        jwks: JSON.parse(JSON.stringify(encodeKeySet([chain], { x5c: undefined }))) as JsonObject,
        anchors: chain.slice(2),
      }),
    ],
    ["with a certificate that has expired", "TOKEN_EXPIRED", () => reissued({ to: "2026-01-01" })],
    ["with a certificate that is not yet valid", "TOKEN_EXPIRED", () => reissued({ from: "2033-01-01" })],
    [
      "with a certificate that has expired, under a root",
      "CERT_EXPIRED",
      () => ({ ...reissued({ to: "2026-01-01" }), anchors: chain.slice(2) }),
    ],
    [
      "with a certificate that is not yet valid, under a root",
      "CERT_NOT_YET_VALID",
      () => ({ ...reissued({ from: "2033-01-01" }), anchors: chain.slice(2) }),
    ],
    ["signed by another key", "SIGNATURE_INVALID", () => ({ eat: encodeBundle(makeBundle(issueDevice("x", null))) })],
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
      () => {
        const other = makeBundle(signer);
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
      () => ({ ...bundle({ devices: device({ eat_nonce: "00".repeat(32) }) }), policy: {} }),
    ],
    ["without a nonce", "NONCE_MISMATCH", () => bundle({ overall: { eat_nonce: null } })],
    ["with a device token past its end", "TOKEN_EXPIRED", () => bundle({ devices: device({ exp: AT }) })],
    ["with a device token before its beginning", "TOKEN_EXPIRED", () => bundle({ devices: device({ nbf: AT + 1 }) })],
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
    expect((await appraise(changes())).code).toBe(`EVIDENCE_${code}`);
  });
});
