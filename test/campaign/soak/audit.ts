/** What is left after a soak: the log against everything that callers were told, bundles, memory, and planted secrets. */
import { digestHex, digestOf } from "../../../src/core/digest.ts";
import { verifyLog } from "../../../src/main/verify-log.ts";
import { verifyBundle } from "../../../src/verify/index.ts";
import { clock } from "../../e2e/gateway-harness.ts";
import { loggedReceipts } from "../../e2e/logged-receipt.ts";
import type { Acknowledged } from "./calls.ts";
import type { Killable, SoakService } from "./service.ts";

/** SHA-256 of tenant, a zero byte and key, as records have it. */
const keyHashOf = (key: string): string => digestHex(digestOf(new TextEncoder().encode(`dev\0${key}`)));

/** Bundles that are fetched again at most: each takes the verifier some ten milliseconds. */
const MAX_BUNDLES = 600;

/** Receipts that were lost or doubled, in words. */
export function findLosses(dataDir: string, acknowledged: readonly Acknowledged[]): readonly string[] {
  const byKey = new Map<string | null, string[]>();
  for (const { id, keyHash, answered } of loggedReceipts(dataDir)) {
    if (answered && keyHash !== null) byKey.set(keyHash, [...(byKey.get(keyHash) ?? []), id]);
  }
  const doubled = [...byKey.values()].filter((ids) => ids.length > 1).map((ids) => `doubled: ${ids.join(" and ")}`);
  const lost = acknowledged.flatMap(({ key, receiptId }) => {
    const ids = byKey.get(keyHashOf(key)) ?? [];
    return ids.length === 1 && ids[0] === receiptId ? [] : [`${key}: told ${receiptId}, logged ${ids.join(" ") || "nothing"}`];
  });
  return [...doubled, ...lost];
}

/** The log of a folder, verified from its first leaf. @throws where it does not verify. */
export async function auditLog({
  dataDir,
  trust,
}: SoakService): Promise<{ readonly leaves: number; readonly problems: readonly string[] }> {
  const logs = trust.services.flatMap((service) => service.logs);
  const { leaves, forgotten, unfinishedBytes } = await verifyLog({ dataDir, logs, from: null });
  const problems = [
    ...(forgotten > 0 ? [`${forgotten} leaves without a record`] : []),
    ...(unfinishedBytes > 0 ? [`${unfinishedBytes} bytes of an unfinished batch`] : []),
  ];
  return { leaves, problems };
}

/** Fetches bundles of answers again, evenly over the run, and verifies each. */
export async function auditBundles(
  { url, apiKey, trust }: SoakService,
  acknowledged: readonly Acknowledged[],
): Promise<{ readonly verified: number; readonly problems: readonly string[] }> {
  const step = Math.max(1, acknowledged.length / MAX_BUNDLES);
  const problems: string[] = [];
  let verified = 0;
  for (let at = 0; at < acknowledged.length; at += step) {
    const call = acknowledged[Math.floor(at)];
    const address = `${url}/v1/receipts/${call?.receiptId}/bundle`;
    const response = await fetch(address, { headers: { authorization: `Bearer ${apiKey}` } });
    const options = { now: clock(), at: null, request: null, response: null, opening: null, allowPending: false };
    const verdict = await verifyBundle(new Uint8Array(await response.arrayBuffer()), trust, options);
    if (verdict.outcome === "accepted") verified++;
    else problems.push(`bundle ${call?.receiptId}: ${response.status} ${verdict.code}`);
  }
  return { verified, problems };
}

/** One look at the memory of all processes. */
export interface MemorySample {
  readonly seconds: number;
  readonly miB: Readonly<Partial<Record<Killable, number>>>;
}

const median = (values: readonly number[]): number => values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;

/** Growth that a process may have between the two halves of the time in which its gateway lived on. */
const MAX_GROWTH = { factor: 1.25, miB: 96 };

/** Medians of the two halves by kind, and what grew. */
export function auditMemory(samples: readonly MemorySample[]): {
  readonly miB: Readonly<Record<string, { readonly first: number; readonly second: number; readonly most: number }>>;
  readonly problems: readonly string[];
} {
  const half = samples.length >> 1;
  const kinds = [...new Set(samples.flatMap(({ miB }) => Object.keys(miB)))] as Killable[];
  const of = (part: readonly MemorySample[], kind: Killable) => part.flatMap(({ miB }) => miB[kind] ?? []);
  const miB = Object.fromEntries(
    kinds.map((kind) => {
      const [first, second] = [median(of(samples.slice(0, half), kind)), median(of(samples.slice(half), kind))];
      return [kind, { first, second, most: Math.max(0, ...of(samples, kind)) }];
    }),
  );
  const grown = Object.entries(miB).filter(
    ([, { first, second }]) => first > 0 && second > first * MAX_GROWTH.factor + MAX_GROWTH.miB,
  );
  return { miB, problems: grown.map(([kind, { first, second }]) => `the ${kind} grew from ${first} to ${second} MiB`) };
}
