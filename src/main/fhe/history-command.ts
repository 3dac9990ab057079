/** `triseal fhe history`: what the bundles of a folder show of one account. Offline. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { TrisealError } from "../../core/errors.ts";
import { type AccountHistory, historyOf } from "../../paths/fhe/evidence/history.ts";
import { type BrokenRule, brokenRules } from "../../paths/fhe/evidence/history-rules.ts";
import { claimOfBundle, type ReceiptedClaim } from "../../paths/fhe/evidence/receipted-claim.ts";
import { fheError } from "../../paths/fhe/wire/codes.ts";
import { parseDecision } from "../../policy/index.ts";
import { BUNDLE_SUFFIX, type Bundle, parseBundle } from "../../receipt/bundle.ts";
import { eventsOf } from "../../receipt/receipt.ts";
import { parseTrust, type Trust } from "../../verify/index.ts";
import { OUTCOME_EXIT } from "../exit-code.ts";
import { readNamed } from "../refusing.ts";
import { refusing } from "./refusing.ts";
import { verifyOffline } from "./verify-offline.ts";

interface HistoryFlags {
  readonly trust: string;
  readonly tenant?: string;
  readonly service?: string;
  readonly json?: true;
}

/** A bundle that counts for nothing, and why. */
interface Unverified {
  readonly file: string;
  readonly outcome: string;
  readonly code: string | null;
}

/** A claim with whose accounts it is about: two tenants, or two services, may have accounts of one name. */
interface PlacedClaim extends ReceiptedClaim {
  readonly service: string;
  readonly tenant: string;
}

interface ReadBundles {
  readonly claims: readonly PlacedClaim[];
  readonly unverified: readonly Unverified[];
}

async function readBundles(folder: string, trust: Trust): Promise<ReadBundles> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new TrisealError("FORMAT_INVALID", "the folder cannot be read", { cause });
  });
  const [claims, unverified]: [PlacedClaim[], Unverified[]] = [[], []];
  for (const file of names.filter((name) => name.endsWith(BUNDLE_SUFFIX)).sort()) {
    const bytes = await readNamed(join(folder, file));
    const { outcome, code, service } = await verifyOffline(bytes, trust);
    const bundle = outcome === "accepted" ? parseBundle(bytes) : null;
    if (bundle === null) unverified.push({ file, outcome, code });
    const found = bundle === null ? null : claimOfBundle(bundle);
    if (bundle !== null && found !== null) claims.push({ ...found, service: service ?? "", tenant: tenantOf(bundle) });
  }
  return { claims, unverified };
}

/** Whose request it was: the policy's decision rests on it. @throws TrisealError `FORMAT_INVALID`. */
function tenantOf({ receipt, blobs }: Bundle): string {
  const decided = eventsOf(receipt, "policy.decided")[0];
  const bytes = decided === undefined ? undefined : blobs.get(decided.decision_digest);
  const fact = bytes === undefined ? undefined : parseDecision(bytes).facts.find(({ name }) => name === "tenant.id");
  if (typeof fact?.value === "string" && fact.origin === "gateway") return fact.value;
  throw new TrisealError("FORMAT_INVALID", "a bundle does not say whose request it is about");
}

/** The claims that name an account, of the one tenant of the one service that is asked about. @throws TrisealError `NOT_FOUND`. */
function ofOnePlace(account: string, claims: readonly PlacedClaim[], { tenant, service }: HistoryFlags): readonly PlacedClaim[] {
  const asked = claims.filter(
    (one) => (tenant === undefined || one.tenant === tenant) && (service === undefined || one.service === service),
  );
  const naming = asked.filter(({ claim }) => [...claim.reads, ...claim.writes].some((named) => named.account === account));
  const places = new Map(naming.map((one) => [JSON.stringify([one.service, one.tenant]), one]));
  const [only, ...others] = places.values();
  if (others.length > 0) {
    const named = [...places.values()].map((one) => `${one.tenant} at ${one.service}`).join(", ");
    throw new TrisealError("NOT_FOUND", `several accounts have that name, of ${named}: --tenant and --service say which`);
  }
  return asked.filter((one) => one.tenant === only?.tenant && one.service === only.service);
}

function historyLines(
  account: string,
  history: AccountHistory,
  broken: readonly BrokenRule[],
  unverified: readonly Unverified[],
): readonly string[] {
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
    ...broken.map(({ version, receiptId, what }) => `BROKEN     version ${version}: ${what}: ${receiptId}`),
    ...unverified.map(({ file, outcome, code }) => `unverified ${file}: ${outcome}${code === null ? "" : ` ${code}`}`),
    last === undefined
      ? "no bundle here writes it"
      : `whether anything was written after version ${last.version} these bundles do not show`,
  ];
}

async function show(account: string, folder: string, flags: HistoryFlags): Promise<void> {
  await refusing(flags.json, async () => {
    const trust = parseTrust(await readNamed(flags.trust));
    const { claims: all, unverified } = await readBundles(folder, trust);
    const claims = ofOnePlace(account, all, flags);
    const { tenant = null, service = null } = claims[0] ?? {};
    const history = historyOf(account, claims);
    const broken = tenant === null ? [] : brokenRules(account, tenant, claims);
    const [[fork], [rule]] = [history.forks, broken];
    const ok = fork === undefined && rule === undefined;
    if (flags.json) console.log(JSON.stringify({ ok, account, tenant, service, ...history, broken, unverified }));
    else console.log(historyLines(account, history, broken, unverified).join("\n"));
    const whole = history.gaps.length === 0 && unverified.length === 0 && history.versions.length > 0;
    process.exitCode = whole ? OUTCOME_EXIT.accepted : OUTCOME_EXIT.unsupported;
    if (ok) return;
    process.exitCode = OUTCOME_EXIT.rejected;
    if (flags.json) return;
    if (fork !== undefined)
      throw fheError("STATE_FORKED", `version ${fork.version} of ${account}: ${fork.receiptIds.join(" and ")}`);
    throw fheError("STATE_RULE_BROKEN", `version ${rule?.version} of ${account}: ${rule?.what}: ${rule?.receiptId}`);
  });
}

/** Adds `fhe history`. */
export function addHistoryCommand(fhe: Command): void {
  fhe
    .command("history <account> <dir>")
    .description(`walk the chain of an account through all *${BUNDLE_SUFFIX} of a folder, each verified`)
    .requiredOption("--trust <file>", "trust file: whom you rely on; what it does not accept counts for nothing, and is named")
    .option("--tenant <id>", "whose account, where the bundles are of several tenants that have one of that name")
    .option("--service <name>", "at which service of the trust file, where they are of several")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0 the whole chain is shown, 10 STATE_FORKED or STATE_RULE_BROKEN, 20 something is missing or unverified, 30 malformed, 1 anything else.",
    )
    .action(show);
}
