/** Logs, events and parts of a bundle that do not fit. */
import { utf8 } from "../../src/core/bytes.ts";
import { parseDigest, sha256Bytes } from "../../src/core/digest.ts";
import { type UnixSeconds, unixSeconds } from "../../src/core/time.ts";
import { encodeTlogProof, parseNote, parseTlogProof, signCheckpoint, signCosignature } from "../../src/log/index.ts";
import { type Attack, dropEvent, editEvent, forger, moveLast, type Scene, strangeKey } from "../fixtures/attack.ts";
import type { BundleParts } from "../fixtures/bundle.ts";
import { MemoryLog } from "../fixtures/memory-log.ts";
import { at, NOW } from "../fixtures/world.ts";

import { editReceiptProof, eventMember, onEvents, other, sessionDigest, withoutLog } from "./attack-part.ts";

/** The log: what is not in it, and who did not sign it. */
export const falseLogs: readonly Attack[] = [
  {
    name: "whose receipt is not in the log",
    check: "log.receipt",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: (parts) => withoutLog((own) => [...own.log.keys()].at(-1) ?? "")(parts) },
  },
  {
    name: "whose receipt's salt is another",
    check: "log.receipt",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: editReceiptProof((proof) => ({ ...proof, salt: "00".repeat(32) })) },
  },
  {
    name: "whose session is not in the log",
    check: "log.session",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: withoutLog(sessionDigest) },
  },
  {
    name: "whose policy statement is not in the log",
    check: "log.policy",
    code: "LOG_INCLUSION_INVALID",
    changes: { parts: withoutLog((parts) => eventMember(parts, "policy.decided", "statement_digest")) },
  },
  {
    name: "whose proof is against the checkpoint of another tree",
    check: "log.receipt",
    code: "LOG_INCLUSION_INVALID",
    changes: ({ world }) => ({ parts: editReceiptProof((proof) => ({ ...proof, proof: inOtherTree(world, proof.proof) })) }),
  },
  {
    name: "whose session was only logged after the receipt",
    check: "log.order",
    code: "LOG_ORDER_INVALID",
    changes: { loggedLate: "session", session: (document) => ({ ...document, upstream_name: "late" }) },
  },
  {
    name: "whose policy statement was only logged after the receipt",
    check: "log.order",
    code: "LOG_ORDER_INVALID",
    changes: { loggedLate: "policy", statement: (body) => ({ ...body, sequence: 77 }) },
  },
  {
    name: "that refuses under a policy statement that was only logged after it",
    check: "log.order",
    code: "LOG_ORDER_INVALID",
    changes: { kind: "denied", loggedLate: "policy", statement: (body) => ({ ...body, sequence: 78 }) },
  },
  {
    name: "whose session a witness saw, in another log of the service, only after the receipt",
    check: "log.order",
    code: "LOG_ORDER_INVALID",
    changes: ({ world }) => ({ parts: sessionInSecondLog(world, at(500)) }),
    trust: (entry, { world }) => void entry.logs.push({ origin: SECOND_LOG, publicKey: world.logSigner.publicKey }),
  },
  {
    name: "whose checkpoint another key signed",
    check: "log.checkpoint",
    code: "LOG_CHECKPOINT_INVALID",
    changes: ({ world }) => ({ checkpoint: { receipt: { log: forger(world.logSigner) } } }),
  },
  {
    name: "whose checkpoint a stranger cosigned too",
    check: "log.signatures-known",
    code: "LOG_SIGNATURE_FOREIGN",
    changes: ({ world }) => ({
      checkpoint: { receipt: { witnesses: [world.witness, { name: "witness.strange.test", signer: strangeKey }] } },
    }),
  },
  {
    name: "whose witness cosigned the checkpoint twice",
    check: "log.signatures-known",
    code: "LOG_SIGNATURE_FOREIGN",
    changes: ({ world }) => ({
      checkpoint: {
        receipt: {
          note: (note) => ({
            ...note,
            signatures: [...note.signatures, signCosignature(note.text, world.witness.name, at(103), world.witness.signer)],
          }),
        },
      },
    }),
  },
  {
    name: "whose session checkpoint no witness cosigned",
    check: "log.quorum",
    code: "LOG_QUORUM_MISSING",
    changes: { checkpoint: { session: { witnesses: [] } } },
  },
  {
    name: "whose witness saw it in the future",
    check: "log.time",
    code: "LOG_TIME_INVALID",
    changes: { checkpoint: { receipt: { time: unixSeconds(NOW + 3600) } } },
  },
  {
    name: "whose session a witness saw in the future",
    check: "log.time",
    code: "LOG_TIME_INVALID",
    changes: { checkpoint: { session: { time: unixSeconds(NOW + 3600) } } },
  },
  { name: "that was served after a witness saw it", check: "log.time", code: "LOG_TIME_INVALID", changes: { servedAt: at(400) } },
  { name: "that was served before it was decided", check: "log.time", code: "LOG_TIME_INVALID", changes: { servedAt: at(99) } },
];

