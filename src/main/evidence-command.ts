/** `triseal evidence`: appraises evidence offline, with the clock and the roots of the case, and collects it from this machine. */
import type { Command } from "commander";
import { isTrisealError } from "../core/errors.ts";
import { formatTime } from "../core/time.ts";
import { caseKinds, decodeCaseDocument, readCaseDocument } from "./evidence/case-file.ts";
import { COLLECTED_TYPES, type CollectFlags, collectEvidence } from "./evidence/collect-evidence.ts";
import { addEnrolCommands } from "./evidence/enrol-commands.ts";
import { type CaseVerdict, judgeCase, unknownKind } from "./evidence/judge-case.ts";
import { type MadeReference, makeReference, type ReferenceFlags } from "./evidence/make-reference.ts";
import { showEvidence, shownLines } from "./evidence/show-evidence.ts";
import { FAILURE_EXIT, OUTCOME_EXIT } from "./exit-code.ts";
import { readNamed } from "./refusing.ts";
import { again } from "./repeated-option.ts";
import { systemClock } from "./system-clock.ts";

interface VerifyFlags {
  readonly case: string;
  readonly json?: true;
}

function verdictLines({ verdict, code, at, anchors, checks, claims }: CaseVerdict): string {
  const failed = checks.filter(({ status }) => status !== "pass");
  const lines = [
    verdict === "accept" ? "ACCEPTED" : `REJECTED  ${code}`,
    `judged as of ${formatTime(at)}, which the case names; roots: ${anchors === "case" ? "those of the case" : "built-in"}`,
    ...failed.map(({ status, message, code: failure }) => `  ${status === "fail" ? "FAIL" : "skip"} ${message} [${failure}]`),
    JSON.stringify(claims, null, 2),
  ];
  return lines.join("\n");
}

function report(exit: number, flags: { readonly json?: true }, answer: Readonly<Record<string, string>>, line: string): void {
  if (flags.json) console.log(JSON.stringify(answer));
  else console.error(`triseal: ${line}`);
  process.exitCode = exit;
}

async function verify(flags: VerifyFlags): Promise<void> {
  try {
    const document = await readCaseDocument(flags.case);
    const unknown = unknownKind(caseKinds(document));
    if (unknown !== null) {
      const message = `evidence of kind \`${unknown}\` is not appraised by this version`;
      report(OUTCOME_EXIT.unsupported, flags, { verdict: "unsupported", message }, message);
      return;
    }
    const verdict = await judgeCase(await decodeCaseDocument(document, flags.case));
    console.log(flags.json ? JSON.stringify(verdict) : verdictLines(verdict));
    process.exitCode = verdict.verdict === "accept" ? OUTCOME_EXIT.accepted : OUTCOME_EXIT.rejected;
  } catch (error) {
    if (!isTrisealError(error)) throw error;
    report(OUTCOME_EXIT.malformed, flags, { verdict: "malformed", message: error.message }, `the case: ${error.message}`);
  }
}

async function show(file: string, flags: { readonly json?: true }): Promise<void> {
  try {
    const shown = showEvidence(await readNamed(file));
    console.log(flags.json ? JSON.stringify(shown) : shownLines(shown).join("\n"));
  } catch (error) {
    if (!isTrisealError(error)) throw error;
    const { code, message } = error;
    const exit = code === "EVIDENCE_UNSUPPORTED" ? OUTCOME_EXIT.unsupported : OUTCOME_EXIT.malformed;
    report(exit, flags, { code, message }, `${code}: ${message}`);
  }
}

async function collect(flags: CollectFlags): Promise<void> {
  for (const file of await collectEvidence(flags, systemClock())) console.log(file);
}

function madeLines({ file, citation, roots }: Extract<MadeReference, { readonly outcome: "made" }>): string {
  return [
    `wrote ${file}: ${citation.digest}`,
    `signed by ${citation.publicKey}; the evidence passed under ${roots === "case" ? "roots that the case names" : "the vendors' built-in roots"}`,
    "cite it in the trust file: `references: [{digest, publicKey, document}]` of `paths.tee`, and `{reference: DIGEST}` in its entry",
  ].join("\n");
}

