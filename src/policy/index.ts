/** Policies: parse, decide, replay, explain. Portable and pure: the same code decides in the gateway and for the auditor. */
export * from "./attribute.ts";
export * from "./check-policy.ts";
export type { Condition } from "./condition.ts";
export * from "./decide.ts";
export * from "./decision.ts";
export * from "./explain.ts";
export * from "./fact.ts";
export * from "./obligation.ts";
export * from "./path-roles.ts";
export * from "./policy.ts";
export * from "./replay.ts";
export { policyJsonSchema } from "./schema.ts";
export * from "./statement.ts";
export * from "./unserved.ts";
