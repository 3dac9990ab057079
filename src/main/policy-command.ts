/** `triseal policy`: check, explain and sign policies. */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { TrisealError } from "../core/errors.ts";
import { unixSeconds } from "../core/time.ts";
import { KeyStore } from "../keys/key-store.ts";
import { nodeFiles, replaceFile } from "../log/store/files.ts";
import {
  ATTRIBUTES,
  checkPolicy,
  type Decision,
  explainDecision,
  parseDecision,
  parsePolicy,
  parsePolicyStatement,
  signPolicyStatement,
  unservedRules,
} from "../policy/index.ts";
import { eventOf, parseBundle } from "../receipt/index.ts";
import { readConfig } from "./config.ts";
import { SERVED_PATHS } from "./policy-source.ts";
import { systemClock } from "./system-clock.ts";

async function check(file: string, flags: { readonly json?: true }): Promise<void> {
  const bytes = new Uint8Array(await readFile(file));
  const checked = checkPolicy(bytes);
  const sound = !checked.some((finding) => finding.severity === "error");
  const findings = sound ? [...checked, ...unservedRules(parsePolicy(bytes), SERVED_PATHS)] : checked;
  for (const finding of findings) {
    const { severity, line, rule, message } = finding;
    console.log(
      flags.json ? JSON.stringify(finding) : `${file}:${line ?? 0}: ${severity}: ${rule === null ? "" : `${rule}: `}${message}`,
    );
  }
  const errors = findings.filter((finding) => finding.severity === "error").length;
  if (!flags.json) console.log(errors === 0 ? `ok: ${findings.length} warnings` : `${errors} errors`);
  process.exitCode = errors === 0 ? 0 : 10;
}

/** Policy and decision of a bundle: what was really decided. Authenticates nothing; `triseal verify` does. */
async function explain(file: string, flags: { readonly json?: true }): Promise<void> {
  const { receipt, blobs } = parseBundle(new Uint8Array(await readFile(file)));
  const event = eventOf(receipt, "policy.decided");
  if (event === null) throw new TrisealError("NOT_FOUND", "this receipt was refused before policy was asked");
  const policy = blobs.get(event.policy_digest);
  const decision = blobs.get(event.decision_digest);
  if (policy === undefined || decision === undefined)
    throw new TrisealError("FORMAT_INVALID", "policy or decision is not in the bundle");
  const parsed: Decision = parseDecision(decision);
  if (flags.json) console.log(JSON.stringify({ receipt: receipt.receipt_id, decision: parsed }));
  else
    console.log(
      [
        `receipt ${receipt.receipt_id} (not verified here: run \`triseal verify\`)`,
        ...explainDecision(parsePolicy(policy), parsed),
      ].join("\n"),
    );
}

interface SignFlags {
  readonly data?: string;
  readonly sequence?: string;
  readonly days: string;
  readonly json?: true;
}

async function sign(file: string, flags: SignFlags): Promise<void> {
  const dataDir = resolve(flags.data ?? (await readConfig(null)).dataDir);
  const signer = await new KeyStore(join(dataDir, "keys")).signer("policy", "any");
  const { digest } = parsePolicy(new Uint8Array(await readFile(file)));
  const out = `${file}.sig.json`;
  const existing = await nodeFiles.read(out);
  const next = existing === null ? 1 : parsePolicyStatement(existing).statement.sequence + 1;
  const sequence = flags.sequence === undefined ? next : Number(flags.sequence);
  const days = Number(flags.days);
  if (!Number.isSafeInteger(sequence) || sequence < next || !Number.isInteger(days) || days < 1) {
    throw new TrisealError("FORMAT_INVALID", `--sequence wants an integer of at least ${next}, --days one of at least 1`);
  }
  const notBefore = systemClock();
  const statement = {
    v: 1,
    policyDigest: digest,
    sequence,
    notBefore,
    notAfter: unixSeconds(notBefore + days * 86_400),
  } as const;
  const signed = signPolicyStatement(statement, signer);
  await replaceFile(nodeFiles, resolve(out), signed);
  console.log(
    flags.json ? new TextDecoder().decode(signed) : `wrote ${out}: sequence ${sequence}, ${days} days, key ${signer.publicKey}`,
  );
}

function attributes(flags: { readonly json?: true }): void {
  for (const attribute of ATTRIBUTES) {
    const { name, type, origin, optional, meaning } = attribute;
    console.log(
      flags.json
        ? JSON.stringify(attribute)
        : `${name.padEnd(30)} ${type.padEnd(13)} ${origin.padEnd(9)} ${optional ? "optional" : "always  "}  ${meaning}`,
    );
  }
}

/** Adds `policy` to the command line. */
export function addPolicyCommand(program: Command): void {
  const policy = program.command("policy").description("policies: which request may run where, with which assurance");
  policy
    .command("check")
    .argument("<file>")
    .option("--json", "JSON lines")
    .description("errors and warnings; exit 10 where there are errors")
    .action(check);
  policy
    .command("explain")
    .argument("<bundle>")
    .option("--json", "JSON")
    .description("why the request of a bundle was decided as it was")
    .action(explain);
  policy
    .command("sign")
    .argument("<file>")
    .description("sign a policy with the policy key: writes <file>.sig.json")
    .option("--data <dir>", "data folder with the keys")
    .option("--sequence <n>", "sequence number; higher than that of the statement before (default: one more)")
    .option("--days <n>", "days that the policy stays in force", "90")
    .option("--json", "print the statement")
    .action(sign);
  policy
    .command("attributes")
    .option("--json", "JSON lines")
    .description("the facts that conditions can read")
    .action(attributes);
}
