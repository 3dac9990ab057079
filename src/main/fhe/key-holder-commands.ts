/** `triseal fhe key-holder`, `key-holder-config` and `key-holder-trust`: a key's holder that nobody's word stands for (fhe SPEC 11). */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { parse as parseYaml, stringify } from "yaml";
import { readBoundedBody } from "../../core/bounded-body.ts";
import { encodeHex, parseUtf8 } from "../../core/bytes.ts";
import { base64Bytes, digest, jsonObject, object, oneOf } from "../../core/decode.ts";
import { TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import { findShipped } from "../../paths/fhe/compile/shipped.ts";
import { parseFheTrust } from "../../paths/fhe/evidence/trust-section.ts";
import { decodeHolderConfiguration, holderConfigurationDigest } from "../../paths/fhe/wire/key-holder.ts";
import { parseHolderEvidence } from "../../paths/tee/wire/keyset.ts";
import { parseSimulatedEvidence, SIMULATED_TYPE } from "../../paths/tee/wire/simulated.ts";
import { parseTrust, pathSection, type TrustedService } from "../../trust/trust-file.ts";
import { isSimulatedAttester } from "../attester-form.ts";
import { simulatedEvidence } from "../draft-trust.ts";
import { digestOfFile } from "../file-digest.ts";
import { writeNew } from "../new-file.ts";
import { programArguments } from "../package-root.ts";
import { readNamed } from "../refusing.ts";
import { again } from "../repeated-option.ts";
import { readKeyFolder } from "./key-folder.ts";
import { nativeFile, needNative } from "./native-program.ts";
import { refusing } from "./refusing.ts";

const MAX_CONFIG_BYTES = 256 * 1024;
/** For fresh evidence: hardware takes seconds. */
const TIMEOUT_MS = 30_000;
const MAX_DESCRIPTION_BYTES = 8 * 1024 * 1024;
const TODO_BECAUSE = "CHECK: drafted from the key holder's own word; write here why you accept it";

interface DraftFlags {
  readonly keys: string;
  readonly trust: string;
  readonly service?: string;
  readonly reveal: readonly string[];
  readonly data: string;
  readonly seed?: string;
  readonly out: string;
}

async function readYamlFile(file: string): Promise<JsonObject> {
  const bytes = await readNamed(file, MAX_CONFIG_BYTES);
  let document: unknown;
  try {
    document = parseYaml(parseUtf8(bytes), { uniqueKeys: true, maxAliasCount: 0, schema: "core" });
  } catch (cause) {
    throw new TrisealError("CONFIG_INVALID", "the key holder's configuration is not YAML", { cause });
  }
  if (isJsonObject(document as JsonObject)) return document as JsonObject;
  throw new TrisealError("CONFIG_INVALID", "the key holder's configuration is no map");
}

interface HolderFlags {
  readonly config: string;
  readonly dev?: true;
  readonly json?: true;
}

/** Its paths are relative to the file. The program that decrypts is this installation's where none is named. */
async function configurationLine({ config: file, dev }: HolderFlags): Promise<string> {
  const document = await readYamlFile(file);
  const at = (path: JsonObject[string] | undefined) => (typeof path === "string" ? resolve(dirname(file), path) : (path ?? null));
  const attester = document["attester"];
  const type = isJsonObject(attester ?? null) ? (attester as JsonObject)["type"] : null;
  if (dev !== true && typeof type === "string" && isSimulatedAttester({ type }))
    throw new TrisealError("CONFIG_INVALID", "the key holder's attester is simulated, which proves nothing: --dev permits it");
  const platform =
    isJsonObject(attester) && attester["type"] === SIMULATED_TYPE
      ? { ...attester, seedFile: at(attester["seedFile"]) }
      : attester;
  const program = document["program"] === undefined ? nativeFile() : at(document["program"]);
  const placed = { keys: at(document["keys"]), dataDir: at(document["dataDir"]), program };
  return JSON.stringify({ v: 1, ...document, ...placed, attester: platform ?? null });
}

/** Runs the holder as a process of its own until it is stopped: this one has neither its memory nor its key. */
function keyHolder(flags: HolderFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const line = await configurationLine(flags);
    const child = spawn(process.execPath, programArguments("enclave/key-holder/main"), {
      stdio: ["pipe", "inherit", "inherit"],
      env: { PATH: process.env["PATH"] ?? "" },
    });
    child.stdin.on("error", () => undefined);
    child.stdin.write(`${line}\n`);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill("SIGTERM"));
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) process.exitCode = code ?? 1;
  });
}

function serviceIn(services: readonly TrustedService[], name: string | undefined): TrustedService {
  const [first, ...others] = services.filter((service) => name === undefined || service.name === name);
  if (first !== undefined && others.length === 0) return first;
  throw new TrisealError("NOT_FOUND", "--service: name one service of the trust file");
}

/** `PROGRAM=OUTPUT,…` as the configuration has it; a shipped program, or one that the trust file names. */
function revealedProgram(spelled: string, named: readonly { readonly name: string; readonly digest: string }[]): JsonObject {
  const [name = "", outputs = ""] = spelled.split("=", 2);
  const digest = named.find((program) => program.name === name)?.digest ?? findShipped(name)?.program.digest;
  if (digest === undefined) throw new TrisealError("NOT_FOUND", "--reveal: no such program");
  return { name, digest, outputs: outputs.split(",") };
}

