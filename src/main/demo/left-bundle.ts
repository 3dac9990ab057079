/** The bundles that a demo leaves, and what it finds in them. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDecision } from "../../policy/index.ts";
import { BUNDLE_SUFFIX, eventOf, eventsOf, parseBundle } from "../../receipt/index.ts";
import { EMPTY_TRUST, type Trust, verifyBundle } from "../../verify/index.ts";
import { systemClock } from "../system-clock.ts";

/** Where bundles are left, and what judges them. */
export interface DemoPlace {
  readonly out: string;
  readonly trust: Trust;
}

/** A bundle in its file. */
export interface LeftBundle {
  /** Paths of the receipt: the first answered, the others confirmed. None of a refusal. */
  readonly legs: readonly string[];
  readonly rule: string;
  readonly why: string;
  readonly receiptId: string;
  /** The file. */
  readonly bundle: string;
  /** Whether it verifies with the trust file, and is refused without it. */
  readonly verified: boolean;
}

/** Leaves the bundle of a demo's answer, and judges it as it stands there. @param number of the answer, from 1. */
export async function leaveBundle(bytes: Uint8Array, number: number, name: string, place: DemoPlace): Promise<LeftBundle> {
  const file = join(place.out, `${String(number).padStart(2, "0")}-${name}${BUNDLE_SUFFIX}`);
  await writeFile(file, bytes);
  // Read back: what is checked is the file that stays.
  const left = new Uint8Array(await readFile(file));
  return { ...decisionOf(left), bundle: file, verified: await verifies(left, place.trust) };
}

/** Rule and reason of a bundle's decision, and what came of it. */
function decisionOf(bundle: Uint8Array): Pick<LeftBundle, "legs" | "rule" | "why" | "receiptId"> {
  const { receipt, blobs } = parseBundle(bundle);
  const receiptId = receipt.receipt_id;
  const legs = eventsOf(receipt, "leg.sealed").map(({ path }) => path);
  const event = eventOf(receipt, "policy.decided");
  const bytes = event === null ? undefined : blobs.get(event.decision_digest);
  if (bytes === undefined) return { legs, receiptId, rule: "none", why: "refused before policy was asked" };
  const decision = parseDecision(bytes);
  return { legs, receiptId, rule: decision.ruleIds.join(", "), why: decision.reason };
}

async function verifies(bundle: Uint8Array, trust: Trust): Promise<boolean> {
  const options = { now: systemClock(), at: null, request: null, response: null, opening: null, allowPending: false };
  const trusted = await verifyBundle(bundle, trust, options);
  const untrusted = await verifyBundle(bundle, EMPTY_TRUST, options);
  return trusted.outcome === "accepted" && untrusted.outcome === "rejected";
}
