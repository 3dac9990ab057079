/** `triseal fhe statement`, `statement-key` and `open-statement`: what a key's holder says of a balance to one who lacks the key. */
import { readFile, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { hexText, object, oneOf } from "../../core/decode.ts";
import { TrisealError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { formatTime } from "../../core/time.ts";
import { type BalanceKey, makeBalanceKey, openBalance, sealBalance } from "../../paths/fhe/client/sealed-balance.ts";
import { claimOfBundle, type ReceiptedClaim } from "../../paths/fhe/evidence/receipted-claim.ts";
import type { BalanceStatement } from "../../paths/fhe/wire/balance-statement.ts";
import { fheError } from "../../paths/fhe/wire/codes.ts";
import { parseBundle } from "../../receipt/bundle.ts";
import { parseTrust } from "../../verify/index.ts";
import { readNamed } from "../refusing.ts";
import { readSeedFile } from "../seed-file.ts";
import { systemClock } from "../system-clock.ts";
import { blobFile } from "./blob-source.ts";
import { readKeyFolder } from "./key-folder.ts";
import { needNative } from "./native-program.ts";
import { refusing } from "./refusing.ts";
import { verifyOffline } from "./verify-offline.ts";

interface StatementFlags {
  readonly bundle: string;
  readonly trust: string;
  readonly keys: string;
  readonly blobs: string;
  readonly to: string;
  readonly signingKey: string;
  readonly out: string;
  readonly json?: true;
}

interface OpenFlags {
  readonly own: string;
  readonly holder: string;
  readonly bundle?: string;
  readonly trust?: string;
  readonly json?: true;
}

/** The claim of a bundle that the trust file accepts. @throws TrisealError `VERIFICATION_FAILED`, `FORMAT_INVALID`. */
async function verifiedClaim(bundleFile: string, trustFile: string): Promise<ReceiptedClaim> {
  const bytes = await readNamed(bundleFile);
  const { outcome, code } = await verifyOffline(bytes, parseTrust(await readNamed(trustFile)));
  if (outcome !== "accepted") throw new TrisealError("VERIFICATION_FAILED", `the bundle is ${outcome}: ${code}`);
  const found = claimOfBundle(parseBundle(bytes));
  if (found === null) throw new TrisealError("FORMAT_INVALID", "the bundle is about no run of the fhe path");
  return found;
}

/** What a claim says of an account, without its value. @throws TrisealError `NOT_FOUND`. */
function stateOf({ claim, receiptId }: ReceiptedClaim, account: string): Omit<BalanceStatement, "value" | "to" | "issuedAt"> {
  const write = claim.writes.find((candidate) => candidate.account === account);
  const output = claim.outputs.find(({ handle }) => handle === write?.handle);
  if (write === undefined || output === undefined)
    throw new TrisealError("NOT_FOUND", "the run of this bundle wrote no encrypted state of that account");
  const { t: type, digest, handle } = output;
  return { keyId: claim.keyId, account, version: write.version, handle, digest, type, receiptId };
}

function statement(account: string, flags: StatementFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const state = stateOf(await verifiedClaim(flags.bundle, flags.trust), account);
    const { key, clientKey } = await readKeyFolder(flags.keys);
    if (key.keyId !== state.keyId) throw fheError("FHE_KEY_INVALID", "the account is under another key set");
    const value = await needNative().decrypt(clientKey, state.type, await blobFile(flags.blobs, state.digest));
    const signer = await readSeedFile(flags.signingKey);
    const sealed = await sealBalance({ ...state, value, to: hexText(32)(flags.to, "--to"), issuedAt: systemClock() }, signer);
    await writeFile(flags.out, sealed);
    const { publicKey } = signer;
    if (flags.json) console.log(JSON.stringify({ ok: true, out: flags.out, holder: publicKey, version: state.version }));
    else
      console.log(
        `version ${state.version} of ${account}, sealed in ${flags.out}\nholder     ${publicKey}: whoever opens it must know this key from you`,
      );
  });
}

