/** Parts that several attacks share: small edits of facts, events and bundles. */
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Fact } from "../../src/policy/index.ts";
import type { Attack } from "../fixtures/attack.ts";
import { type BundleParts, type Changes, requestBody } from "../fixtures/bundle.ts";
import { POLICY_TEXT } from "../fixtures/world.ts";

export const other = digestOf(utf8("something else"));
export const otherBody = requestBody({ id: "another-request-0123456789", inputs: [] });

/** The shipped policy with `search` replaced. */
export function policyWith(search: string, replacement: string): Uint8Array {
  const text = new TextDecoder().decode(POLICY_TEXT);
  if (!text.includes(search)) throw new Error(`the policy has no ${search}`);
  return utf8(text.replaceAll(search, replacement));
}

/** A policy whose tee answer may follow within 15 minutes. */
export const asyncPolicy = policyWith(
  "    require:\n      all: [tee]\n",
  "    mode: { tee: async, deadline: 15m }\n    require:\n      all: [tee]\n",
);

/** A policy that looks at the evidence without asking for it. */
export const forbidSimulated = utf8(`apiVersion: triseal.dev/v1
defaults: { effect: deny }
forbid:
  - { id: no-simulation, when: has(backend.simulated) && backend.simulated }
rules:
  - { id: any, when: "true", require: { all: [tee], evidence: { accept: [simulated] } } }
`);

export function withoutFact(name: string): NonNullable<Changes["facts"]> {
  return (facts) => facts.filter((fact) => fact.name !== name);
}

export function withFact(name: string, value: Fact["value"]): NonNullable<Changes["facts"]> {
  return (facts) => facts.map((fact) => (fact.name === name ? { ...fact, value } : fact));
}

/** Changes a fact of the chosen backend, or drops it where `value` is null. */
export function backendFact(name: string, value: Fact["value"] | null): NonNullable<Changes["candidates"]> {
  return (candidates) =>
    candidates.map((candidate) => ({
      ...candidate,
      facts: candidate.facts.flatMap((fact) => {
        if (fact.name !== `backend.${name}`) return [fact];
        return value === null ? [] : [{ ...fact, value }];
      }),
    }));
}

export function withoutBlob(match: (text: string) => boolean): NonNullable<Changes["parts"]> {
  return (parts) => ({ ...parts, blobs: parts.blobs.filter((blob) => !match(new TextDecoder().decode(blob))) });
}

export function withoutLog(which: (parts: BundleParts) => string): NonNullable<Changes["parts"]> {
  return (parts) => ({ ...parts, log: new Map([...parts.log].filter(([name]) => name !== which(parts))) });
}

export function sessionDigest(parts: BundleParts): string {
  return `sha256:${[...parts.sessions.keys()][0] ?? ""}`;
}

export function eventMember(parts: BundleParts, type: string, member: string): string {
  const events = parts.receipt["event_log"] as readonly JsonObject[];
  const value = events.find((event) => event["type"] === type)?.[member];
  return typeof value === "string" ? value : "";
}

/** The proof of the receipt, with its salt or its text changed. */
export function editReceiptProof(
  edit: (proof: { salt: string; proof: string }) => { salt: string; proof: string },
): NonNullable<Changes["parts"]> {
  return (parts) => {
    const shared = new Set([sessionDigest(parts), eventMember(parts, "policy.decided", "statement_digest")]);
    return { ...parts, log: new Map([...parts.log].map(([name, proof]) => [name, shared.has(name) ? proof : edit(proof)])) };
  };
}

export function onEvents(name: string, events: NonNullable<Changes["events"]>, more: Partial<Attack> = {}): Attack {
  return { name, check: "receipt.events", code: "RECEIPT_EVENTS_INVALID", changes: { events }, ...more };
}
