/** `triseal zk credential` and `zk statement`: what a signer says of a balance, and what its holder proves of it. */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { encodeHex } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import { formatTime, unixSeconds } from "../../core/time.ts";
import { commitmentText } from "../../model/commitment/leg-commitment.ts";
import { balanceCommitment } from "../../paths/zk/compile/threshold.ts";
import { encodeCredential, MAX_THRESHOLD, parseCredential, signCredential } from "../../paths/zk/wire/statement.ts";
import { type GatewayFlags, withClient } from "../gateway-client.ts";
import { readNamed } from "../refusing.ts";
import { readSeedFile } from "../seed-file.ts";
import { systemClock } from "../system-clock.ts";
import { PROVER_MEMORY_MIB } from "./make-key.ts";
import { refusing } from "./refusing.ts";
import { parseOpening, stateThreshold } from "./state-threshold.ts";

function malformed(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", reason);
}

/** A whole number of the command line. */
function wholeNumber(flag: string, text: string, most: bigint): bigint {
  const value = /^(?:0|[1-9][0-9]{0,19})$/.test(text) ? BigInt(text) : -1n;
  return value >= 0n && value <= most ? value : malformed(`${flag} wants a whole number from 0 to ${most}`);
}

interface CredentialFlags {
  readonly key: string;
  readonly issuer: string;
  readonly subject: string;
  readonly unit: string;
  readonly balance: string;
  readonly days: string;
  readonly out: string;
  readonly opening: string;
  readonly json?: true;
}

function issue(flags: CredentialFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const balance = wholeNumber("--balance", flags.balance, 2n ** 64n - 1n);
    const days = Number(wholeNumber("--days", flags.days, 3650n));
    const signer = await readSeedFile(flags.key);
    const salt = new Uint8Array(randomBytes(16));
    const issuedAt = systemClock();
    const { issuer, subject, unit } = flags;
    const commitment = commitmentText(balanceCommitment(salt, balance));
    const notAfter = unixSeconds(issuedAt + days * 86_400);
    const signed = encodeCredential(signCredential({ issuer, subject, unit, commitment, issuedAt, notAfter }, signer));
    // What was written is what its holder will read: names of another form are refused here.
    parseCredential(signed);
    const opening = `${JSON.stringify({ v: 1, salt: encodeHex(salt), balance: balance.toString() })}\n`;
    await writeFile(flags.opening, opening, { mode: 0o600 });
    await writeFile(flags.out, signed);
    const { publicKey } = signer;
    if (flags.json)
      console.log(JSON.stringify({ ok: true, issuer, publicKey, out: flags.out, opening: flags.opening, notAfter }));
    else
      console.log(
        [
          `signer    ${issuer} ${publicKey}: name both under paths.zk.signers of trust files, and under zk.threshold.signers of the gateway`,
          `until     ${formatTime(notAfter)}`,
          `written   ${flags.out}, and ${flags.opening} for ${subject} alone: it opens the commitment`,
        ].join("\n"),
      );
  });
}

interface StatementFlags extends GatewayFlags {
  readonly credential: string;
  readonly opening: string;
  readonly threshold: string;
  readonly minutes: string;
  readonly out: string;
  readonly memoryMib: string;
  readonly json?: true;
}

function state(flags: StatementFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const { gateway } = flags;
    if (gateway === undefined) return malformed("--gateway wants the address of the gateway that takes the statement");
    const stage = (text: string) => {
      if (flags.json === undefined) process.stderr.write(`zk: ${text}\n`);
    };
    const signed = parseCredential(await readNamed(flags.credential));
    const opening = parseOpening(await readNamed(flags.opening));
    const threshold = Number(wholeNumber("--threshold", flags.threshold, BigInt(MAX_THRESHOLD)));
    const ends = systemClock() + Number(wholeNumber("--minutes", flags.minutes, 1440n)) * 60;
    const wish = { signed, opening, threshold, expiry: Math.min(ends, signed.credential.notAfter) };
    const options = { memoryMib: Number(flags.memoryMib), stage };
    const made = await withClient({ ...flags, gateway }, (client) => stateThreshold(wish, client, options));
    const { answer, prover, loadMs, ms } = made;
    await writeFile(flags.out, answer.bundle);
    const { receiptId } = answer;
    if (flags.json) {
      console.log(
        JSON.stringify({ ok: true, receiptId, out: flags.out, threshold, expiry: wish.expiry, prover, loadMs, proveMs: ms }),
      );
      return;
    }
    const { issuer, unit } = signed.credential;
    const lines = [
      `stated    at least ${threshold} ${unit}, says ${issuer} of a commitment; until ${formatTime(unixSeconds(wish.expiry))}`,
      `receipt   ${receiptId}, verified; its bundle is in ${flags.out}`,
      `cite it   "parameters": {"statement": "${receiptId}"}`,
      `prover    ${prover}, key loaded in ${Math.round(loadMs)} ms`,
      `proved in ${Math.round(ms)} ms`,
    ];
    console.log(lines.join("\n"));
  });
}

/** Adds `zk credential` and `zk statement`. */
export function addStatementCommands(zk: Command): void {
  zk.command("credential")
    .description("sign a commitment to a balance, as a bank would: for tests, and for signers")
    .requiredOption("--key <file>", "the signer's Ed25519 seed in hexadecimal; made and kept where the file is not there")
    .requiredOption("--issuer <name>", "the signer's name, as trust files name it")
    .requiredOption("--subject <tenant>", "tenant of the gateway who may use it")
    .requiredOption("--unit <unit>", "unit of the balance, such as usd")
    .requiredOption("--balance <n>", "the balance, a whole number below 2^64")
    .option("--days <n>", "how long it holds", "30")
    .requiredOption("--out <file>", "file to write the credential to")
    .requiredOption("--opening <file>", "file to write salt and balance to, for the subject alone")
    .option("--json", "print one JSON object")
    .action(issue);
  zk.command("statement")
    .description("prove to a gateway that a signed balance is at least a threshold; the balance stays here")
    .requiredOption("--credential <file>", "what the signer signed")
    .requiredOption("--opening <file>", "salt and balance")
    .requiredOption("--threshold <n>", "what the balance is at least, up to 2^53 - 1")
    .option("--minutes <n>", "how long the statement holds, 1440 at most", "60")
    .requiredOption("--out <file>", "file to write the receipt's bundle to")
    .requiredOption("--gateway <url>", "the gateway that takes it")
    .requiredOption("--trust <file>", "the trust file that gateway, key and setup must stand in")
    .option("--key <key>", "the API key; by default the one in the environment variable TRISEAL_KEY")
    .option("--ca <file>", "over TLS: authorities in PEM in place of the system's")
    .option("--memory-mib <n>", "most memory of the prover", String(PROVER_MEMORY_MIB))
    .option("--json", "print one JSON object")
    .action(state);
}
