/** `triseal fhe keygen`, `encrypt`, `decrypt` and `upload-key`: the key stays in its folder. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { fheClient } from "../../client/index.ts";
import { TrisealError } from "../../core/errors.ts";
import { type GatewayFlags, withClient } from "../gateway-client.ts";
import { progressLine } from "../model/progress-line.ts";
import { assertKeyFiles, readKeyFolder, uploadFiles } from "./key-folder.ts";
import { needNative } from "./native-program.ts";
import { refusing } from "./refusing.ts";

interface KeygenFlags {
  readonly out: string;
  readonly kind: string;
  readonly json?: true;
}

interface CipherFlags {
  readonly keys: string;
  readonly type: string;
  readonly out: string;
  readonly in: string;
  readonly json?: true;
}

interface UploadFlags extends GatewayFlags {
  readonly gateway: string;
  readonly json?: true;
}

function kindOf(kind: string): "integer" | "lwe" {
  if (kind === "integer" || kind === "lwe") return kind;
  throw new TrisealError("FORMAT_INVALID", "--kind: expected integer or lwe");
}

function keygen(flags: KeygenFlags): Promise<void> {
  return refusing(flags.json, async () => {
    await needNative().keygen(flags.out, kindOf(flags.kind));
    const folder = await readKeyFolder(flags.out);
    await assertKeyFiles(folder);
    const { keyId, parameters, serverKey } = folder.key;
    if (flags.json) console.log(JSON.stringify({ ok: true, ...folder.key }));
    else
      console.log(
        `key set ${keyId} (${parameters}) in ${flags.out}\n${folder.clientKey} decrypts everything under it: it leaves this machine on no command's account\nserver key ${serverKey.bytes} bytes: \`triseal fhe upload-key ${flags.out} --gateway URL\``,
      );
  });
}

/** A value of the command line; `@FILE` reads it, so that it stands in no list of processes. */
export async function givenValue(text: string): Promise<string> {
  if (!text.startsWith("@")) return text;
  const read = await readFile(text.slice(1), "utf8").catch((cause: unknown) => {
    throw new TrisealError("FORMAT_INVALID", "the file of a value cannot be read", { cause });
  });
  return read.trim();
}

function encrypt(value: string, flags: CipherFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const { clientKey } = await readKeyFolder(flags.keys);
    await needNative().encrypt(clientKey, { t: flags.type, v: await givenValue(value) }, flags.out);
    console.log(flags.json ? JSON.stringify({ ok: true, out: flags.out }) : `encrypted as ${flags.type} in ${flags.out}`);
  });
}

function decrypt(flags: CipherFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const { clientKey } = await readKeyFolder(flags.keys);
    const value = await needNative().decrypt(clientKey, flags.type, flags.in);
    console.log(flags.json ? JSON.stringify({ ok: true, value }) : value);
  });
}

function uploadKey(folder: string, flags: UploadFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const keys = await readKeyFolder(folder);
    await assertKeyFiles(keys);
    const line = progressLine("uploading", flags.json === true);
    await withClient(flags, (client) => fheClient(client).uploadKey(keys.key, uploadFiles(keys), { progress: line }));
    const { keyId } = keys.key;
    console.log(flags.json ? JSON.stringify({ ok: true, keyId }) : `the service has key ${keyId}; it cannot decrypt with it`);
  });
}

/** Adds the options that name a gateway. */
export function gatewayOptions(command: Command): Command {
  return command
    .requiredOption("--gateway <url>", "the gateway")
    .requiredOption("--trust <file>", "trust file that the gateway must stand in")
    .option("--key <key>", "the API key; by default the one in the environment variable TRISEAL_KEY")
    .option("--ca <file>", "over TLS: authorities in PEM in place of the system's")
    .option("--json", "print one JSON object");
}

/** Adds the commands about keys. */
export function addKeyCommands(fhe: Command): void {
  fhe
    .command("keygen")
    .description("make a key set, natively")
    .requiredOption("--out <dir>", "folder for it, which must not exist")
    .option("--kind <kind>", "integer: for programs; lwe: for inference", "integer")
    .option("--json", "print one JSON object")
    .action(keygen);
  fhe
    .command("encrypt <value>")
    .description("encrypt one value; it proves nothing, so a run that touches an account does not take it")
    .requiredOption("--keys <dir>", "folder of the key set")
    .requiredOption("--type <type>", "type of the value, such as u64")
    .requiredOption("--out <file>", "file for the ciphertext")
    .option("--json", "print one JSON object")
    .action(encrypt);
  fhe
    .command("decrypt")
    .description("decrypt one ciphertext")
    .requiredOption("--keys <dir>", "folder of the key set")
    .requiredOption("--type <type>", "type of the value, such as u64")
    .requiredOption("--in <file>", "the ciphertext")
    .option("--json", "print one JSON object")
    .action(decrypt);
  gatewayOptions(
    fhe.command("upload-key <dir>").description("upload the public parts of a key set; goes on where it broke off"),
  ).action(uploadKey);
}
