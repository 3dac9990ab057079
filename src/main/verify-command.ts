/** `triseal verify`: the auditor's command. Offline; reads files and nothing else. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { parseHex } from "../core/bytes.ts";
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { parseTime } from "../core/time.ts";
import type { CheckedModel } from "../model/integer/integer-model.ts";
import { compileThreshold } from "../paths/zk/compile/threshold.ts";
import { encodeR1cs } from "../paths/zk/wire/r1cs.ts";
import { THRESHOLD_STATEMENT } from "../paths/zk/wire/statement.ts";
import { BUNDLE_SUFFIX } from "../receipt/index.ts";
import {
  EMPTY_TRUST,
  findReusedLegs,
  type Opening,
  parseTrust,
  type Trust,
  type Verdict,
  type VerifyOptions,
  verifyBundle,
} from "../verify/index.ts";
import { OUTCOME_EXIT } from "./exit-code.ts";
import { encryptedCircuit, readIntegerModel } from "./fhe/own-model.ts";
import { verdictLines } from "./print-verdict.ts";
import { systemClock } from "./system-clock.ts";
import { recompute } from "./zk/recompute.ts";

interface VerifyFlags {
  readonly trust?: string;
  readonly request?: string;
  readonly response?: string;
  readonly salt?: string;
  readonly model?: string;
  readonly at?: string;
  readonly allowPending?: true;
  readonly report?: string;
  readonly json?: true;
  readonly verbose?: true;
}

async function bundleFiles(path: string): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => name.endsWith(BUNDLE_SUFFIX)).sort();
  if (names.length === 0) throw new TrisealError("NOT_FOUND", `no *${BUNDLE_SUFFIX} in ${path}`);
  return names.map((name) => join(path, name));
}

async function readBytes(path: string | undefined): Promise<Uint8Array | null> {
  return path === undefined ? null : new Uint8Array(await readFile(path));
}

/** A salt as the answer's parameters spell it. @throws TrisealError `FORMAT_INVALID`. The message quotes nothing of it. */
function parseSalt(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(bytes).trim();
  if (!/^(?:[0-9a-f]{2}){16,31}$/.test(text))
    throw new TrisealError("FORMAT_INVALID", "--salt: expected 16 to 31 bytes in lower-case hexadecimal");
  return parseHex(text);
}

/** What opens the commitments of an integer run, or null. Without the model only outputs can be compared. */
async function readOpening(salt: string | undefined, checked: CheckedModel | null): Promise<Opening | null> {
  if (salt === undefined) return null;
  return { salt: parseSalt(new Uint8Array(await readFile(salt))), model: async () => checked };
}

/** What the zk path runs for the shipped statement, and for a model, compiled here. */
async function compiledHere(
  folder: string | undefined,
  checked: CheckedModel | null,
): Promise<NonNullable<VerifyOptions["programs"]>> {
  const statement = { circuitDigest: digestOf(encodeR1cs(compileThreshold().system)), committed: null };
  const programs = new Map<Sha256Digest, JsonObject>([[THRESHOLD_STATEMENT.digest, statement]]);
  if (folder !== undefined && checked !== null) programs.set(checked.digest, await recompute(checked, resolve(folder)));
  return new Map([
    ["zk", programs],
    ["fhe", encryptedForm(checked)],
  ]);
}

/** The circuit that the fhe path runs for a model; nothing of one that it does not carry. */
function encryptedForm(checked: CheckedModel | null): ReadonlyMap<Sha256Digest, JsonObject> {
  if (checked === null) return new Map();
  try {
    const { circuitDigest, pbs } = encryptedCircuit(checked);
    return new Map([[checked.digest, { circuitDigest, pbs }]]);
  } catch (error) {
    if (isTrisealError(error, "FHE_MODEL_UNSUPPORTED")) return new Map();
    throw error;
  }
}

async function readTrust(path: string | undefined): Promise<Trust> {
  return path === undefined ? EMPTY_TRUST : parseTrust(new Uint8Array(await readFile(path)));
}

/** Worst exit code of several verdicts: malformed, unsupported and rejected come before accepted. */
function worstExit(verdicts: readonly Verdict[]): number {
  return Math.max(...verdicts.map(({ outcome }) => OUTCOME_EXIT[outcome]));
}

