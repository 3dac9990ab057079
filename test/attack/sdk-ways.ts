/** What a service, or whoever sits before it, can tell the caller's SDK. */

import { readChallenge } from "../../src/client/challenge.ts";
import { refusal, serviceCodes } from "../../src/client/refusal.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOfJson } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { type Scene, strangeKey } from "../fixtures/attack.ts";
import { buildBundle } from "../fixtures/bundle.ts";
import { withCallerProof } from "../fixtures/caller-proof.ts";
import { at, NOW } from "../fixtures/world.ts";
import { other } from "../verify/attack-part.ts";
import { clearCall, hostileService, type Lies } from "./hostile-service.ts";
import { found, refused, type Way } from "./way.ts";

const VERIFICATION = "VERIFICATION_FAILED";

/** A call that must throw, and the one part of the SDK that throws. */
function called(
  way: string,
  stop: string,
  says: string,
  lies: Lies | ((scene: Scene) => Lies),
  { calls = 1, code = VERIFICATION } = {},
): Way {
  const work = async (scene: Scene): Promise<void> => {
    const { client } = hostileService(scene, typeof lies === "function" ? lies(scene) : lies);
    for (let call = 1; call < calls; call += 1) await client.infer(clearCall);
    await client.infer(clearCall);
  };
  return refused("sdk", way, stop, code, work, says);
}

const attestation = (report: JsonObject, change: (attestation: JsonObject) => JsonObject): JsonObject => ({
  ...report,
  attestation: change(report["attestation"] as JsonObject),
});

const services: readonly Way[] = [
  called(
    "own gateway at the address of the trusted one",
    "appraiseService",
    "the trust file names no such gateway",
    ({ world }) => ({
      world: { ...world, gateway: strangeKey },
    }),
  ),
  called(
    "the trusted gateway's report, recorded under an earlier challenge",
    "appraiseService",
    "the report does not bind its keyset",
    {
      challenge: () => "ab".repeat(32),
    },
  ),
  called("the trusted gateway's report for no challenge", "appraiseService", "the report does not bind its keyset", {
    challenge: () => null,
  }),
  called("the trusted gateway's report about another keyset", "appraiseService", "the report does not bind its keyset", {
    report: (report) =>
      attestation(report, (made) => ({
        ...made,
        workload_keyset: { ...(made["workload_keyset"] as JsonObject), subject: "mallory" },
      })),
  }),
  called(
    "a gateway that claims a TEE which nobody can appraise",
    "appraiseService",
    "gateway attestation tdx cannot be appraised",
    {
      report: (report) => attestation(report, (made) => ({ ...made, tee_type: "tdx" })),
    },
  ),
  found(
    "sdk",
    "the API key, asked for by a service that is not the trusted one",
    "no key before the appraisal",
    "NOT_SENT",
    async (scene) => {
      const { client, sent } = hostileService(scene, { world: { ...scene.world, gateway: strangeKey } });
      await client.infer(clearCall).catch(() => undefined);
      return sent.length > 0 && sent.every(({ authorization }) => authorization === null) ? "NOT_SENT" : null;
    },
  ),
  called(
    "the trusted service answers the appraisal, and another trusted one the request",
    "judgeReceipt",
    "the receipt is another service's than the one that was appraised",
    ({ other: beta }) => ({ answering: beta }),
  ),
];

