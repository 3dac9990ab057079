/** Requests that follow each other without a pause, in the clear and sealed by the SDK, while something happens to the service. */
import { TrisealClient } from "../../src/client/index.ts";
import type { Trust } from "../../src/verify/index.ts";
import { bundleOf, clock, digitsBody, infer, type Service, verdictOn } from "./gateway-harness.ts";
import { until } from "./gateway-process.ts";

/** One answer to a clear request. */
export interface Seen {
  readonly status: number;
  readonly text: string;
  readonly receiptId: string | null;
  readonly keysetDigest: string | null;
}

/** Traffic that runs. */
export interface Traffic {
  /** Answers in the clear, in their order. */
  readonly clear: readonly Seen[];
  /** Bundles of the answers that the SDK accepted, each in its one attempt. */
  readonly sealed: readonly Uint8Array[];
  /** What was thrown: a refusal that the SDK saw, a broken connection. */
  readonly failures: readonly string[];
  /** Resolves once both kinds got `count` more answers than now. */
  more(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** A client that takes no second attempt: a refusal is seen. Only an envelope for a worker that is gone is sealed anew. */
export function clientOf(of: Service, trust: Trust): TrisealClient {
  return new TrisealClient({ baseUrl: of.url, apiKey: of.apiKey, trust, clock, retry: { maxAttempts: 1 } });
}

/** A call of the SDK. */
export const sealedCall = {
  model: "digits-mlp",
  inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: Array<number>(64).fill(1) }],
};

/** Starts traffic. `stop` it in the test. */
export function startTraffic(of: Service, client: TrisealClient): Traffic {
  const clear: Seen[] = [];
  const sealed: Uint8Array[] = [];
  const failures: string[] = [];
  const running = { yes: true };
  const loop = async (once: () => Promise<void>) => {
    while (running.yes) await once().catch((error: unknown) => failures.push(String(error)));
  };
  const ended = Promise.all([
    loop(async () => {
      const { status, text, receiptId, headers } = await infer(of, digitsBody());
      clear.push({ status, text, receiptId, keysetDigest: headers.get("x-aci-keyset-digest") });
    }),
    loop(async () => {
      sealed.push((await client.infer(sealedCall)).bundle);
    }),
  ]);
  return {
    clear,
    sealed,
    failures,
    more: async (count) => {
      const [first, second] = [clear.length + count, sealed.length + count];
      await until(() => clear.length >= first && sealed.length >= second, `${count} more answers (${failures.join("; ")})`);
    },
    stop: async () => {
      running.yes = false;
      await ended;
    },
  };
}

/** What became of all traffic: refusals and failures, and verdicts that are not `accepted`. Both are empty where nothing was lost. */
export async function losses(
  of: Service,
  traffic: Traffic,
): Promise<{ readonly refused: unknown[]; readonly unverified: unknown[] }> {
  const refused = [...traffic.failures, ...traffic.clear.filter(({ status }) => status !== 200)];
  const unverified: unknown[] = [];
  const answered = traffic.clear.filter(({ status }) => status === 200);
  for (const { receiptId } of answered) {
    const { outcome, code } = await verdictOn(of, await bundleOf(of, receiptId));
    if (outcome !== "accepted") unverified.push([receiptId, code]);
  }
  for (const bundle of traffic.sealed) {
    const { outcome, code } = await verdictOn(of, bundle);
    if (outcome !== "accepted") unverified.push(["sealed", code]);
  }
  return { refused, unverified };
}