const decodeKey = object({ v: oneOf(1), publicKey: hexText(32), privateKey: hexText(32) });

async function readBalanceKey(file: string): Promise<BalanceKey> {
  const { publicKey, privateKey } = decodeKey(parseJson(await readNamed(file)), "key");
  return { publicKey, privateKey };
}

function statementKey(flags: { readonly out: string; readonly json?: true }): Promise<void> {
  return refusing(flags.json, async () => {
    const key = await makeBalanceKey();
    await writeFile(flags.out, `${JSON.stringify({ v: 1, ...key })}\n`, { mode: 0o600, flag: "wx" });
    console.log(
      flags.json
        ? JSON.stringify({ ok: true, publicKey: key.publicKey })
        : `to         ${key.publicKey}: give this to the key's holder`,
    );
  });
}

/** @throws TrisealError `FHE_STATEMENT_INVALID` where a receipt says otherwise. */
async function assertInBundle(stated: BalanceStatement, bundle: string, trust: string): Promise<void> {
  const state = stateOf(await verifiedClaim(bundle, trust), stated.account);
  const same = (Object.keys(state) as (keyof typeof state)[]).every((name) => state[name] === stated[name]);
  if (!same) throw fheError("FHE_STATEMENT_INVALID", "the receipt says something else of that account");
}

function open(file: string, flags: OpenFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const sealed = new Uint8Array(await readFile(file));
    const stated = await openBalance(sealed, await readBalanceKey(flags.own), hexText(32)(flags.holder, "--holder"));
    const checked = flags.bundle !== undefined && flags.trust !== undefined;
    if (flags.bundle !== undefined && flags.trust !== undefined) await assertInBundle(stated, flags.bundle, flags.trust);
    if (flags.json) {
      console.log(JSON.stringify({ ok: true, receipt: checked ? "verified" : "not shown", ...stated }));
      return;
    }
    const { account, version, value, type, handle, issuedAt, receiptId } = stated;
    const lines = [
      `value      ${value} (${type})`,
      `of         version ${version} of ${account}, handle ${handle}`,
      `said       ${formatTime(issuedAt)} by the holder of the key; it rests on the holder's word`,
      checked
        ? `receipt    ${receiptId}, verified: it wrote this handle`
        : `receipt    ${receiptId}, not shown: --bundle and --trust check that it wrote this handle`,
    ];
    console.log(lines.join("\n"));
  });
}

/** Adds the commands about balance statements. */
export function addStatementCommands(fhe: Command): void {
  fhe
    .command("statement <account>")
    .description("as the holder of the key: say what an account held after a run, signed, and sealed to one who lacks the key")
    .requiredOption("--bundle <file>", "bundle of the run that wrote the account")
    .requiredOption("--trust <file>", "trust file that must accept the bundle")
    .requiredOption("--keys <dir>", "folder of the key set")
    .requiredOption("--blobs <dir>", "folder of `fhe export`")
    .requiredOption("--to <hex>", "X25519 public key of the one who asked (`fhe statement-key`)")
    .requiredOption("--signing-key <file>", "file of your Ed25519 seed; one that is not there is made")
    .requiredOption("--out <file>", "file for the sealed statement")
    .option("--json", "print one JSON object")
    .action(statement);
  fhe
    .command("statement-key")
    .description("make a key that statements can be sealed to")
    .requiredOption("--out <file>", "file for it, which must not exist")
    .option("--json", "print one JSON object")
    .action(statementKey);
  fhe
    .command("open-statement <file>")
    .description("open a statement that was sealed to you")
    .requiredOption("--own <file>", "your key of `fhe statement-key`")
    .requiredOption("--holder <hex>", "Ed25519 public key of the key's holder, as you know it from elsewhere")
    .option("--bundle <file>", "bundle of the run: checks that the statement is about what it wrote")
    .option("--trust <file>", "with --bundle: trust file that must accept it")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit codes: 0 opened, 10 rejected, 30 malformed, 1 anything else.")
    .action(open);
}
