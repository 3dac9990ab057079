/** `triseal fhe run` and `fhe accounts`: a run under a challenge, with inputs proven on this machine. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { type FheClient, type FinishedRun, fheClient } from "../../client/index.ts";
import { encodeHex, utf8 } from "../../core/bytes.ts";
import { parseDigest, sha256Bytes } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import type { AccountState } from "../../paths/fhe/client/fhe-service.ts";
import type { AccountDocument } from "../../paths/fhe/wire/account.ts";
import type { RunTerms } from "../../paths/fhe/wire/run.ts";
import { type GatewayFlags, withClient } from "../gateway-client.ts";
import { readNamed } from "../refusing.ts";
import { again } from "../repeated-option.ts";
import { systemClock } from "../system-clock.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { MAX_VALUE_BYTES } from "./blob-source.ts";
import { gatewayOptions } from "./key-commands.ts";
import { type KeyFolder, readKeyFolder } from "./key-folder.ts";
import { needNative } from "./native-program.ts";
import { dryRun } from "./program-commands.ts";
import { refusing } from "./refusing.ts";
import { inputTypes, type SpelledRun, spelledRun } from "./run-inputs.ts";

interface RunFlags extends GatewayFlags {
  readonly dryRun?: true;
  readonly keys?: string;
  readonly in: readonly string[];
  readonly write: readonly string[];
  readonly parameters?: string;
  readonly bundle?: string;
  readonly document?: string;
  readonly json?: true;
}

interface AccountFlags extends GatewayFlags {
  readonly gateway: string;
  readonly keys: string;
  readonly tenant: string;
  readonly type: string;
  readonly asset?: string;
  readonly cap?: string;
  readonly isAsset?: true;
  readonly read: readonly string[];
  readonly debit: readonly string[];
  readonly credit: readonly string[];
  readonly programs: readonly string[];
  readonly json?: true;
}

/** Proves the secret inputs as one list, in a folder that is gone afterwards. */
async function provenList(
  { publicKey }: KeyFolder,
  { secrets }: SpelledRun,
  metadata: Uint8Array,
  terms: RunTerms,
  crs: Uint8Array,
) {
  if (publicKey === null) throw new TrisealError("FORMAT_INVALID", "the key set has no public key to prove inputs under");
  const types = inputTypes(terms.program);
  const values = secrets.map(({ n, v }) => {
    const t = types.get(n);
    if (t === undefined) throw new TrisealError("FORMAT_INVALID", `the program has no input ${n}`);
    return { t, v };
  });
  return inTemporaryFolder(async (folder) => {
    const [crsFile, out] = [join(folder, "crs"), join(folder, "list")];
    await writeFile(crsFile, crs, { mode: 0o600 });
    await needNative().prove(publicKey, crsFile, metadata, values, out);
    return new Uint8Array(await readFile(out));
  });
}

/** The caller's facts in a file; none without one. @throws TrisealError `FORMAT_INVALID`. */
export async function parametersOf(file: string | undefined): Promise<JsonObject> {
  const parameters = file === undefined ? {} : parseJson(await readNamed(file));
  if (isJsonObject(parameters)) return parameters;
  throw new TrisealError("FORMAT_INVALID", "--parameters: expected a JSON object");
}

function printRun({ answer, receiptId }: FinishedRun, flags: RunFlags): void {
  if (flags.json) {
    console.log(JSON.stringify({ ok: true, receiptId, ...answer }));
    return;
  }
  const { outputs, price } = answer;
  const lines = outputs.map(({ n, t, handle, digest }) => `${n.padEnd(10)} ${t.padEnd(5)} handle ${handle}  ${digest}`);
  console.log([...lines, `receipt    ${receiptId}`, `price      ${price.pbs} bootstraps, ${price.depth} deep`].join("\n"));
}

function run(program: string, flags: RunFlags): Promise<void> {
  if (flags.dryRun) return dryRun(program, flags);
  return refusing(flags.json, async () => {
    const { gateway, keys: folder } = flags;
    if (gateway === undefined || folder === undefined)
      throw new TrisealError("CONFIG_INVALID", "a run needs --gateway, --trust and --keys; --dry-run says what it costs without");
    const keys = await readKeyFolder(folder);
    const spelled = await spelledRun(flags.in, flags.write);
    if (spelled.secrets.length > 0) needNative();
    const parameters = await parametersOf(flags.parameters);
    const stage = (text: string) => {
      if (flags.json === undefined) process.stderr.write(`fhe: ${text}\n`);
    };
    await withClient({ ...flags, gateway }, async (client) => {
      const service = fheClient(client);
      const lists = async (metadata: Uint8Array, terms: RunTerms) => {
        stage("fetching the reference string of proofs");
        const crs = await service.blob(terms.crs.digest, terms.crs.bytes);
        stage("proving the secret inputs here");
        return [await provenList(keys, spelled, metadata, terms, crs)];
      };
      const { inputs, writes } = spelled;
      stage("asking for a challenge; then the engine runs: the first run under a key takes longer");
      const finished = await service.run({ program, keyId: keys.key.keyId, parameters, wish: { inputs, writes, lists } });
      if (flags.bundle !== undefined) await writeFile(flags.bundle, finished.bundle);
      if (flags.document !== undefined) await writeFile(flags.document, finished.document);
      printRun(finished, flags);
    });
  });
}

