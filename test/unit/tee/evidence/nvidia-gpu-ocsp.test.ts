import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, utf8 } from "../../../../src/core/bytes.ts";
import { issueChain, issueDevice, memberOf } from "../../../fixtures/evidence/device-chain.ts";
import {
  answerAbout,
  appraiseGpu,
  createGpuWorld,
  type GpuChanges,
  type GpuWorld,
  STRICT,
} from "../../../fixtures/evidence/gpu.ts";
import { encodeOcspRefusal } from "../../../fixtures/evidence/ocsp.ts";
import { AT, flipped } from "../../../fixtures/evidence/question.ts";

const OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
const NO_RIM = { requireRim: false, requireRevocation: false, requireFwid: false };

let world: GpuWorld;

beforeAll(() => {
  world = createGpuWorld();
});

/** The good answers with those at `depth` in place of one of them. */
function ocspWith(depth: number, changes: Parameters<typeof answerAbout>[2]): GpuChanges {
  const answers = [1, 2, 3].map((other) => answerAbout(world.device, other, other === depth ? changes : {}));
  return { ocsp: answers };
}

describe("OCSP answers", () => {
  const responderUnder = (depth: number, options: object = {}) =>
    issueDevice("TEST responder", memberOf(world.device, depth), { leaf: true, extendedUsage: OCSP_SIGNING, ...options });
  const cases: readonly (readonly [string, string | null, () => GpuChanges])[] = [
    ["by a responder that the issuer appointed", null, () => ocspWith(2, { responder: responderUnder(3) })],
    ["that name the responder by its key", null, () => ocspWith(2, { byKey: true })],
    ["that name the certificate with SHA-384", null, () => ocspWith(1, { hash: "sha384" })],
    ["absent where they are required (unreachable revocation)", "COLLATERAL_MISSING", () => ({ ocsp: null })],
    ["an empty list where they are required", "COLLATERAL_MISSING", () => ({ ocsp: [] })],
    ["about two of three certificates", "COLLATERAL_MISSING", () => ({ ocsp: world.ocsp.slice(1) })],
    [
      "about a certificate of another chain",
      "COLLATERAL_MISSING",
      () => ({ ocsp: [answerAbout(issueChain(["a", "b", "c"], {}), 1)] }),
    ],
    [
      "about another chain, where none is required",
      "COLLATERAL_MISMATCH",
      () => ({ policy: NO_RIM, ocsp: [answerAbout(issueChain(["a", "b", "c"], {}), 1)] }),
    ],
    ["refused by the responder (tryLater)", "COLLATERAL_MISSING", () => ({ ocsp: [...world.ocsp, encodeOcspRefusal(3)] })],
    [
      "refused by the responder, where none is required",
      "COLLATERAL_MISSING",
      () => ({ policy: NO_RIM, ocsp: [encodeOcspRefusal(6)] }),
    ],
    ["unknown", "COLLATERAL_MISSING", () => ocspWith(2, { status: "unknown" })],
    ["revoked", "REVOKED", () => ocspWith(1, { status: "revoked" })],
    ["revoked for a reason", "REVOKED", () => ocspWith(3, { status: "revoked", reason: 1 })],
    ["certificateHold", "REVOKED", () => ocspWith(2, { status: "revoked", reason: 6 })],
    [
      "revoked, where the policy does not ask",
      "REVOKED",
      () => ({ ...ocspWith(2, { status: "revoked", reason: 6 }), policy: NO_RIM }),
    ],
    ["past their next update", "COLLATERAL_EXPIRED", () => ocspWith(2, { nextUpdate: AT - 1 })],
    ["before their time", "COLLATERAL_EXPIRED", () => ocspWith(2, { thisUpdate: AT + 1 })],
    ["without a next update", "COLLATERAL_EXPIRED", () => ocspWith(2, { nextUpdate: null })],
    [
      "by a responder without the usage",
      "CHAIN_UNTRUSTED",
      () => ocspWith(2, { responder: issueDevice("TEST responder", memberOf(world.device, 3), { leaf: true }) }),
    ],
    [
      "by a responder with another usage",
      "CHAIN_UNTRUSTED",
      () => ocspWith(2, { responder: responderUnder(3, { extendedUsage: "1.3.6.1.5.5.7.3.1" }) }),
    ],
    ["by a responder of another issuer", "CHAIN_UNTRUSTED", () => ocspWith(2, { responder: responderUnder(2) })],
    ["by the certificate itself", "CHAIN_UNTRUSTED", () => ocspWith(2, { responder: memberOf(world.device, 2) })],
    [
      "by a responder that has expired",
      "CERT_EXPIRED",
      () => ocspWith(2, { responder: responderUnder(3, { to: "2026-05-01" }) }),
    ],
    [
      "by a responder that is not yet valid",
      "CERT_NOT_YET_VALID",
      () => ocspWith(2, { responder: responderUnder(3, { from: "2026-07-01" }) }),
    ],
    [
      "with a bit of their signature flipped",
      "COLLATERAL_SIGNATURE_INVALID",
      () => ({ ocsp: world.ocsp.map((der) => flipped(der, -1)) }),
    ],
    ["with bytes after them", "MALFORMED", () => ({ ocsp: world.ocsp.map((der) => concatBytes(der, new Uint8Array(1))) })],
    [
      "with another nonce than the requester's",
      "NONCE_MISMATCH",
      () => ({ ...ocspWith(2, { nonce: utf8("other") }), policy: { ...STRICT, ocspNonce: "00" } }),
    ],
    [
      "about the signer of a RIM, revoked",
      "REVOKED",
      () => ({ ocsp: [...world.ocsp, answerAbout(world.signers, 0, { status: "revoked" })] }),
    ],
  ];
  it.each(cases)("%s", async (_name, code, changes) => {
    expect((await appraiseGpu(world, changes())).code).toBe(code === null ? null : `EVIDENCE_${code}`);
  });
});
