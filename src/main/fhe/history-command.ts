/** `triseal fhe history`: what the bundles of a folder show of one account. Offline. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { TrisealError } from "../../core/errors.ts";
import { type AccountHistory, historyOf, type ReceiptedClaim } from "../../paths/fhe/evidence/history.ts";
import { claimOfBundle } from "../../paths/fhe/evidence/receipted-claim.ts";
import { fheError } from "../../paths/fhe/wire/codes.ts";
import { parseBundle } from "../../receipt/bundle.ts";
import { parseTrust, type Trust, verifyBundle } from "../../verify/index.ts";
import { OUTCOME_EXIT } from "../exit-code.ts";
import { readNamed } from "../refusing.ts";
import { systemClock } from "../system-clock.ts";
import { refusing } from "./refusing.ts";

const BUNDLE_SUFFIX = ".triseal.json";

interface HistoryFlags {
  readonly trust: string;
  readonly json?: true;
}

/** A bundle that counts for nothing, and why. */
interface Unverified {
  readonly file: string;
  readonly outcome: string;
  readonly code: string | null;
}

interface ReadBundles {
  readonly claims: readonly ReceiptedClaim[];
  readonly unverified: readonly Unverified[];
}

/** How a bundle is verified where nothing of its exchange is at hand. */
export function offlineOptions(): Parameters<typeof verifyBundle>[2] {
  return { now: systemClock(), at: null, request: null, response: null, opening: null, allowPending: false };
}

async function readBundles(folder: string, trust: Trust): Promise<ReadBundles> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new TrisealError("FORMAT_INVALID", "the folder cannot be read", { cause });
  });
  const [claims, unverified]: [ReceiptedClaim[], Unverified[]] = [[], []];
  for (const file of names.filter((name) => name.endsWith(BUNDLE_SUFFIX)).sort()) {
    const bytes = new Uint8Array(await readFile(join(folder, file)));
    const { outcome, code } = await verifyBundle(bytes, trust, offlineOptions());
    const found = outcome === "accepted" ? claimOfBundle(parseBundle(bytes)) : null;
    if (outcome !== "accepted") unverified.push({ file, outcome, code });
    else if (found !== null) claims.push(found);
  }
  return { claims, unverified };
}

function historyLines(account: string, history: AccountHistory, unverified: readonly Unverified[]): readonly string[] {
  const { versions, gaps, forks, opened } = history;
  const last = versions.at(-1);
  return [
    `account    ${account}${opened === null ? ", whose document is not shown" : `, document sha256:${opened}`}`,
    ...versions.map(({ version, clear, handle, head, receiptId }) => {
      const state = clear === null ? `handle ${handle?.slice(0, 16)}…` : `clear ${clear}`;
      return `  ${String(version).padStart(6)}  ${state}  head ${head.slice(0, 16)}…  ${receiptId}`;
    }),
    ...gaps.map(
      ({ from, to }) => `gap        ${from === to ? `version ${from}` : `versions ${from} to ${to}`}: no bundle here shows it`,
    ),
    ...forks.map(({ version, receiptIds, what }) => `FORK       version ${version}: ${what}: ${receiptIds.join(" and ")}`),
    ...unverified.map(({ file, outcome, code }) => `unverified ${file}: ${outcome}${code === null ? "" : ` ${code}`}`),
    last === undefined
      ? "no bundle here writes it"
      : `whether anything was written after version ${last.version} these bundles do not show`,
  ];
}

async function show(account: string, folder: string, flags: HistoryFlags): Promise<void> {
  await refusing(flags.json, async () => {
    const trust = parseTrust(await readNamed(flags.trust));
    const { claims, unverified } = await readBundles(folder, trust);
    const history = historyOf(account, claims);
    const [fork] = history.forks;
    if (flags.json) console.log(JSON.stringify({ ok: fork === undefined, account, ...history, unverified }));
    else console.log(historyLines(account, history, unverified).join("\n"));
    const whole = history.gaps.length === 0 && unverified.length === 0 && history.versions.length > 0;
    process.exitCode = whole ? OUTCOME_EXIT.accepted : OUTCOME_EXIT.unsupported;
    if (fork === undefined) return;
    process.exitCode = OUTCOME_EXIT.rejected;
    if (!flags.json) throw fheError("STATE_FORKED", `version ${fork.version} of ${account}: ${fork.receiptIds.join(" and ")}`);
  });
}

/** Adds `fhe history`. */
export function addHistoryCommand(fhe: Command): void {
  fhe
    .command("history <account> <dir>")
    .description(`walk the chain of an account through all *${BUNDLE_SUFFIX} of a folder, each verified`)
    .requiredOption("--trust <file>", "trust file: whom you rely on; what it does not accept counts for nothing, and is named")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0 the whole chain is shown, 10 STATE_FORKED, 20 something is missing or unverified, 30 malformed, 1 anything else.",
    )
    .action(show);
}