/** Exit code of the comparison across bundles. */
function reportReusedLegs(accepted: readonly Uint8Array[], json: boolean): number {
  const reused = findReusedLegs(accepted);
  for (const leg of reused) {
    console.log(
      json
        ? JSON.stringify({ code: "LEG_REUSED", ...leg })
        : `LEG_REUSED: receipts ${leg.receiptIds.join(" and ")} have one leg, or one decision: ${leg.legDigest}`,
    );
  }
  return reused.length === 0 ? OUTCOME_EXIT.accepted : OUTCOME_EXIT.rejected;
}

function printVerdict(file: string, verdict: Verdict, several: boolean, flags: VerifyFlags): void {
  if (flags.json) console.log(JSON.stringify({ bundle: file, ...verdict }));
  else console.log([...(several ? [`== ${file}`] : []), ...verdictLines(verdict, flags.verbose === true), ""].join("\n"));
}

/** Verifies the files one by one; returns the worst exit code, that of the comparison across them included. */
async function verifyFiles(files: readonly string[], trust: Trust, options: VerifyOptions, flags: VerifyFlags): Promise<number> {
  const verdicts: Verdict[] = [];
  const accepted: Uint8Array[] = [];
  for (const file of files) {
    const bytes = new Uint8Array(await readFile(file));
    const verdict = await verifyBundle(bytes, trust, options);
    verdicts.push(verdict);
    if (verdict.outcome === "accepted") accepted.push(bytes);
    printVerdict(file, verdict, files.length > 1, flags);
  }
  if (flags.report !== undefined) await writeFile(flags.report, `${JSON.stringify(verdicts, null, 2)}\n`);
  return Math.max(worstExit(verdicts), reportReusedLegs(accepted, flags.json === true));
}

async function verify(path: string, flags: VerifyFlags): Promise<void> {
  const trust = await readTrust(flags.trust);
  const checked = flags.model === undefined ? null : await readIntegerModel(flags.model);
  const options = {
    now: systemClock(),
    at: flags.at === undefined ? null : parseTime(flags.at),
    request: await readBytes(flags.request),
    response: await readBytes(flags.response),
    opening: await readOpening(flags.salt, checked),
    programs: await compiledHere(flags.model, checked),
    allowPending: flags.allowPending === true,
  };
  const files = await bundleFiles(path);
  if (files.length > 1 && [options.request, options.response, options.opening].some((shown) => shown !== null)) {
    throw new TrisealError("FORMAT_INVALID", "--request, --response and --salt belong to one bundle, not to a folder");
  }
  process.exitCode = await verifyFiles(files, trust, options, flags);
  if (flags.trust === undefined && !flags.json) {
    console.log("no --trust file was given, so nothing is trusted: name the file that says whom you rely on");
  }
}

/** Adds `verify` to the command line. */
export function addVerifyCommand(program: Command): void {
  program
    .command("verify")
    .description("verify a bundle, or all bundles of a folder, offline")
    .argument("<bundle|dir>", `a *${BUNDLE_SUFFIX} file, or a folder of them`)
    .option("--trust <file>", "trust file: whom you rely on, and why; without it everything is rejected")
    .option("--request <file>", "request bytes, opened or as sent: checks that the receipt is about them")
    .option("--response <file>", "response bytes, opened or as received")
    .option("--salt <file>", "`triseal_salt` of the answer, in hexadecimal: opens the commitments of an integer run")
    .option(
      "--model <dir>",
      "package of the integer model: compiles its circuits again, compares the commitment to its private weights where the salt is in it, and with --salt opens the commitment to the request",
    )
    .option("--at <time>", "judge evidence as of this time, such as 2026-11-21T08:00:00Z, instead of the witnessed one")
    .option("--allow-pending", "accept a leg that is still pending before its deadline")
    .option("--report <file>", "write the verdicts as JSON")
    .option("--verbose", "print the checks that passed, too")
    .option("--json", "one JSON object per bundle and line")
    .addHelpText("after", "\nExit codes: 0 accepted, 10 rejected, 20 unsupported, 30 malformed, 1 anything else.")
    .action(verify);
}
