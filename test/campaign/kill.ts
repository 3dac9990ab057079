/**
 * `npm run kill -- [--seconds N] [--seed S] [--kills N] [--points A,B] [--out FILE]`: the kill campaign, with its counts printed and
 * written as JSON. Exits with 1 where a receipt was lost or doubled, or a point was killed less often than asked.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runKillCampaign } from "./kill-campaign.ts";
import { KILL_POINTS } from "./killing-files.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    points: { type: "string", default: KILL_POINTS.join() },
    kills: { type: "string", default: "30" },
    out: { type: "string" },
  },
});
const killsPerPoint = Number(values.kills);
const seed = Number(values.seed);
const points = KILL_POINTS.filter((point) => values.points.split(",").includes(point));
console.log(`seed ${seed}`);
const began = performance.now();
const result = await runKillCampaign({
  seed,
  points,
  killsPerPoint,
  seconds: Number(values.seconds),
  callers: 4,
  say: console.log,
});
const text = `${JSON.stringify({ ...result, seconds: Math.round((performance.now() - began) / 1000) }, null, 2)}\n`;
console.log(text);
if (values.out !== undefined) await writeFile(values.out, text);
const isShort = points.some((point) => result.kills[point] < killsPerPoint);
process.exitCode = result.problems.length > 0 || isShort ? 1 : 0;
