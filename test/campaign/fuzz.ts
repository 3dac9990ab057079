/**
 * `npm run fuzz -- TARGET --seconds N [--cases N] [--seed S] [--subjects NAME,...] [--result FILE] [--out DIR]` runs a campaign, until
 * both are reached or it is interrupted, on some subjects of the target only where they are named; with `--cases-per-subject N` instead
 * of seconds, each subject gets so many cases. `npm run fuzz -- replay FILE` judges one kept case again. Exit code 0 where nothing failed.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import buildPrograms from "../global-setup.ts";
import type { FuzzTarget, OpenTarget } from "./fuzz-target.ts";
import { type CampaignOptions, type CampaignResult, type Failure, judgeCase, runCampaign } from "./run-campaign.ts";
import { fuzzTargets } from "./targets.ts";

const MAX_FAILURES = 10;

/** A failing case as it is kept. */
interface KeptCase {
  readonly target: string;
  readonly subject: string;
  readonly seed: number;
  readonly index: number;
  readonly fault: string;
  /** Base64. */
  readonly bytes: string;
}

function targetOf(name: string | undefined): FuzzTarget {
  const target = fuzzTargets.find((candidate) => candidate.name === name);
  if (target?.startsPrograms) buildPrograms();
  if (target !== undefined) return target;
  throw new Error(`name a target: ${fuzzTargets.map((known) => known.name).join(" or ")}, or \`replay FILE\``);
}

async function keep(folder: string, target: string, seed: number, { bytes, ...failure }: Failure): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${target}-${failure.subject.replaceAll(" ", "-")}-${seed}-${failure.index}.json`);
  const kept: KeptCase = { target, seed, ...failure, bytes: Buffer.from(bytes).toString("base64") };
  await writeFile(file, `${JSON.stringify(kept, null, 2)}\n`);
  return file;
}

function summary(
  target: string,
  seed: number,
  { seconds, casesPerSubject }: { readonly seconds: number; readonly casesPerSubject: number | null },
  result: CampaignResult,
  numbers: object,
): object {
  const { failures, ...rest } = result;
  const kept = failures.map(({ subject, index, fault }) => ({ subject, index, fault }));
  const sorted = Object.entries(rest.outcomes).sort(([left], [right]) => (left < right ? -1 : 1));
  const outcomes = Object.fromEntries(
    sorted.map(([name, tally]) => [name, Object.fromEntries(Object.entries(tally).sort(([, left], [, right]) => right - left))]),
  );
  const asked = casesPerSubject === null ? { seconds: Math.round(seconds) } : { casesPerSubject };
  return { target, seed, ...asked, node: process.version, ...rest, outcomes, failures: kept, numbers };
}

/** The target with the named subjects alone. */
function narrowed(open: OpenTarget, names: string | undefined): OpenTarget {
  if (names === undefined) return open;
  const wanted = names.split(",");
  const missing = wanted.filter((name) => !open.subjects.some((subject) => subject.name === name));
  if (missing.length > 0) throw new Error(`no subject ${missing.join(", ")} in this target`);
  return { ...open, subjects: open.subjects.filter(({ name }) => wanted.includes(name)) };
}

/** How long a campaign is: one of the two. */
type Length = Pick<CampaignOptions, "seconds" | "casesPerSubject">;

function lengthOf(flags: Record<string, string | undefined>): Length {
  const [seconds, each] = [flags["seconds"], flags["cases-per-subject"]].map((flag) =>
    flag === undefined ? null : Number(flag),
  );
  const length = { seconds: seconds ?? (each == null ? 20 : null), casesPerSubject: each ?? null };
  if (length.seconds !== null && !(length.seconds > 0)) throw new Error("--seconds wants a positive number");
  if (each != null && !(Number.isSafeInteger(each) && each > 0)) throw new Error("--cases-per-subject wants a whole number");
  if (length.seconds !== null && length.casesPerSubject !== null) throw new Error("--seconds or --cases-per-subject, not both");
  return length;
}

async function campaign(name: string | undefined, flags: Record<string, string | undefined>): Promise<number> {
  const target = targetOf(name);
  const seed = Number(flags["seed"] ?? Date.now() % 2 ** 32);
  const minCases = Number(flags["cases"] ?? 1);
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(minCases)) throw new Error("--seed and --cases want whole numbers");
  const length = lengthOf(flags);
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  console.log(
    `fuzz ${target.name}: seed ${seed}, ${length.seconds ?? "no"} s, ${length.casesPerSubject ?? "any"} cases a subject`,
  );
  const open = narrowed(await target.open(), flags["subjects"]);
  const began = performance.now();
  try {
    const options = { seed, ...length, minCases, maxFailures: MAX_FAILURES, signal: interrupted.signal };
    const result = await runCampaign(open, options);
    const lasted = { seconds: (performance.now() - began) / 1000, casesPerSubject: length.casesPerSubject };
    const text = JSON.stringify(summary(target.name, seed, lasted, result, open.numbers()), null, 2);
    console.log(text);
    if (flags["result"] !== undefined) await writeFile(flags["result"], `${text}\n`);
    for (const failure of result.failures) {
      const file = await keep(flags["out"] ?? "fuzz-out", target.name, seed, failure);
      console.log(`${failure.subject}: ${failure.fault}\n  again: npm run fuzz -- replay ${file}`);
    }
    for (const { afterCase, fault } of result.inspections) console.log(`after case ${afterCase}: ${fault}`);
    return result.failures.length + result.inspections.length === 0 ? 0 : 1;
  } finally {
    await open.close();
  }
}

async function replay(file: string | undefined): Promise<number> {
  if (file === undefined) throw new Error("name the file of a kept case");
  const kept = JSON.parse(await readFile(file, "utf8")) as KeptCase;
  const open = await targetOf(kept.target).open();
  try {
    const subject = open.subjects.find((candidate) => candidate.name === kept.subject);
    if (subject === undefined) throw new Error(`no subject ${kept.subject}`);
    const bytes = Uint8Array.from(Buffer.from(kept.bytes, "base64"));
    const { outcome, fault } = await judgeCase(subject, bytes, open.caseTimeoutMs);
    console.log(JSON.stringify({ outcome, fault, inspection: await open.inspect() }));
    return fault === null ? 0 : 1;
  } finally {
    await open.close();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string" },
    cases: { type: "string" },
    seed: { type: "string" },
    "cases-per-subject": { type: "string" },
    subjects: { type: "string" },
    result: { type: "string" },
    out: { type: "string" },
  },
});
const [command, file] = positionals;
process.exitCode = command === "replay" ? await replay(file) : await campaign(command, values);
