import { expect, it } from "vitest";
import { FHE_KILL_POINTS, runFheKillCampaign } from "../campaign/kill-fhe.ts";

it("a gateway that is killed at any point of a transfer loses none, doubles none, and keeps the sum", async () => {
  const { kills, problems, transfers } = await runFheKillCampaign({
    engine: "clear",
    seed: 1,
    points: FHE_KILL_POINTS,
    killsPerPoint: 1,
    seconds: 280,
    say: () => undefined,
  });
  expect(problems).toEqual([]);
  expect(kills).toEqual(Object.fromEntries(FHE_KILL_POINTS.map((point) => [point, 1])));
  // What was durable when its gateway died is there: that between log and database, and that whose answer was cut.
  expect(transfers).toBeGreaterThanOrEqual(2);
}, 300_000);
