/** `triseal evidence enrol`: an enroller states whose TPM an attestation key is in, after that TPM opened a credential for it. */
import { rm } from "node:fs/promises";
import type { Command } from "commander";
import {
  challengeTpm,
  confirmEnrolment,
  endorsementKeyOf,
  openCredential,
  requestEnrolment,
} from "../../../enclave/attester/tpm2/enrol.ts";
import type { Sha256Digest } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { formatTime, unixSeconds } from "../../core/time.ts";
import { writeNew } from "../new-file.ts";
import { again } from "../repeated-option.ts";
import { readSeedFile } from "../seed-file.ts";
import { systemClock } from "../system-clock.ts";
import { askTpm, type TpmPlace } from "./ask-tpm.ts";
import { encodeEnrolmentFile, readEnrolmentFile } from "./enrol-documents.ts";

const DAY_SECONDS = 86_400;
const MAX_DAYS = 3660;

interface TpmFlags {
  readonly device?: string;
  readonly socket?: string;
  readonly out: string;
}

interface ChallengeFlags {
  readonly endorsementKey: readonly string[];
  readonly pending: string;
  readonly out: string;
}

interface ConfirmFlags {
  readonly pending: string;
  readonly key: string;
  readonly type: string;
  readonly days: string;
  readonly out: string;
}

function refuse(message: string): never {
  throw new TrisealError("CONFIG_INVALID", message);
}

function placeOf({ device, socket }: TpmFlags): TpmPlace {
  if (device !== undefined && socket !== undefined) refuse("--device, --socket: name one");
  return socket === undefined ? { device: device ?? "/dev/tpmrm0" } : { socket };
}

async function request(flags: TpmFlags): Promise<void> {
  const shown = await askTpm(placeOf(flags), requestEnrolment);
  await writeNew(flags.out, encodeEnrolmentFile("request", shown));
  console.log(`endorsement key  ${endorsementKeyOf(shown)}`);
  console.log("compare it with what the machine's maker or your inventory says, over another channel");
}

/** @throws TrisealError `CONFIG_INVALID`. */
function knownKeys(given: readonly string[]): ReadonlySet<Sha256Digest> {
  for (const key of given) if (!/^sha256:[0-9a-f]{64}$/.test(key)) refuse("--endorsement-key: sha256:HEX");
  return new Set(given as readonly Sha256Digest[]);
}

async function challenge(file: string, flags: ChallengeFlags): Promise<void> {
  const known = knownKeys(flags.endorsementKey);
  const { credential, pending } = challengeTpm(await readEnrolmentFile("request", file), known);
  await writeNew(flags.pending, encodeEnrolmentFile("pending", pending), 0o600);
  await writeNew(flags.out, encodeEnrolmentFile("challenge", credential));
  console.log(`${flags.out} is for the machine; keep ${flags.pending} to yourself until its answer comes`);
}

async function answer(file: string, flags: TpmFlags): Promise<void> {
  const credential = await readEnrolmentFile("challenge", file);
  const content = await askTpm(placeOf(flags), (tpm, signal) => openCredential(tpm, credential, signal));
  await writeNew(flags.out, encodeEnrolmentFile("answer", { content }));
  console.log(`${flags.out} is for the enroller`);
}

async function confirm(file: string, flags: ConfirmFlags): Promise<void> {
  const { type } = flags;
  if (type !== "tpm2" && type !== "tpm2-simulated") return refuse("--type: tpm2, or tpm2-simulated for a TPM in software");
  const days = Number(flags.days);
  if (!/^[1-9]\d{0,3}$/.test(flags.days) || days > MAX_DAYS) return refuse(`--days: 1 to ${MAX_DAYS}`);
  const pending = await readEnrolmentFile("pending", flags.pending);
  const { content } = await readEnrolmentFile("answer", file);
  const signer = await readSeedFile(flags.key);
  const notBefore = systemClock();
  const dates = { notBefore, notAfter: unixSeconds(notBefore + days * DAY_SECONDS) };
  await writeNew(flags.out, confirmEnrolment(pending, content, { signer, type, ...dates }));
  // Its answer is known now: kept, it would confirm the key of a TPM that has long been given away.
  await rm(flags.pending);
  console.log(`enroller         ${signer.publicKey}`);
  console.log(`attestation key  ${pending.attestationKey}`);
  console.log(`${type}, until ${formatTime(dates.notAfter)}; ${flags.out} is for the machine's \`workers.attester.enrolment\``);
}

const withTpmOptions = (command: Command): Command =>
  command
    .option("--device <path>", "the TPM, instead of /dev/tpmrm0")
    .option("--socket <path>", "unix socket of a TPM in software, instead of a device");

const ABOUT = `
On the machine:   request --out request.json
At the enroller:  challenge request.json --endorsement-key sha256:HEX --pending pending.json --out challenge.json
On the machine:   answer challenge.json --out answer.json
At the enroller:  confirm answer.json --pending pending.json --key enroller.seed --type tpm2 --out enrolment.json

The statement is worth what its enroller is. A trust file names the enroller by its public key, and the gateway's configuration the file:
workers.attester {type: tpm2, enrolment: enrolment.json}.`;

/** Adds `enrol` to `triseal evidence`. */
export function addEnrolCommands(evidence: Command): void {
  const enrol = evidence
    .command("enrol")
    .description("enrol a TPM's attestation key: files that go to and fro between a machine and its enroller");
  enrol.addHelpText("after", ABOUT);
  withTpmOptions(enrol.command("request").description("machine: show the TPM's attestation key and endorsement key"))
    .requiredOption("--out <file>", "the request")
    .action(request);
  enrol
    .command("challenge <request>")
    .description(
      "enroller: make a credential that only the TPM with this endorsement key opens, and only for this attestation key",
    )
    .requiredOption(
      "--endorsement-key <digest>",
      "a key that you know to be in a TPM of yours, as sha256:HEX of its SPKI; repeatable",
      again,
    )
    .requiredOption("--pending <file>", "what you keep until the answer comes (mode 0600)")
    .requiredOption("--out <file>", "the challenge")
    .action(challenge);
  withTpmOptions(enrol.command("answer <challenge>").description("machine: have the TPM open the credential"))
    .requiredOption("--out <file>", "the answer")
    .action(answer);
  enrol
    .command("confirm <answer>")
    .description("enroller: compare the answer, and sign that the attestation key is in that TPM")
    .requiredOption("--pending <file>", "what `challenge` kept; removed when the statement is signed")
    .requiredOption("--key <file>", "your Ed25519 seed; one that is not there is made")
    .requiredOption("--type <type>", "tpm2, or tpm2-simulated for a TPM in software: you know which, the TPM cannot show it")
    .requiredOption("--out <file>", "the statement")
    .option("--days <n>", "how long it holds", "365")
    .action(confirm);
}
