/** A worker's answer that a proof confirms: at once, later, and while the proof is to come. */
import { beforeAll, describe, expect, it } from "vitest";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { createBundleVerifier } from "../../src/verify/index.ts";
import { buildBundle } from "../fixtures/bundle.ts";
import { echo, withEcho } from "../fixtures/echo-path.ts";
import { PROOF_DEADLINE, type ProofTime, provenRun, trustProven } from "../fixtures/proven-run.ts";
import { failedChecks, judge, PLAIN } from "../fixtures/verdict.ts";
import { at, createWorld, trustOf, type World } from "../fixtures/world.ts";
import { opening } from "./integer-run.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

async function verdictOf(when: ProofTime, options: Parameters<typeof judge>[2] = {}, isShown = false) {
  const built = await buildBundle(world, provenRun({ when }));
  const shown = isShown ? { request: built.request.opened, response: built.response.opened, opening } : {};
  return judge(built.bundle, trustOf(world, trustProven), { ...shown, ...options });
}

describe("an answer with its proof", () => {
  it.each<ProofTime>(["at once", "in a supplement"])("is accepted with the proof %s, and opens to the exchange", async (when) => {
    const verdict = await verdictOf(when, {}, true);
    expect(failedChecks(verdict)).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
    const passed = verdict.checks.filter(({ status }) => status === "pass").map(({ id }) => id);
    // One opening of the input for both legs, one comparison of the outputs for each.
    expect(passed.filter((id) => id === "exchange.input-opens")).toHaveLength(1);
    expect(passed.filter((id) => id === "exchange.outputs-match")).toHaveLength(2);
    // What was forwarded is compared with the worker's wire alone.
    expect(passed.filter((id) => id === "binding.request-forwarded")).toHaveLength(1);
    expect(passed.filter((id) => id === "binding.request-received")).toHaveLength(2);
    expect(verdict.claims.filter(({ about }) => about === "answer").map(({ text }) => text.slice(0, 12))).toEqual([
      "the tee leg ",
      "the zk leg s",
    ]);
  });

  it("is pending before its deadline for whoever allows that, with a claim that says so, and overdue after it", async () => {
    const pending = await verdictOf("to come", { allowPending: true, now: at(500) }, true);
    expect(pending.outcome).toBe("accepted");
    expect(pending.claims.map(({ text }) => text).join("\n")).toMatch(/the zk leg is pending until .*: nothing supports/);
    expect(await verdictOf("to come", { now: at(500) })).toMatchObject({ outcome: "rejected", code: "LEG_PENDING" });
    const late = { allowPending: true, now: at(PROOF_DEADLINE - at(0) + 1) };
    expect(await verdictOf("to come", late)).toMatchObject({ outcome: "rejected", code: "LEG_OVERDUE", claims: [] });
  });
});

describe("a leg without a wire of its own", () => {
  const verify = createBundleVerifier([teeAppraiser, echo]);

  it("is accepted beside one that has one, with what that one opened as forwarded", async () => {
    const { bundle } = await buildBundle(world, withEcho({ wire: null }));
    const verdict = await verify(bundle, trustOf(world), PLAIN);
    expect(failedChecks(verdict)).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
  });
});
