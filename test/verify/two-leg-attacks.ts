/** Attacks on receipts with several legs: a splice of one leg, of what was forwarded, or of a proof that comes later. */
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { type Attack, editEvent } from "../fixtures/attack.ts";
import { type Changes, requestBody } from "../fixtures/bundle.ts";
import { echo, withEcho } from "../fixtures/echo-path.ts";
import { PROOF_DEADLINE, type ProvenRunChange, provenRun, trustProven } from "../fixtures/proven-run.ts";
import { at } from "../fixtures/world.ts";
import { trustZk, withZk } from "../fixtures/zk-leg.ts";
import { other } from "./attack-part.ts";
import { opening, otherCommitment, SALT } from "./integer-run.ts";

/** What a path without a wire of its own would have the gateway forward: the bytes as the caller sent them. */
const opened = digestOf(utf8(JSON.stringify(requestBody())));
const forwarded = (digest: typeof opened): Changes => ({ events: editEvent("request.forwarded", { body_hash: digest }) });

function beside(name: string, check: string, code: string, changes: () => Changes): Attack {
  return { name, check, code, appraisers: [teeAppraiser, echo], changes: (_scene) => changes() };
}

const wires: readonly Attack[] = [
  beside(
    "that forwarded what its leg without a wire would have it, and not what its worker opened",
    "binding.request-forwarded",
    "BINDING_FORWARDED_MISMATCH",
    () => withEcho({ wire: null }, forwarded(opened)),
  ),
  beside(
    "that forwarded something else beside a leg without a wire",
    "binding.request-forwarded",
    "BINDING_FORWARDED_MISMATCH",
    () => withEcho({ wire: null }, forwarded(other)),
  ),
  beside("of which two legs say that different bytes came in", "binding.request-forwarded", "BINDING_FORWARDED_MISMATCH", () =>
    withEcho({ wire: { requestDigest: other, responseDigest: other } }),
  ),
  beside("whose leg without a wire is about another request", "binding.request-received", "BINDING_REQUEST_MISMATCH", () =>
    withEcho({ wire: null, requestDigest: other }),
  ),
  beside("whose leg without a wire is about another answer", "binding.response-returned", "BINDING_RESPONSE_MISMATCH", () =>
    withEcho({ wire: null, responseDigest: other }),
  ),
  beside(
    "whose leg without a wire stands beside what the caller sealed",
    "binding.request-received",
    "BINDING_REQUEST_MISMATCH",
    () => withEcho({ wire: null }, { kind: "caller-sealed" }),
  ),
  {
    name: "that forwarded something else to the only leg, which has no wire",
    check: "binding.request-forwarded",
    code: "BINDING_FORWARDED_MISMATCH",
    changes: () => withZk({}, forwarded(other)),
    trust: (entry) => trustZk(entry),
  },
];

function proven(name: string, check: string, code: string, change: ProvenRunChange, more: Partial<Attack> = {}): Attack {
  return { name, check, code, trust: trustProven, changes: (_scene) => provenRun(change), ...more };
}

const input = (name: string, change: ProvenRunChange, more: Partial<Attack> = {}) =>
  proven(name, "binding.inputs-agree", "LEG_INPUT_MISMATCH", change, more);
const output = (name: string, change: ProvenRunChange, more: Partial<Attack> = {}) =>
  proven(name, "binding.outputs-agree", "LEG_OUTPUT_MISMATCH", change, more);

const proofs: readonly Attack[] = [
  input("with a worker's answer and an honest proof of another input that has the same output", { commitment: otherCommitment }),
  output("with a worker's answer and a proof of another output", { outputs: [4] }),
  output("with a worker's answer and a proof of more outputs", { outputs: [3, 3] }),
  input("whose supplement brings an honest proof of another input that has the same output", {
    when: "in a supplement",
    commitment: otherCommitment,
  }),
  output("whose supplement brings a proof of another output", { when: "in a supplement", outputs: [4] }),
  proven("whose supplement brings a proof that was made for another decision", "zk.context-bound", "ZK_CONTEXT_MISMATCH", {
    when: "in a supplement",
    zk: { contextBinding: (binding) => ({ ...binding, decisionDigest: other }) },
  }),
  proven(
    "whose proof is to come, where nobody allowed that",
    "leg.final",
    "LEG_PENDING",
    { when: "to come" },
    {
      options: { now: at(500) },
    },
  ),
  proven(
    "whose proof never came",
    "leg.not-overdue",
    "LEG_OVERDUE",
    { when: "to come" },
    {
      options: { allowPending: true, now: at(PROOF_DEADLINE - at(0) + 1) },
    },
  ),
  proven(
    "whose proof came too late",
    "leg.not-overdue",
    "LEG_OVERDUE",
    {
      when: "in a supplement",
      supplement: { servedAt: at(980), witnessedAt: at(990) },
    },
    { options: { now: at(1200) } },
  ),
  proven(
    "whose worker and proof agree on another input than was shown",
    "exchange.input-opens",
    "ZK_INPUT_OPENS",
    {
      commitment: otherCommitment,
      leg: (statement) => ({ ...statement, inputCommitment: otherCommitment }),
    },
    { options: (_scene, { request }) => ({ request: request.opened, opening }) },
  ),
  proven(
    "whose worker and proof agree on another output than was returned",
    "exchange.outputs-match",
    "ZK_OUTPUT_MATCHES",
    {
      outputs: [4],
      leg: (statement) => ({ ...statement, outputs: [4] }),
    },
    { options: (_scene, { response }) => ({ response: response.opened, opening }) },
  ),
  proven(
    "whose worker and proof agree under another salt than is shown",
    "exchange.input-opens",
    "ZK_INPUT_OPENS",
    {},
    {
      options: (_scene, { request }) => ({ request: request.opened, opening: { ...opening, salt: SALT.with(0, 1) } }),
    },
  ),
];

/** All of them. */
export const twoLegAttacks: readonly Attack[] = [...wires, ...proofs];
