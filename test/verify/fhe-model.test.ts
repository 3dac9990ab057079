/** An honest receipt of a run of an integer model, by a verifier who has the model and by one who has not. */
import { beforeAll, describe, expect, it } from "vitest";
import { buildBundle } from "../fixtures/bundle.ts";
import { compiledModel, trustModel, withModelRun } from "../fixtures/fhe-model-leg.ts";
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

  it("is accepted with the model that compiles to its circuit, and says so", async () => {
    const { recompiled, text } = await verdictWith(compiledModel());
    expect(recompiled).toBe("pass");
    expect(text).toContain("the circuit is the one that the model compiles to here");
  });
});
