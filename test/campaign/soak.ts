/**
 * `npm run soak -- [--seconds N] [--seed S] [--rate R] [--out FILE]`: mixed traffic while processes are killed, with its result
 * printed and written as JSON. Exits with 1 where anything was lost, doubled, wrong, uncoded or hung.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { useNodePrimitives } from "../../src/signing/node-primitives.ts";
import { runSoak } from "./soak/campaign.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    rate: { type: "string", default: "12" },
    out: { type: "string" },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
useNodePrimitives();
const result = await runSoak({ seed, seconds: Number(values.seconds), rate: Number(values.rate), say: console.log });
const text = `${JSON.stringify(result, null, 2)}\n`;
console.log(text);
if (values.out !== undefined) await writeFile(values.out, text);
process.exit(result.problems.length > 0 ? 1 : 0);