const answers: readonly Way[] = [
  called("an answer without a receipt that verifies", "judgeReceipt", "BUNDLE_MALFORMED", { bundle: () => utf8("{}") }),
  called("another answer than the receipt's", "judgeReceipt", "EXCHANGE_RESPONSE_MISMATCH", {
    served: (honest) => ({ ...honest, answer: utf8(new TextDecoder().decode(honest.answer).replace("[3]", "[4]")) }),
  }),
  called(
    "another request's honest answer with its honest receipt",
    "judgeReceipt",
    "EXCHANGE_REQUEST_MISMATCH",
    { served: (honest, earlier) => earlier[0] ?? honest },
    { calls: 2 },
  ),
  called(
    "the honest answer under the receipt of another call",
    "judgeReceipt",
    "EXCHANGE_REQUEST_MISMATCH",
    {
      served: (honest, earlier) => ({ ...honest, built: earlier[0]?.built ?? honest.built }),
    },
    { calls: 2 },
  ),
  called("a receipt id that is not the bundle's", "judgeReceipt", "the receipt is about another request", {
    served: (honest) => ({ ...honest, receiptId: `rcpt-${"0".repeat(32)}` }),
  }),
  called(
    "a refusal dressed up as an answer",
    "judgeAnswer",
    "response.model_name",
    { changes: { kind: "lost-after-forwarding" } },
    { code: "FORMAT_INVALID" },
  ),
  called("a redirect to somebody else, with request and API key", "ServiceConnection", "which is not followed", {
    redirect: true,
  }),
  called("the answer to a request that was changed on its way", "judgeReceipt", "EXCHANGE_REQUEST_MISMATCH", {
    changes: { body: { id: "mallory-0123456789-0123456789", inputs: [] } },
  }),
  called("another model's answer to the request", "judgeReceipt", "the answer is about another request", {
    respond: (response) => response.replace('"model_name":"risk"', '"model_name":"other"'),
  }),
  refused("sdk", "a refusal that names a finding of the SDK's own as its code", "refusal", "SERVICE_ERROR", () => {
    throw refusal(403, utf8(JSON.stringify({ code: VERIFICATION, detail: "all is well" })), null, serviceCodes([]));
  }),
];

const seals: readonly Way[] = (
  [
    [
      "of a worker that nobody named",
      "EVIDENCE_CHAIN_UNTRUSTED",
      ({ world }) => ({ sessionOf: { evidence: { platform: world.gateway } } }),
    ],
    [
      "whose evidence is about other keys",
      "EVIDENCE_REPORT_DATA_MISMATCH",
      () => ({ sessionOf: { evidence: { reportData: new Uint8Array(64) } } }),
    ],
    [
      "that claims more than its evidence shows",
      "SESSION_CLAIMS_UNFOUNDED",
      () => ({ session: (document) => ({ ...document, identity: {} }) }),
    ],
    ["that ended long ago", "a session has expired", () => ({ session: (document) => ({ ...document, expires_at: at(999) }) })],
  ] satisfies readonly (readonly [string, string, (scene: Scene) => Lies])[]
).map(([what, says, lies]) => {
  const work = (scene: Scene) => hostileService(scene, lies(scene)).client.infer({ ...clearCall, seal: true });
  return refused("sdk", `a session to seal to ${what}`, "SessionSource", VERIFICATION, work, says);
});

async function challengeOf({ world }: Scene, more: JsonObject): Promise<Uint8Array> {
  const { decision } = await buildBundle(world, withCallerProof());
  const made = decision as unknown as JsonObject;
  const named = { model: "risk", modelDigest: world.model.digest, decisionDigest: digestOfJson(made) };
  return encodeJcs({ v: 1, nonce: decision?.nonce ?? "", ...named, decision: made, exp: NOW + 100, terms: {}, ...more });
}

/** A challenge that the SDK must not take, and what it says of that. */
function challenged(way: string, says: string, more: JsonObject, parameters: JsonObject = clearCall.parameters): Way {
  const work = async (scene: Scene) => readChallenge(await challengeOf(scene, more), { model: "risk", parameters }, NOW);
  return refused("sdk", way, "readChallenge", VERIFICATION, work, says);
}

const challenges: readonly Way[] = [
  challenged("a challenge whose decision is another than it names", "not the one that the challenge names", {
    decisionDigest: other,
  }),
  challenged("a challenge under a decision on other facts than were stated", "rests on other facts", {}, { value_usd: 1 }),
  challenged("a challenge of another request, whose nonce was taken", "not about this challenge", { nonce: "ff".repeat(16) }),
  challenged("a challenge for another model than was asked for", "another model", { model: "other" }),
  challenged("a challenge that has ended, kept for later", "has ended", { exp: NOW }),
];

/** All of them. */
export const sdkWays: readonly Way[] = [...services, ...answers, ...seals, ...challenges];
