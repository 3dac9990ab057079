/** `triseal fhe reveal` and `verify-reveal`: what an attested key holder says of a run (fhe SPEC 11). */
import type { Command } from "commander";
import { readBoundedBody } from "../../core/bounded-body.ts";
import { anyJson, object, text } from "../../core/decode.ts";
import { coreCodes, TrisealError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { formatTime } from "../../core/time.ts";
import { claimOfBundle } from "../../paths/fhe/evidence/receipted-claim.ts";
import { codes, fheError } from "../../paths/fhe/wire/codes.ts";
import {
  encodeRevealRequest,
  MAX_REVEAL_BYTES,
  MAX_REVEALED_BUNDLE_BYTES,
  MAX_REVEALED_VALUE_BYTES,
} from "../../paths/fhe/wire/reveal.ts";
import { MAX_RUN_BYTES } from "../../paths/fhe/wire/run.ts";
import { parseBundle } from "../../receipt/bundle.ts";
import { parseTrust } from "../../verify/index.ts";
import { type RevealVerdict, verifyReveal } from "../../verify/verify-reveal.ts";
import { OUTCOME_EXIT } from "../exit-code.ts";
import { writeNew } from "../new-file.ts";
import { readNamed } from "../refusing.ts";
import { shownLine } from "../shown-text.ts";
import { systemClock } from "../system-clock.ts";
import { blobFile } from "./blob-source.ts";
import { refusing } from "./refusing.ts";

/** As long as the holder takes for an answer. */
const TIMEOUT_MS = 120_000;

interface RevealFlags {
  readonly holder: string;
  readonly output: string;
  readonly document: string;
  readonly blobs: string;
  readonly trust: string;
  readonly out?: string;
  readonly json?: true;
}

interface VerifyFlags {
  readonly bundle: string;
  readonly trust: string;
  readonly json?: true;
}

const decodeProblem = object({ code: text(64), message: text(1000) }, { details: anyJson, action: text(1000) });

/** The holder's refusal; what is none of ours is its fault. */
function problemOf(status: number, bytes: Uint8Array): TrisealError {
  try {
    const { code, message } = decodeProblem(parseJson(bytes), "problem");
    const known = (Object.keys(codes) as (keyof typeof codes)[]).find((name) => name === code);
    if (known !== undefined) return fheError(known, message);
    const core = (Object.keys(coreCodes) as (keyof typeof coreCodes)[]).find((name) => name === code);
    if (core !== undefined) return new TrisealError(core, message);
  } catch {
    // Nothing that can be read: the line below.
  }
  return new TrisealError("SERVICE_ERROR", `the key holder answered ${status}`);
}

async function askHolder(holder: string, body: Uint8Array): Promise<Uint8Array> {
  const address = `${holder.replace(/\/$/, "")}/v1/reveals`;
  const init = {
    method: "POST",
    body: Uint8Array.from(body),
    redirect: "error",
    headers: { "content-type": "application/json" },
  } as const;
  const response = await fetch(address, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch((cause: unknown) => {
    throw new TrisealError("SERVICE_UNREACHABLE", "the key holder does not answer", { cause });
  });
  const bytes = await readBoundedBody(response, MAX_REVEAL_BYTES);
  if (bytes === null) throw new TrisealError("FORMAT_INVALID", "the key holder answered more than a reveal may have");
  if (response.ok) return bytes;
  throw problemOf(response.status, bytes);
}

async function ciphertextOf(bundle: Uint8Array, output: string, folder: string): Promise<Uint8Array> {
  const found = claimOfBundle(parseBundle(bundle))?.claim.outputs.find(({ n }) => n === output);
  if (found === undefined) throw new TrisealError("NOT_FOUND", "the run of this bundle has no such output");
  return await readNamed(await blobFile(folder, found.digest), MAX_REVEALED_VALUE_BYTES);
}

function print(verdict: RevealVerdict, json: true | undefined): void {
  const { outcome, code, holder, statement, checks, claims, basis } = verdict;
  process.exitCode = OUTCOME_EXIT[outcome];
  if (json) {
    console.log(JSON.stringify({ ok: outcome === "accepted", outcome, code, holder, basis, statement, claims, checks }));
    return;
  }
  if (statement === null) {
    const failed = checks.filter(({ status }) => status === "fail").map(({ message }) => `  ${shownLine(message)}`);
    console.log([`${outcome.toUpperCase()}  ${code}`, ...failed].join("\n"));
    return;
  }
  const lines = [
    `value      ${statement.value} (${statement.type}): ${statement.output} of receipt ${statement.receiptId}`,
    `holder     ${shownLine(holder ?? "")}, configuration ${statement.configuration}`,
    `revealed   ${formatTime(statement.decidedAt)} by the holder's clock; its reveal ${statement.sequence}`,
    ...claims.map((claim) => `claim      [${claim.basis}] ${shownLine(claim.text)}`),
    `rests on   ${basis}, the weakest of all this`,
  ];
  console.log(lines.join("\n"));
}

function reveal(bundleFile: string, flags: RevealFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const bundle = await readNamed(bundleFile, MAX_REVEALED_BUNDLE_BYTES);
    const trust = parseTrust(await readNamed(flags.trust));
    const run = await readNamed(flags.document, MAX_RUN_BYTES);
    const { output } = flags;
    const ciphertext = await ciphertextOf(bundle, output, flags.blobs);
    const answer = await askHolder(flags.holder, encodeRevealRequest({ output, bundle, run, ciphertext }));
    const verdict = await verifyReveal(answer, bundle, trust, systemClock());
    if (flags.out !== undefined && verdict.outcome === "accepted") await writeNew(flags.out, answer);
    print(verdict, flags.json);
  });
}

function verify(file: string, flags: VerifyFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const trust = parseTrust(await readNamed(flags.trust));
    print(await verifyReveal(await readNamed(file), await readNamed(flags.bundle), trust, systemClock()), flags.json);
  });
}

/** Adds the commands about reveals. */
export function addRevealCommands(fhe: Command): void {
  fhe
    .command("reveal <bundle>")
    .description("ask an attested key holder for an output of a run, and verify what it says: no key is needed")
    .requiredOption("--holder <url>", "the key holder")
    .requiredOption("--output <name>", "output of the program")
    .requiredOption("--document <file>", "run document as it was submitted (`fhe run --document`)")
    .requiredOption("--blobs <dir>", "folder of `fhe export`, with the output")
    .requiredOption("--trust <file>", "trust file that names service and holder")
    .option("--out <file>", "write the statement here, which must not exist: `fhe verify-reveal` takes it")
    .option("--json", "print one JSON object")
    .action(reveal);
  fhe
    .command("verify-reveal <file>")
    .description("verify what a key holder said of a run, offline")
    .requiredOption("--bundle <file>", "bundle of the run")
    .requiredOption("--trust <file>", "trust file that names service and holder")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit codes: 0 accepted, 10 rejected, 20 unsupported, 30 malformed, 1 anything else.")
    .action(verify);
}