/** Origin of a second log of the service. */
export const SECOND_LOG = "second.alpha.test";

/** The bundle with its session's proof from the second log, where a witness saw it at `time`. */
export function sessionInSecondLog(
  { logSigner, witness }: Scene["world"],
  time: UnixSeconds,
): (parts: BundleParts) => BundleParts {
  return (parts) => {
    const digest = parseDigest(sessionDigest(parts));
    const log = new MemoryLog(SECOND_LOG);
    for (let leaf = 0; leaf < 20; leaf += 1) log.appendOther();
    log.append("session", digest);
    log.checkpoint(time);
    return {
      ...parts,
      log: new Map([...parts.log, [digest, log.proof("session", digest, { log: logSigner, witnesses: [witness] })]]),
    };
  };
}

/** The proof with a checkpoint of the same size over another tree, signed by log and witness. */
function inOtherTree({ log, logSigner, witness }: Scene["world"], proof: string): string {
  const { index, hashes, checkpoint } = parseTlogProof(proof);
  const signed = parseNote(signCheckpoint({ ...checkpoint, root: sha256Bytes(utf8(log.origin)) }, logSigner));
  const cosignature = signCosignature(signed.text, witness.name, at(102), witness.signer);
  return encodeTlogProof(index, hashes, { ...signed, signatures: [...signed.signatures, cosignature] });
}

