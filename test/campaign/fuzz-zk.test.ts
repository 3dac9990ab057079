import { expect, it } from "vitest";
import { runCampaign } from "./run-campaign.ts";
import { zkTarget } from "./zk-target.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);

it("readers of circuits, witnesses, proofs, keys and models answer every changed input with a code, and no changed proof verifies", async () => {
  console.log(`fuzz zk: FUZZ_SEED=${seed}`);
  const target = await zkTarget.open();
  const { failures, inspections, cases, outcomes } = await runCampaign(target, {
    seed,
    seconds: 4,
    casesPerSubject: null,
    minCases: 600,
    maxFailures: 3,
  });
  const named = failures.map(({ bytes, ...failure }) => ({ ...failure, bytes: Buffer.from(bytes).toString("base64") }));
  expect({ named, inspections }).toEqual({ named: [], inspections: [] });
  expect(cases).toBeGreaterThanOrEqual(600);
  expect(Object.keys(outcomes).sort()).toEqual(target.subjects.map(({ name }) => name).sort());
  expect(outcomes["proof"]?.["accepted"]).toBeGreaterThan(0);
}, 240_000);
