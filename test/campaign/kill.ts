/**
 * `npm run kill -- [fhe] [--seconds N] [--seed S] [--kills N] [--points A,B] [--engine real|clear] [--out FILE]`: the kill campaign, with
 * its counts printed and written as JSON. With `fhe` it is moves between accounts that go on meanwhile, under the real engine or that of
 * clear values, and other points are killed at. Exits with 1 where a receipt or a transfer was lost or doubled, or a point was killed
 * less often than asked.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runKillCampaign } from "./kill-campaign.ts";
import { FHE_KILL_POINTS, runFheKillCampaign } from "./kill-fhe.ts";
import { KILL_POINTS } from "./killing-files.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    points: { type: "string" },
    engine: { type: "string", default: "real" },
    kills: { type: "string", default: "30" },
    out: { type: "string" },
  },
});
const killsPerPoint = Number(values.kills);
const seed = Number(values.seed);
const isNamed = (point: string) => values.points?.split(",").includes(point) ?? true;
const points = KILL_POINTS.filter(isNamed);
const fhePoints = FHE_KILL_POINTS.filter(isNamed);
console.log(`seed ${seed}`);
const began = performance.now();
const seconds = Number(values.seconds);
const isFhe = positionals[0] === "fhe";
const result = isFhe
  ? await runFheKillCampaign({
      engine: values.engine === "clear" ? "clear" : "real",
      seed,
      points: fhePoints,
      killsPerPoint,
      seconds,
      say: console.log,
    })
  : await runKillCampaign({ seed, points, killsPerPoint, seconds, callers: 4, say: console.log });
const text = `${JSON.stringify({ ...result, seconds: Math.round((performance.now() - began) / 1000) }, null, 2)}\n`;
console.log(text);
if (values.out !== undefined) await writeFile(values.out, text);
const wanted: readonly string[] = isFhe ? fhePoints : points;
const kills: Readonly<Record<string, number>> = result.kills;
const isShort = wanted.some((point) => (kills[point] ?? 0) < killsPerPoint);
process.exitCode = result.problems.length > 0 || isShort ? 1 : 0;
