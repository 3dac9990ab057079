/** The form of a policy file (`triseal.dev/v1`). */
import * as z from "zod/mini";
import { EVIDENCE_TYPE, PATH_ID, TCB_STATUSES } from "./obligation.ts";

const whole = (pattern: RegExp) => new RegExp(`^(?:${pattern.source})$`);
/** A text of `least` to `most` UTF-16 code units. */
const text = (least: number, most: number) => z.string().check(z.minLength(least), z.maxLength(most));
const trimmed = (most: number) => z.string().check(z.trim(), z.minLength(1), z.maxLength(most));
const spelt = (pattern: RegExp, message: string) => z.string().check(z.regex(pattern, message));

const id = spelt(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, "an id is lower-case words joined by hyphens").check(z.maxLength(64));
const pathId = spelt(whole(PATH_ID), "a path id is lower-case letters, digits and hyphens");
const evidenceType = spelt(whole(EVIDENCE_TYPE), "an evidence type is lower-case letters, digits and hyphens");
const when = trimmed(2000).check(z.describe("a condition in CEL"));
const because = trimmed(256).check(z.regex(/^\P{Cc}*$/u, "one line"));
const duration = spelt(/^[1-9][0-9]{0,5}[smhd]$/, "a duration such as `30s`, `5m`, `12h` or `7d`");
const tcbStatus = z.enum(TCB_STATUSES);

const evidence = z.strictObject({
  accept: z
    .optional(z.array(evidenceType).check(z.minLength(1), z.maxLength(16)))
    .check(z.describe("accepted evidence types; simulated ones only if named")),
  from: z
    .optional(z.array(pathId).check(z.maxLength(8)))
    .check(z.describe("paths of `all` that must show evidence; by default all of them")),
});

const require = z.strictObject({
  all: z.array(pathId).check(z.minLength(1), z.maxLength(8), z.describe("paths that must answer, each of them")),
  tcb: z
    .optional(z.union([tcbStatus, z.array(tcbStatus).check(z.minLength(1))]))
    .check(z.describe("accepted status of firmware and microcode")),
  maxEvidenceAge: z.optional(duration).check(z.describe("oldest evidence that is accepted")),
  evidence: z.optional(evidence),
});

const rule = z.strictObject({
  id,
  when,
  because: z.optional(because),
  require,
  mode: z
    .optional(z.catchall(z.object({ deadline: duration }), z.literal("async")))
    .check(z.describe("paths of `all` whose answer may follow later, and until when")),
  sample: z
    .optional(z.record(pathId, z.number().check(z.gt(0), z.lte(1))))
    .check(z.describe("share of answers that a further path proves afterwards")),
});

/** A policy file, by form. Ids, paths and conditions are checked by `parsePolicy`. */
export const policySchema = z.strictObject({
  apiVersion: z.literal("triseal.dev/v1"),
  metadata: z.optional(z.strictObject({ name: z.optional(text(1, 64)), description: z.optional(text(1, 1024)) })),
  defaults: z
    .strictObject({ effect: z.literal("deny") })
    .check(z.describe("what no rule allows is denied; there is no other default")),
  forbid: z._default(z.array(z.strictObject({ id, when, because: z.optional(because) })).check(z.maxLength(63)), []),
  rules: z.array(rule).check(z.maxLength(64)),
});

/** A policy file as written. */
export type PolicyFile = z.output<typeof policySchema>;

/** The form of a policy file as JSON Schema (draft 2020-12), for editors: `policies/policy.schema.json`. */
export function policyJsonSchema(): object {
  return z.toJSONSchema(policySchema, { io: "input" });
}