/** Events that tell no consistent story. */
export const falseStories: readonly Attack[] = [
  ...[
    "request.received",
    "service.described",
    "policy.decided",
    "request.forwarded",
    "upstream.verified",
    "response.returned",
  ].map((type) => onEvents(`with ${type} twice`, (events) => [...events, ...events.filter((event) => event["type"] === type)])),
  ...["service.described", "policy.decided", "request.forwarded", "upstream.verified", "response.returned", "leg.sealed"].map(
    (type) => onEvents(`without ${type}`, dropEvent(type)),
  ),
  ...["service.described", "policy.decided", "request.forwarded", "upstream.verified", "leg.sealed"].map((type) =>
    onEvents(`with ${type} behind the response`, moveLast(type)),
  ),
  onEvents("whose upstream was not verified", editEvent("upstream.verified", { result: "failed" })),
  onEvents("whose upstream was not required although policy required it", editEvent("upstream.verified", { required: false })),
  onEvents("that answers and refuses", (events) => [
    ...events.slice(0, -1),
    { type: "request.refused", code: "WORKER_LOST", rule_id: null },
    ...events.slice(-1),
  ]),
  onEvents("that continues another receipt", (events) => [
    ...events,
    { type: "parent", receipt_id: "rcpt-0", receipt_digest: other },
  ]),
  onEvents("that refuses what policy allowed as a denial", editEvent("request.refused", { code: "POLICY_DENIED" }), {
    changes: { kind: "lost-after-forwarding", events: editEvent("request.refused", { code: "POLICY_DENIED" }) },
  }),
  onEvents("that names a rule for a refusal that no rule gave", (events) => events, {
    changes: { kind: "refused-before-policy", events: editEvent("request.refused", { rule_id: "secret-stays-out" }) },
  }),
  ...(["denied", "refused-before-policy", "lost-after-forwarding"] as const).map((kind) =>
    onEvents(`of kind ${kind} without upstream.verified`, (events) => events, {
      changes: { kind, events: dropEvent("upstream.verified") },
    }),
  ),
  onEvents("that denies without a decision", (events) => events, {
    changes: { kind: "refused-before-policy", events: editEvent("request.refused", { code: "POLICY_DENIED" }) },
  }),
  onEvents("that forwarded a request and then denied it", (events) => events, {
    changes: {
      kind: "denied",
      events: (events) => [...events.slice(0, 3), { type: "request.forwarded", body_hash: other }, ...events.slice(3)],
    },
  }),
  onEvents("that forwarded a request before policy decided", (events) => events, {
    changes: {
      kind: "refused-before-policy",
      events: (events) => [...events.slice(0, 2), { type: "request.forwarded", body_hash: other }, ...events.slice(2)],
    },
  }),
  onEvents("that hides the forwarding of a request to a verified upstream", (events) => events, {
    changes: (scene) => ({
      kind: "lost-after-forwarding",
      events: (events) =>
        editEvent("upstream.verified", { result: "verified", session_id: "d".repeat(64) })(
          dropEvent("request.forwarded")(events),
        ),
      tenant: scene.world.name,
    }),
  }),
  onEvents("that cites a verified upstream for a refusal", (events) => events, {
    changes: { kind: "lost-after-forwarding", events: editEvent("upstream.verified", { result: "verified" }) },
  }),
  onEvents("whose refusal says that no upstream was required although policy required one", (events) => events, {
    changes: { kind: "lost-after-forwarding", events: editEvent("upstream.verified", { required: false }) },
  }),
];

/** Parts that nothing cites, and bytes that are not the exchange's. */
export const strayParts: readonly Attack[] = [
  {
    name: "with a blob that nothing cites",
    check: "bundle.all-used",
    code: "BUNDLE_UNUSED_PART",
    changes: { parts: (parts) => ({ ...parts, blobs: [...parts.blobs, utf8("stray")] }) },
  },
  {
    name: "with a session that nothing cites",
    check: "bundle.all-used",
    code: "BUNDLE_UNUSED_PART",
    changes: { parts: (parts) => ({ ...parts, sessions: new Map([...parts.sessions, ["e".repeat(64), {}]]) }) },
  },
  {
    name: "with a log entry that nothing cites",
    check: "bundle.all-used",
    code: "BUNDLE_UNUSED_PART",
    changes: {
      parts: (parts) => ({
        ...parts,
        log: new Map([...parts.log, [other, [...parts.log.values()][0] ?? { salt: "", proof: "" }]]),
      }),
    },
  },
  {
    name: "for which another request is shown",
    check: "exchange.request",
    code: "EXCHANGE_REQUEST_MISMATCH",
    options: { request: utf8("another") },
  },
  {
    name: "for which another response is shown",
    check: "exchange.response",
    code: "EXCHANGE_RESPONSE_MISMATCH",
    options: (_scene, built) => ({ request: built.request.wire, response: utf8("another") }),
  },
  {
    name: "for which the response is shown as the request",
    check: "exchange.request",
    code: "EXCHANGE_REQUEST_MISMATCH",
    options: (_scene, built) => ({ request: built.response.wire }),
  },
  {
    name: "that is cut short",
    check: "bundle.well-formed",
    code: "BUNDLE_MALFORMED",
    outcome: "malformed",
    bytes: (bundle) => bundle.subarray(0, -1),
  },
];