function keyHolderConfig(flags: DraftFlags): Promise<void> {
  return refusing(undefined, async () => {
    needNative();
    const service = serviceIn(parseTrust(await readNamed(flags.trust)).services, flags.service);
    const { engines, programs } = parseFheTrust(pathSection(service, "fhe"));
    const native = await digestOfFile(nativeFile());
    const named = "accept" in programs ? [] : programs;
    const { paths: _, ...entry } = service;
    const { key } = await readKeyFolder(flags.keys);
    const measured = {
      v: 1,
      kind: "triseal.fhe.key-holder.v1",
      keyId: key.keyId,
      decryptsWith: native,
      programs: flags.reveal.map((spelled) => revealedProgram(spelled, named)),
      // Where the trust file accepts any build of an engine, the one that is built here.
      engines: engines.map((engine) => ({
        publicKey: engine.publicKey,
        builds: "builds" in engine ? engine.builds : [native],
      })),
      engineBasis: "signature",
      inputs: "proven-lists",
      service: JSON.parse(JSON.stringify(entry)) as JsonObject,
    };
    const configuration = holderConfigurationDigest(decodeHolderConfiguration(measured as JsonObject, "measured"));
    const attester = flags.seed === undefined ? { type: "tpm2" } : { type: SIMULATED_TYPE, seedFile: resolve(flags.seed) };
    const places = { keys: resolve(flags.keys), dataDir: resolve(flags.data) };
    await writeNew(flags.out, stringify({ measured, attester, ...places }, { lineWidth: 0, aliasDuplicateObjects: false }));
    console.log(`${flags.out}: read it. Its measured part is ${configuration}; whoever accepts that accepts the whole rule`);
  });
}

const decodeDescription = object({
  v: oneOf(1),
  configurationDigest: digest,
  configuration: jsonObject,
  evidence: base64Bytes(MAX_DESCRIPTION_BYTES),
});

interface TrustFlags {
  readonly holder: string;
  readonly name: string;
}

/** The entry of `paths.fhe.keys` for a holder, from its own word: for a person to check. */
function keyHolderTrust({ holder, name }: TrustFlags): Promise<void> {
  return refusing(undefined, async () => {
    const nonce = encodeHex(new Uint8Array(randomBytes(32)));
    const response = await fetch(`${holder.replace(/\/$/, "")}/v1/key-holder?nonce=${nonce}`, {
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: unknown) => {
      throw new TrisealError("SERVICE_UNREACHABLE", "the key holder does not answer", { cause });
    });
    const bytes = await readBoundedBody(response, MAX_DESCRIPTION_BYTES);
    if (bytes === null || !response.ok) throw new TrisealError("NOT_FOUND", `the key holder answered ${response.status}`);
    const description = decodeDescription(parseJson(bytes), "key holder");
    const configuration = decodeHolderConfiguration(description.configuration, "configuration");
    const { type, statement, evidence } = parseHolderEvidence(description.evidence);
    const platforms = type === SIMULATED_TYPE ? [parseSimulatedEvidence(evidence).platformKey] : [];
    const attested = {
      configuration: holderConfigurationDigest(configuration),
      evidence: simulatedEvidence(platforms, TODO_BECAUSE),
      workers: [{ digest: statement.workerDigest }],
    };
    console.log(stringify([{ keyId: configuration.keyId, holder: name, attested }], { lineWidth: 0 }).trimEnd());
  });
}

/** Adds the commands about key holders. */
export function addKeyHolderCommands(fhe: Command): void {
  fhe
    .command("key-holder")
    .description("run an attested key holder: it decrypts the outputs that its configuration names, each auction once")
    .requiredOption("--config <file>", "its configuration in YAML (`fhe key-holder-config` drafts one)")
    .option("--dev", "permit a simulated attester, which proves nothing")
    .option("--json", "print a refusal as one JSON object")
    .action(keyHolder);
  fhe
    .command("key-holder-config")
    .description("draft the configuration of a key holder from a trust file")
    .requiredOption("--keys <dir>", "folder of the key set")
    .requiredOption("--trust <file>", "trust file that names the service and its engines")
    .option("--service <name>", "service of the trust file, where it names several")
    .requiredOption("--reveal <program=output,…>", "program and its outputs that may be revealed; may be given again", again)
    .requiredOption("--data <dir>", "folder of what was revealed")
    .option(
      "--seed <file>",
      "seed of a simulated platform, which proves nothing about hardware; a TPM's word where it is left out",
    )
    .requiredOption("--out <file>", "file for it, which must not exist")
    .action(keyHolderConfig);
  fhe
    .command("key-holder-trust")
    .description("draft the trust file's entry about a key holder from its own word: an entry of `paths.fhe.keys`, to be checked")
    .requiredOption("--holder <url>", "the key holder")
    .requiredOption("--name <name>", "what verdicts call it")
    .action(keyHolderTrust);
}
