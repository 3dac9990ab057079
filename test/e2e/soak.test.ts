/** A minute of everything at once. `npm run soak` runs it for longer. */
import { expect, it } from "vitest";
import { runSoak } from "../campaign/soak/campaign.ts";

it("a service under mixed traffic and kills loses, doubles and falsifies nothing, and codes every refusal", async () => {
  const { problems, kills, acknowledged, calls } = await runSoak({
    seed: 20_261_128,
    seconds: 60,
    rate: 8,
    say: () => undefined,
  });
  expect(problems).toEqual([]);
  expect(acknowledged).toBeGreaterThan(60);
  expect(calls["bad"]).toBeGreaterThan(40);
  expect(kills.gateway + kills.worker + kills.witness).toBeGreaterThanOrEqual(3);
}, 600_000);