async function reference(flags: ReferenceFlags): Promise<void> {
  try {
    const made = await makeReference(flags, systemClock());
    if (made.outcome === "made") console.log(flags.json ? JSON.stringify(made) : madeLines(made));
    else if (made.outcome === "rejected") {
      const { file, code } = made;
      report(
        OUTCOME_EXIT.rejected,
        flags,
        { outcome: "rejected", file, code },
        `${file} does not pass: ${code}; nothing was written`,
      );
    } else {
      const message = `evidence of kind \`${made.kind}\` is not appraised by this version`;
      report(OUTCOME_EXIT.unsupported, flags, { outcome: "unsupported", message }, message);
    }
  } catch (error) {
    if (!isTrisealError(error)) throw error;
    const { code, message } = error;
    const isMalformed = code === "FORMAT_INVALID" || code.startsWith("EVIDENCE_");
    report(
      isMalformed ? OUTCOME_EXIT.malformed : FAILURE_EXIT,
      flags,
      { outcome: "malformed", code, message },
      `${code}: ${message}`,
    );
  }
}

/** Adds the command that makes reference values. */
function addReferenceCommand(evidence: Command): void {
  evidence
    .command("reference")
    .description("sign reference values for trust files out of evidence that passes: registers, the TCB as floor, devices")
    .requiredOption("--case <file>", "case of evidence, as for `verify`; may be given again", again)
    .requiredOption("--name <text>", "what the values are about, such as a release")
    .requiredOption("--key <file>", "your Ed25519 key: a seed of 32 bytes in hexadecimal; made where it is not there")
    .requiredOption("--out <file>", "file for the signed values")
    .option("--registers <names>", "registers that tell the image, with commas; PCRs must be named")
    .option("--weakness <name>", "what the trust entry will accept in writing, such as no-revocation; may be given again", again)
    .option("--withdraw <value=reason>", "a register's value or a device that is withdrawn; may be given again", again)
    .option("--json", "print one JSON object, with the citation for the trust file")
    .addHelpText(
      "after",
      "\nExit codes: 0 written, 10 evidence that does not pass, 20 kind not supported, 30 malformed, 1 anything else.",
    )
    .action(reference);
}

/** Adds `evidence` to the command line. */
export function addEvidenceCommand(program: Command): void {
  const evidence = program.command("evidence").description("hardware evidence: appraised offline");
  evidence
    .command("verify")
    .description("appraise the evidence of a case file, with the clock, policy and roots that it names")
    .requiredOption("--case <file>", "case file; the paths in it are relative to it")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit codes: 0 accepted, 10 rejected, 20 kind not supported, 30 malformed case, 1 anything else.")
    .action(verify);
  evidence
    .command("show <file>")
    .description("print a report, quote, token, manifest, certificate or collateral readably; verifies nothing")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit codes: 0 shown, 20 kind not known, 30 malformed, 1 anything else.")
    .action(show);
  addReferenceCommand(evidence);
  evidence
    .command("collect")
    .description("ask this machine's platform for evidence, as a worker would")
    .requiredOption("--attester <type>", COLLECTED_TYPES.join(", "))
    .requiredOption("--report-data <hex>", "64 bytes, or 32 before zeros; for GPUs the 32 bytes of the nonce")
    .requiredOption("--out <file>", "file for the evidence; a case for `evidence verify` is written beside it")
    .option("--vmpl <level>", "sev-snp: privilege level of the report")
    .option("--device <path>", "tpm2: the TPM, instead of /dev/tpmrm0")
    .option("--socket <path>", "tpm2-simulated: unix socket of the simulator")
    .option("--boot-log <file>", "tpm2: the firmware's log, such as /sys/kernel/security/tpm0/binary_bios_measurements")
    .option("--enrolment <file>", "tpm2: an enroller's statement about the attestation key")
    .option("--tool <file>", "nvidia: NVIDIA's CLI, instead of nvattest from the path")
    .option("--timeout <seconds>", "how long the platform may take", "60")
    .addHelpText(
      "after",
      "\nExit codes: 0 written, 1 anything else. No attester but tpm2-simulated has been run on what it is for.",
    )
    .action(collect);
  addEnrolCommands(evidence);
}
