/** The form of a policy file (`triseal.dev/v1`). */
import * as z from "zod";
import { EVIDENCE_TYPE, PATH_ID, TCB_STATUSES } from "./obligation.ts";

const whole = (pattern: RegExp) => new RegExp(`^(?:${pattern.source})$`);

const id = z
  .string()
  .regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, "an id is lower-case words joined by hyphens")
  .max(64);
const pathId = z.string().regex(whole(PATH_ID), "a path id is lower-case letters, digits and hyphens");
const evidenceType = z.string().regex(whole(EVIDENCE_TYPE), "an evidence type is lower-case letters, digits and hyphens");
const when = z.string().trim().min(1).max(2000).describe("a condition in CEL");
const because = z
  .string()
  .trim()
  .min(1)
  .max(256)
  .regex(/^\P{Cc}*$/u, "one line");
const duration = z.string().regex(/^[1-9][0-9]{0,5}[smhd]$/, "a duration such as `30s`, `5m`, `12h` or `7d`");
const tcbStatus = z.enum(TCB_STATUSES);

const require = z.strictObject({
  all: z.array(pathId).min(1).max(8).describe("paths that must answer, each of them"),
  tcb: z
    .union([tcbStatus, z.array(tcbStatus).min(1)])
    .optional()
    .describe("accepted status of firmware and microcode"),
  maxEvidenceAge: duration.optional().describe("oldest evidence that is accepted"),
  evidence: z
    .strictObject({
      accept: z.array(evidenceType).min(1).max(16).optional().describe("accepted evidence types; simulated ones only if named"),
      from: z.array(pathId).max(8).optional().describe("paths of `all` that must show evidence; by default all of them"),
    })
    .optional(),
});

const rule = z.strictObject({
  id,
  when,
  because: because.optional(),
  require,
  mode: z
    .object({ deadline: duration })
    .catchall(z.literal("async"))
    .optional()
    .describe("paths of `all` whose answer may follow later, and until when"),
  sample: z.record(pathId, z.number().gt(0).lte(1)).optional().describe("share of answers that a further path proves afterwards"),
});

/** A policy file, by form. Ids, paths and conditions are checked by `parsePolicy`. */
export const policySchema = z.strictObject({
  apiVersion: z.literal("triseal.dev/v1"),
  metadata: z
    .strictObject({ name: z.string().min(1).max(64).optional(), description: z.string().min(1).max(1024).optional() })
    .optional(),
  defaults: z.strictObject({ effect: z.literal("deny") }).describe("what no rule allows is denied; there is no other default"),
  forbid: z
    .array(z.strictObject({ id, when, because: because.optional() }))
    .max(63)
    .default([]),
  rules: z.array(rule).max(64),
});

/** A policy file as written. */
export type PolicyFile = z.output<typeof policySchema>;

/** The form of a policy file as JSON Schema (draft 2020-12), for editors: `policies/policy.schema.json`. */
export function policyJsonSchema(): object {
  return z.toJSONSchema(policySchema, { io: "input" });
}