function accountLine({ document, version, handle, clear }: AccountState, value?: string): string {
  const hidden = value === undefined ? `handle ${handle ?? "none yet"}` : `${value} (decrypted here)`;
  const state = clear === null ? hidden : `minted ${clear} of ${document.cap ?? "no cap"}`;
  return `${document.account.padEnd(20)} ${document.kind.padEnd(7)} ${document.type.padEnd(5)} version ${version}  ${state}`;
}

/** The states under one key set, decrypted with its client key, by account. That they are the accounts' is the service's word. */
async function decryptedStates(service: FheClient, found: readonly AccountState[], folder: string) {
  const { key, clientKey } = await readKeyFolder(folder);
  const native = needNative();
  return inTemporaryFolder(async (place) => {
    const values = new Map<string, string>();
    for (const { document, digest, clear } of found) {
      if (digest === null || clear !== null || document.keyId !== key.keyId) continue;
      const file = join(place, "state");
      await writeFile(file, await service.blob(digest, MAX_VALUE_BYTES), { mode: 0o600 });
      values.set(document.account, await native.decrypt(clientKey, document.type, file));
    }
    return values;
  });
}

function accounts(
  flags: GatewayFlags & { readonly gateway: string; readonly keys?: string; readonly json?: true },
): Promise<void> {
  return refusing(flags.json, async () => {
    const { found, values } = await withClient(flags, async (client) => {
      const service = fheClient(client);
      const all = await service.accounts();
      return { found: all, values: flags.keys === undefined ? null : await decryptedStates(service, all, flags.keys) };
    });
    if (flags.json) {
      const decrypted = values === null ? {} : { decrypted: Object.fromEntries(values) };
      console.log(JSON.stringify({ ok: true, accounts: found, ...decrypted }));
      return;
    }
    const lines = found.map((state) => accountLine(state, values?.get(state.document.account)));
    console.log(found.length === 0 ? "no account that this API key may read" : lines.join("\n"));
  });
}

async function accountDocument(name: string, flags: AccountFlags): Promise<AccountDocument> {
  const { key } = await readKeyFolder(flags.keys);
  const apiKey = flags.key ?? process.env["TRISEAL_KEY"] ?? "";
  const programs = flags.programs.includes("any") ? "any" : flags.programs.map(parseDigest);
  return {
    v: 1,
    kind: flags.isAsset === true ? "asset" : "account",
    tenant: flags.tenant,
    account: name,
    owner: encodeHex(sha256Bytes(utf8(apiKey))),
    acl: { read: flags.read, debit: flags.debit, credit: flags.credit, programs },
    keyId: key.keyId,
    type: flags.type,
    cap: flags.cap ?? null,
    created: systemClock(),
    nonce: encodeHex(crypto.getRandomValues(new Uint8Array(16))),
    ...(flags.asset === undefined ? {} : { asset: flags.asset }),
  };
}

function createAccount(name: string, flags: AccountFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const document = await accountDocument(name, flags);
    const made = await withClient(flags, (client) => fheClient(client).createAccount(document));
    if (flags.json) console.log(JSON.stringify({ ok: true, ...made }));
    else console.log(`${accountLine(made)}\ndocument   ${made.documentDigest}`);
  });
}

/** Adds `fhe run`, `fhe accounts` and `fhe create-account`. */
export function addRunCommands(fhe: Command): void {
  fhe
    .command("run <program>")
    .description("run a program, by name or digest: asks for a challenge, proves secret inputs here, waits, verifies the receipt")
    .option("--dry-run", "count the bootstraps of a shipped program, or of a document in a file, and run nothing")
    .option("--gateway <url>", "the gateway")
    .option("--trust <file>", "trust file that the gateway must stand in")
    .option("--key <key>", "the API key; by default the one in the environment variable TRISEAL_KEY")
    .option("--ca <file>", "over TLS: authorities in PEM in place of the system's")
    .option("--keys <dir>", "folder of the key set")
    .option(
      "--in <name=kind:value>",
      "input: account:NAME, secret:VALUE (or secret:@FILE), clear:VALUE, handle:HEX, ciphertext:FILE",
      again,
      [],
    )
    .option("--write <output=account>", "account that an output becomes the state of", again, [])
    .option("--parameters <file>", "JSON object of facts for the policy, such as a classification")
    .option("--bundle <file>", "write the receipt's bundle here")
    .option("--document <file>", "write the run document here, as it was submitted: `fhe reveal` wants it")
    .option("--json", "print one JSON object")
    .action(run);
  gatewayOptions(fhe.command("accounts").description("accounts that this API key may read, as the service says they are"))
    .option("--keys <dir>", "folder of the key set: decrypts here the states that are under it")
    .action(accounts);
  gatewayOptions(
    fhe
      .command("create-account <name>")
      .description("make an account, or an asset, that this API key owns")
      .requiredOption("--keys <dir>", "folder of the key set")
      .requiredOption("--tenant <name>", "tenant that this API key is of")
      .option("--type <type>", "type of its state", "u64")
      .option("--asset <name>", "asset whose units it holds")
      .option("--is-asset", "make an asset: its state is clear, what was minted")
      .option("--cap <n>", "of an asset: most that may be minted")
      .option("--read <principal>", "SHA-256 of an API key that may read it", again, [])
      .option("--debit <principal>", "SHA-256 of an API key that may take from it", again, [])
      .option("--credit <principal>", "SHA-256 of an API key that may add to it", again, [])
      .option("--programs <digest>", "digest of a program that may take it, or `any`", again, []),
  ).action(createAccount);
}
