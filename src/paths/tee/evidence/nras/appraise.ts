/** Appraises an answer of NVIDIA's remote attestation service: its tokens, what they are bound by, and what they say. */
import { encodeHex, utf8 } from "../../../../core/bytes.ts";
import { sha256Bytes } from "../../../../core/digest.ts";
import { isJsonObject, type JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceInputs, NO_BONDS } from "../appraisal/appraiser.ts";
import { Findings } from "../appraisal/findings.ts";
import { isGiven, jsonOf, requiredPart } from "../appraisal/roles.ts";
import { type DetachedEat, type EatToken, MAX_EAT_BYTES, parseDetachedEat } from "./detached-eat.ts";
import { judgeToken } from "./judge-token.ts";
import { type KeySet, MAX_KEY_SET_BYTES, parseKeySet } from "./key-set.ts";
import type { NrasPolicy } from "./policy.ts";

const OVERALL_RESULT = "x-nvidia-overall-att-result";

/** Every device token is the one that the overall token cites, and every one that it cites is there. */
function judgeBinding({ devices, digests }: DetachedEat, findings: Findings): void {
  findings.expect("evidence.bound", devices.size > 0 && devices.size === digests.size, "number of device tokens");
  for (const [name, token] of devices) {
    findings.expect("evidence.bound", digests.get(name) === encodeHex(sha256Bytes(utf8(token.text))), name);
  }
}

/** Whether a certificate chain that the service looked at had a revoked certificate, on hold included. */
function hasRevoked({ claims }: EatToken): boolean {
  return Object.entries(claims).some(([name, value]) => {
    if (!name.endsWith("-cert-chain") || !isJsonObject(value)) return false;
    return value["x-nvidia-cert-ocsp-status"] === "revoked" || (value["x-nvidia-cert-revocation-reason"] ?? null) !== null;
  });
}

function judgeDevice(token: EatToken, name: string, findings: Findings): void {
  const { claims } = token;
  const isSecure = claims["dbgstat"] === "disabled" && claims["secboot"] === true;
  findings.expect("guest.not-debugged", isSecure, `${name}: dbgstat, secboot`);
  findings.expect("chain.unrevoked", !hasRevoked(token), `${name}: certificates that the service looked at`);
  findings.expect("measurement.matches", claims["measres"] === "success", `${name}: measres`);
}

function judgeNonces({ overall, devices }: DetachedEat, nonce: string | null, findings: Findings): void {
  findings.compare("nonce.matches", nonce, (wanted) => overall.nonce === wanted, "overall");
  for (const [name, token] of devices) {
    findings.expect("nonce.matches", nonce === null ? token.nonce === overall.nonce : token.nonce === nonce, name);
  }
}

function areDistinct(tokens: readonly EatToken[]): boolean {
  const ids = tokens.map(({ claims }) => claims["ueid"]);
  return ids.every((id) => typeof id === "string" && id !== "") && new Set(ids).size === ids.length;
}

async function judgeSigners(bundle: DetachedEat, keys: KeySet, inputs: EvidenceInputs, findings: Findings): Promise<void> {
  const { anchors, at } = inputs;
  for (const [name, token] of [["overall", bundle.overall] as const, ...bundle.devices]) {
    await judgeToken(token, { keys, anchors, at }, findings, name);
  }
}

function deviceClaims({ claims }: EatToken): JsonObject {
  const named = {
    ueid: "ueid",
    hwmodel: "hwmodel",
    driverVersion: "x-nvidia-gpu-driver-version",
    vbiosVersion: "x-nvidia-gpu-vbios-version",
    measres: "measres",
    dbgstat: "dbgstat",
    secboot: "secboot",
  };
  return Object.fromEntries(Object.entries(named).map(([name, claim]) => [name, claims[claim] ?? null]));
}

/** What the service says. */
export function nrasClaims({ overall, devices }: DetachedEat): JsonObject {
  return {
    issuer: overall.issuer,
    nonce: overall.nonce,
    overallResult: overall.claims[OVERALL_RESULT] ?? null,
    issuedAt: overall.notBefore,
    expires: overall.expires,
    deviceCount: devices.size,
    devices: Object.fromEntries([...devices].map(([name, token]) => [name, deviceClaims(token)])),
  };
}

/** Appraises a bundle of tokens. */
export async function appraise(inputs: EvidenceInputs, policy: NrasPolicy): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const document = requiredPart(findings, "eat", (name) => jsonOf(inputs.evidence, name, MAX_EAT_BYTES));
  const bundle = document === null ? null : findings.read("`eat`", () => parseDetachedEat(document));
  findings.expect("collateral.present", isGiven(inputs.endorsements, "jwks"), "`jwks`");
  const set = findings.read("`jwks`", () => jsonOf(inputs.endorsements, "jwks", MAX_KEY_SET_BYTES));
  const keys = set === null ? null : findings.read("`jwks`", () => parseKeySet(set));
  if (bundle === null) return { checks: findings.all(), claims: null, bonds: NO_BONDS };
  const { overall, devices } = bundle;
  if (keys === null) findings.skip("evidence.signed", "no key set");
  else await judgeSigners(bundle, keys, inputs, findings);
  judgeBinding(bundle, findings);
  judgeNonces(bundle, policy.nonce, findings);
  findings.expect("measurement.matches", overall.claims[OVERALL_RESULT] === true, "overall result");
  for (const [name, token] of devices) judgeDevice(token, name, findings);
  if (policy.requireDistinctDevices) findings.expect("devices.distinct", areDistinct([...devices.values()]), "ueid");
  else findings.skip("devices.distinct", "the policy does not ask");
  return { checks: findings.all(), claims: nrasClaims(bundle), bonds: NO_BONDS };
}
