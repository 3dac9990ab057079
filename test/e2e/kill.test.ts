import { expect, it } from "vitest";
import { runKillCampaign } from "../campaign/kill-campaign.ts";
import { KILL_POINTS } from "../campaign/killing-files.ts";

/** Once at each point; `npm run kill` does the same thirty times, and its result stands in test/campaign/results. */
it("a gateway that is killed before the append, in it, before its sync, before the response and in it loses and doubles nothing", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const points = KILL_POINTS;
  const result = await runKillCampaign({ seed, points, killsPerPoint: 1, seconds: 90, callers: 3, say: () => undefined });
  expect({ seed, problems: result.problems }).toEqual({ seed, problems: [] });
  expect(result.kills).toEqual(Object.fromEntries(KILL_POINTS.map((point) => [point, 1])));
  expect(result.tornTails).toBeGreaterThan(0);
  expect(result.acknowledged.sealed).toBeGreaterThan(0);
  expect(result.acknowledged.clear).toBeGreaterThan(0);
  expect(result.answered).toBe(result.acknowledged.sealed + result.acknowledged.clear);
  expect(result.bundlesVerified).toBe(result.answered);
}, 180_000);
