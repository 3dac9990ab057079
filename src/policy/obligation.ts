/** Obligations: what the matching rule asks of the backends that may answer, and how a candidate is judged by them. */
import { array, finite, integer, matching, nullable, object, oneOf } from "../core/decode.ts";
import type { PathId } from "../paths/path.ts";
import type { Candidate, FactValue } from "./fact.ts";

/** Statuses of a platform's firmware and microcode. There is no word here for a revoked one: no policy can accept it. */
export const TCB_STATUSES = [
  "up-to-date",
  "sw-hardening-needed",
  "configuration-needed",
  "configuration-and-sw-hardening-needed",
  "out-of-date",
  "out-of-date-configuration-needed",
] as const;

/** Pattern of a path id. */
export const PATH_ID = /[a-z][a-z0-9-]{0,31}/;
/** Pattern of an evidence type. */
export const EVIDENCE_TYPE = /[a-z][a-z0-9-]{0,63}/;

const pathId = matching(PATH_ID, "a path id");
const evidenceType = matching(EVIDENCE_TYPE, "an evidence type");

/**
 * Decodes obligations.
 * - `all`: paths that must answer; `attested`: those of them whose backend must show evidence.
 * - `tcb`: accepted statuses, or null for any; `maxEvidenceAgeSeconds`: or null for any.
 * - `accept`: accepted evidence types, or null for every type that is not simulated.
 * - `async`: paths of `all` whose answer may follow within the deadline; `sample`: further paths, by rate.
 */
export const decodeObligations = object({
  all: array(pathId, 8),
  attested: array(pathId, 8),
  tcb: nullable(array(oneOf(...TCB_STATUSES), TCB_STATUSES.length)),
  maxEvidenceAgeSeconds: nullable(integer(1)),
  accept: nullable(array(evidenceType, 16)),
  async: array(object({ path: pathId, deadlineSeconds: integer(1) }), 8),
  sample: array(object({ path: pathId, rate: finite }), 8),
});

/** What the matching rule asks. */
export type Obligations = {
  readonly all: readonly PathId[];
  readonly attested: readonly PathId[];
  readonly tcb: readonly (typeof TCB_STATUSES)[number][] | null;
  readonly maxEvidenceAgeSeconds: number | null;
  readonly accept: readonly string[] | null;
  readonly async: readonly { readonly path: PathId; readonly deadlineSeconds: number }[];
  readonly sample: readonly { readonly path: PathId; readonly rate: number }[];
};

/** Whether evidence of this type has no hardware behind it. */
export function isSimulatedType(type: string): boolean {
  return /(?:^|-)simulated$/.test(type);
}

/** Names of the obligations that a candidate can fail. */
export const FAILABLE = ["evidence", "tcb", "maxEvidenceAge"] as const;

/** An obligation that a candidate can fail. */
export type Failable = (typeof FAILABLE)[number];

function acceptsEvidence(
  obligations: Obligations,
  attested: boolean,
  type: FactValue | undefined,
  simulated: FactValue | undefined,
): boolean {
  // Evidence that is absent is refused where it is asked for; simulated evidence wherever it is not named.
  if (type === undefined) return !attested && simulated !== true;
  if (typeof type !== "string") return false;
  const isSimulated = isSimulatedType(type);
  if (simulated === true && !isSimulated) return false;
  if (obligations.accept === null) return !isSimulated;
  return obligations.accept.includes(type) || (!attested && !isSimulated);
}

/**
 * The first obligation that `candidate` fails, or null where it satisfies all that apply to its path. Candidates of paths
 * outside `all` are judged like those that need no evidence.
 */
export function failedObligation(obligations: Obligations, candidate: Candidate): Failable | null {
  const facts = new Map(candidate.facts.map((fact) => [fact.name, fact.value]));
  const attested = obligations.attested.includes(candidate.path);
  if (!acceptsEvidence(obligations, attested, facts.get("backend.evidence_type"), facts.get("backend.simulated")))
    return "evidence";
  if (!attested) return null;
  const tcb = facts.get("backend.tcb");
  if (obligations.tcb !== null && !obligations.tcb.some((status) => status === tcb)) return "tcb";
  const age = facts.get("backend.evidence_age_seconds");
  const limit = obligations.maxEvidenceAgeSeconds;
  if (limit !== null && !(typeof age === "number" && age >= 0 && age <= limit)) return "maxEvidenceAge";
  return null;
}
