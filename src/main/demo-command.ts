/** `triseal demo`: the main job on real records, end to end, with everything running on this machine. */
import { copyFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { TrisealClient } from "../client/index.ts";
import { TrisealError } from "../core/errors.ts";
import { parseTrust, type Trust } from "../verify/index.ts";
import { type DemoService, startDemoService } from "./demo/demo-service.ts";
import { type EncryptedAnswer, runEncrypted } from "./demo/encrypted-demo.ts";
import { RECORD_CASES, type RecordAnswer, runRecords } from "./demo/record-demo.ts";
import { isSwtpmInstalled } from "./demo/software-tpm.ts";
import { isNativeBuilt } from "./fhe/native-program.ts";
import { systemClock } from "./system-clock.ts";

interface DemoFlags {
  readonly out: string;
  readonly path?: string;
  readonly json?: true;
}

/** Paths that the demo can show. */
const PATHS: readonly string[] = ["tee", "zk", "fhe"];

const QUOTED =
  "evidence: quotes of a TPM in software (swtpm), in the wire format of a real one, appraised as such; simulated: no hardware is shown here";
const UNQUOTED =
  "evidence: signed by a key that was made here, because swtpm is not installed (its quotes would be shown); simulated: no hardware is shown here";

/** Bundles of an earlier demo: all that a demo removes from its folder, besides its trust file. */
const BUNDLE_NAME = /^\d\d-[a-z0-9-]+\.triseal\.json$/;

/** The demo's client, with an empty folder for bundles and the service's trust file in it. */
async function openOut(
  service: DemoService,
  flags: DemoFlags,
): Promise<{ readonly client: TrisealClient; readonly trust: Trust }> {
  const out = resolve(flags.out);
  await mkdir(out, { recursive: true });
  for (const name of await readdir(out)) if (BUNDLE_NAME.test(name)) await rm(join(out, name));
  await rm(join(out, "trust.yaml"), { force: true });
  await copyFile(service.trustFile, join(out, "trust.yaml"));
  const trust = parseTrust(new Uint8Array(await readFile(join(out, "trust.yaml"))));
  return { client: new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust, clock: systemClock }), trust };
}

/** The encrypted part, where its engine is built; a line says so where it is not. */
async function encrypted(
  { apiKey }: DemoService,
  { client, trust }: { readonly client: TrisealClient; readonly trust: Trust },
  first: number,
  flags: DemoFlags,
): Promise<readonly EncryptedAnswer[]> {
  if (flags.path !== undefined && flags.path !== "fhe") return [];
  if (isNativeBuilt()) return runEncrypted(client, apiKey, first, { out: flags.out, trust }, flags);
  const missing = "the fhe path is left out: its engine is not built (`npm run build:engine`, with cargo 1.91 or newer)";
  if (flags.path === "fhe") throw new TrisealError("PATH_UNAVAILABLE", missing);
  if (!flags.json) console.log(`${missing}\n`);
  return [];
}

/** What is said of all answers together; sets the exit code where one is not as it should be. */
function conclude(records: readonly RecordAnswer[], sealed: readonly EncryptedAnswer[], flags: DemoFlags): void {
  const answers = [...records, ...sealed];
  const verified = answers.filter((answer) => answer.verified).length;
  const refused = records.filter(({ answer }) => answer === "refused").length;
  const expected = records.filter((answer) => answer.expected === "refused").length;
  const isRight = sealed.every(({ answer, expected: wanted }) => answer === wanted);
  if (!flags.json) {
    const refusal = `; the request that policy forbids was ${refused === expected ? "refused" : "NOT refused as expected"}`;
    console.log(
      `${verified} of ${answers.length} bundles verify offline with the trust file and are refused without it${expected === 0 ? "" : refusal}`,
    );
    console.log(`check them yourself:\n  npx triseal verify ${flags.out} --trust ${join(flags.out, "trust.yaml")}`);
  }
  if (verified !== answers.length || refused !== expected || !isRight) process.exitCode = 1;
}

async function demo(flags: DemoFlags): Promise<void> {
  if (flags.path !== undefined && !PATHS.includes(flags.path))
    throw new TrisealError("PATH_UNAVAILABLE", `there is no path \`${flags.path}\`; the demo shows ${PATHS.join(", ")}`);
  const cases = RECORD_CASES.filter(({ path }) => flags.path === undefined || path === flags.path);
  const quotes = isSwtpmInstalled();
  if (!flags.json) console.log(`starting a test witness, a development gateway and its worker\n${quotes ? QUOTED : UNQUOTED}\n`);
  const proves = cases.some(({ path }) => path === "zk");
  if (proves && !flags.json)
    console.log("development keys for the proofs are made first, in seconds: whoever makes one can forge\n");
  const service = await startDemoService(systemClock(), { proves, quotes });
  try {
    const opened = await openOut(service, flags);
    const records = await runRecords(opened.client, cases, { out: flags.out, trust: opened.trust }, flags);
    conclude(records, await encrypted(service, opened, cases.length + 1, flags), flags);
  } finally {
    await service.stop();
  }
}

/** Adds `demo` to the command line. */
export function addDemoCommand(program: Command): void {
  program
    .command("demo")
    .description("classify real held-back records through the whole system, on this machine")
    .option("--out <dir>", "folder for bundles and trust file; those of an earlier demo are replaced", "demo-out")
    .option("--path <path>", "keep to one path: tee, zk or fhe")
    .option("--json", "one JSON object per answer and line")
    .action(demo);
}
