/** An honest receipt of a run of an integer model, by a verifier who has the model and by one who has not. */
import { beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { claimOfBundle } from "../../src/paths/fhe/evidence/receipted-claim.ts";
import { parseBundle } from "../../src/receipt/bundle.ts";
import { buildBundle } from "../fixtures/bundle.ts";
import { CIRCUIT, compiledModel, MODEL, trustModel, withModelRun } from "../fixtures/fhe-model-leg.ts";
import { failedChecks, judge } from "../fixtures/verdict.ts";
import { createWorld, trustOf, type World } from "../fixtures/world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

async function verdictWith(options: Parameters<typeof judge>[2]) {
  const { bundle } = await buildBundle(world, withModelRun());
  const verdict = await judge(bundle, trustOf(world, trustModel), options);
  expect(failedChecks(verdict)).toEqual([]);
  expect(verdict).toMatchObject({ outcome: "accepted", code: null });
  const recompiled = verdict.checks.find(({ id }) => id === "fhe.circuit-recompiled")?.status;
  return { recompiled, text: JSON.stringify(verdict.claims) };
}

describe("a receipt of a run of a model", () => {
  it("is accepted without the model, and says that nobody compiled it", async () => {
    const { recompiled, text } = await verdictWith({});
    expect(recompiled).toBe("skipped");
    expect(text).toContain("nobody compiled the model here");
  });

  it("is accepted with the model and what its circuit gave when it was executed again", async () => {
    const { bundle } = await buildBundle(world, withModelRun());
    const { claim } = claimOfBundle(parseBundle(bundle)) ?? { claim: null };
    if (claim === null) throw new Error("the bundle has no claim");
    const { seed, circuitDigest, inputs, outputs } = claim;
    const made = {
      seed,
      circuitDigest,
      inputs: inputs.flatMap((input) => ("clear" in input ? [] : [input.digest])),
      outputs: outputs.map(({ digest }) => digest),
    };
    const judged = (replayed: JsonObject) => judge(bundle, trustOf(world, trustModel), compiledModel({ replayed }));
    const verdict = await judged(made);
    expect([verdict.outcome, verdict.checks.find(({ id }) => id === "fhe.re-executed")?.status]).toEqual(["accepted", "pass"]);
    expect(JSON.stringify(verdict.claims)).toContain("executed again here, gave this ciphertext");
    for (const change of [{ outputs: [CIRCUIT] }, { outputs: [] }, { inputs: [CIRCUIT] }, { circuitDigest: MODEL }])
      expect((await judged({ ...made, ...change })).code).toBe("FHE_REPLAY_MISMATCH");
  });

  it("is accepted with the model that compiles to its circuit, and says so", async () => {
    const { recompiled, text } = await verdictWith(compiledModel());
    expect(recompiled).toBe("pass");
    expect(text).toContain("the circuit is the one that the model compiles to here");
  });
});
