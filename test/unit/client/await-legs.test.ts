/** The wait for legs that follow an answer: how long, how often, and what ends it. */
import { describe, expect, it } from "vitest";
import { awaitLegs } from "../../../src/client/await-legs.ts";
import { TrisealError } from "../../../src/core/errors.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { buildBundle } from "../../fixtures/bundle.ts";
import { PROOF_DEADLINE, type ProofTime, provenRun } from "../../fixtures/proven-run.ts";
import { createWorld } from "../../fixtures/world.ts";

const world = await createWorld();
const bundleOf = async (when: ProofTime) => (await buildBundle(world, provenRun({ when }))).bundle;
const [pending, complete] = [await bundleOf("to come"), await bundleOf("in a supplement")];
const code = (name: string) => expect.objectContaining({ name: "TrisealError", code: name });
const unreached = new TrisealError("SERVICE_UNREACHABLE", "gone", { details: { retryable: true } });

/** A service that shows what is said, one after the other, and the last of it from then on. Each wait takes a hundred seconds. */
function setUp(said: readonly (Uint8Array | Error)[], more: { coming?: Error; signal?: AbortSignal } = {}) {
  const left = [...said];
  const slept: number[] = [];
  let looks = 0;
  let now = PROOF_DEADLINE - 250;
  const done = awaitLegs({
    pending: [{ path: "zk", deadline: PROOF_DEADLINE }],
    look: async () => {
      looks++;
      const next = left.length > 1 ? left.shift() : left[0];
      if (next instanceof Error) throw next;
      return next ?? new Uint8Array();
    },
    assertComing: async () => {
      if (more.coming !== undefined) throw more.coming;
    },
    clock: () => unixSeconds(now),
    retry: {
      baseDelayMs: 100,
      maxDelayMs: 400,
      random: () => 1,
      sleep: async (ms) => {
        slept.push(ms);
        now += 100;
      },
    },
    signal: more.signal,
  });
  return { done, slept, looks: () => looks };
}

describe("the wait for a leg", () => {
  it("ends with the bundle that has it, after waits that grow", async () => {
    const { done, slept } = setUp([pending, pending, complete]);
    expect(await done).toBe(complete);
    expect(slept).toEqual([100, 200]);
  });

  it("goes on where the service cannot be reached for a while", async () => {
    expect(await setUp([unreached, pending, complete]).done).toBe(complete);
  });

  it("ends at the deadline, after one more look, whether the service answers or not", async () => {
    for (const last of [pending, unreached]) {
      const { done, looks } = setUp([last]);
      await expect(done).rejects.toEqual(code("DEADLINE_EXCEEDED"));
      await expect(done).rejects.toThrow(/the zk leg did not come by its deadline: its receipt is LEG_OVERDUE/);
      expect(looks()).toBe(4);
    }
  });

  it("ends at once with what no retry can change, and with what the service says of the job", async () => {
    const refused = new TrisealError("RECEIPT_UNKNOWN", "gone");
    const { done, slept } = setUp([refused]);
    await expect(done).rejects.toBe(refused);
    expect(slept).toEqual([]);
    const coming = new TrisealError("LEG_OUTPUT_MISMATCH", "no");
    await expect(setUp([pending], { coming }).done).rejects.toBe(coming);
    // A leg that is there is taken, whatever a job says.
    expect(await setUp([complete], { coming }).done).toBe(complete);
  });

  it("ends with what is no bundle, and with the caller's reason", async () => {
    await expect(setUp([new Uint8Array(3)]).done).rejects.toEqual(code("FORMAT_INVALID"));
    const reason = new Error("enough");
    await expect(setUp([pending], { signal: AbortSignal.abort(reason) }).done).rejects.toBe(reason);
  });
});
