/** `triseal fhe export` and `triseal fhe replay`: a run, executed again by somebody else, byte for byte. */
import { copyFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Command } from "commander";
import { fheClient } from "../../client/index.ts";
import { digestFromHex, digestHex, type Sha256Digest } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { emptyAccounts, freshInputs, wrongZero } from "../../paths/fhe/evidence/first-zeros.ts";
import { claimOfBundle } from "../../paths/fhe/evidence/receipted-claim.ts";
import { recompile } from "../../paths/fhe/evidence/recompile.ts";
import type { Replayed } from "../../paths/fhe/evidence/replayed.ts";
import { type Claim, type SignedClaim, verifyClaim } from "../../paths/fhe/wire/claim.ts";
import { fheError } from "../../paths/fhe/wire/codes.ts";
import { LWE_TYPE } from "../../paths/fhe/wire/document.ts";
import { parseProgram } from "../../paths/fhe/wire/program.ts";
import { ZERO_SEED, zeroCircuit } from "../../paths/fhe/wire/zero.ts";
import { type Bundle, parseBundle } from "../../receipt/bundle.ts";
import { parseTrust } from "../../verify/index.ts";
import { OUTCOME_EXIT } from "../exit-code.ts";
import { type GatewayFlags, withClient } from "../gateway-client.ts";
import { verdictLines } from "../print-verdict.ts";
import { readNamed } from "../refusing.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { blobFile, fetchInto, namedBy } from "./blob-source.ts";
import { needNative } from "./native-program.ts";
import { encryptedCircuit, type OwnCircuit, readIntegerModel } from "./own-model.ts";
import { refusing } from "./refusing.ts";
import { verifyOffline } from "./verify-offline.ts";

interface ExportFlags extends GatewayFlags {
  readonly gateway: string;
  readonly out: string;
  readonly json?: true;
}

interface ReplayFlags extends GatewayFlags {
  readonly blobs: string;
  readonly model?: string;
  readonly json?: true;
  readonly verbose?: true;
}

/** The claim of a bundle. @throws TrisealError `FORMAT_INVALID`; `FHE_CLAIM_INVALID`. */
function claimIn(bundle: Bundle): SignedClaim {
  const found = claimOfBundle(bundle);
  if (found === null) throw new TrisealError("FORMAT_INVALID", "the bundle is about no run of the fhe path");
  if (!verifyClaim(found)) throw fheError("FHE_CLAIM_INVALID", "the signature of the stated engine does not verify");
  return found;
}

/** What the claim's program compiles to here; that of a model is in no bundle. @throws TrisealError `FORMAT_INVALID`, `NOT_FOUND`. */
async function circuitOf({ programDigest, inputs, outputs }: Claim, bundle: Bundle, model?: string): Promise<OwnCircuit> {
  if (outputs.some(({ t }) => t === LWE_TYPE)) {
    const checked = model === undefined ? null : await readIntegerModel(model);
    if (checked?.digest === programDigest) return encryptedCircuit(checked);
    throw new TrisealError("NOT_FOUND", `the run is one of a model, and --model shows no model of digest ${programDigest}`);
  }
  const document = bundle.blobs.get(programDigest);
  if (document === undefined) throw new TrisealError("FORMAT_INVALID", "the program is not in the bundle");
  const clear = new Map(inputs.flatMap((input) => ("clear" in input ? [[input.n, input.clear] as const] : [])));
  return recompile(document, programDigest, clear);
}

/** The circuit of a claim, compiled here. @throws TrisealError as `circuitOf`; `FHE_CIRCUIT_MISMATCH`. */
async function compiledHere(claim: Claim, bundle: Bundle, model?: string): Promise<OwnCircuit> {
  const { circuitDigest, pbs } = claim;
  const compiled = await circuitOf(claim, bundle, model);
  if (compiled.circuitDigest !== circuitDigest || compiled.pbs !== pbs)
    throw fheError("FHE_CIRCUIT_MISMATCH", "the program compiles to another circuit than was claimed");
  return compiled;
}

/** Refuses first balances that are not the zero that this server key gives. @throws TrisealError `FHE_REPLAY_MISMATCH`. */
async function assertZeros(claim: Claim, bundle: Bundle, serverKey: string): Promise<void> {
  const document = bundle.blobs.get(claim.programDigest);
  if (emptyAccounts(claim).length === 0 || document === undefined) return;
  const types = new Map(parseProgram(document).inputs.map(({ n, t }) => [n, t] as const));
  const zeros = new Map<string, string>();
  await inTemporaryFolder(async (folder) => {
    for (const t of new Set(freshInputs(claim).flatMap(({ n }) => types.get(n) ?? []))) {
      const circuit = join(folder, `zero-${t}.json`);
      await writeFile(circuit, zeroCircuit(t));
      const [zero] = (await needNative().replay(serverKey, circuit, ZERO_SEED, [])).outputs;
      if (zero !== undefined) zeros.set(t, zero);
    }
  });
  const wrong = wrongZero(claim, (n, digest) => zeros.get(types.get(n) ?? "") === digest);
  if (wrong !== null) throw fheError("FHE_REPLAY_MISMATCH", wrong);
}

async function replayed(claim: Claim, bundle: Bundle, compiled: OwnCircuit, blobs: string): Promise<Replayed> {
  const given = claim.inputs.flatMap((input) => ("clear" in input ? [] : [input.digest]));
  const serverKey = await blobFile(blobs, digestFromHex(claim.keyId));
  const files: string[] = [];
  for (const digest of given) files.push(await blobFile(blobs, digest));
  await assertZeros(claim, bundle, serverKey);
  return inTemporaryFolder(async (folder) => {
    const circuit = join(folder, "circuit.json");
    await writeFile(circuit, compiled.circuit);
    const { circuitDigest, inputs, outputs, pbs } = await needNative().replay(serverKey, circuit, claim.seed, files);
    if (pbs !== claim.pbs) throw fheError("FHE_REPLAY_MISMATCH", `${pbs} bootstraps were run, and ${claim.pbs} claimed`);
    return { seed: claim.seed, circuitDigest, inputs, outputs };
  });
}

/** @throws TrisealError `FHE_REPLAY_MISMATCH`, naming what differs. */
function assertSame(claim: Claim, made: Replayed): void {
  if (made.circuitDigest !== claim.circuitDigest) throw fheError("FHE_REPLAY_MISMATCH", "another circuit was executed");
  const given = claim.inputs.flatMap((input) => ("clear" in input ? [] : [input]));
  const input = given.find(({ digest }, at) => made.inputs[at] !== digest);
  if (input !== undefined || made.inputs.length !== given.length)
    throw fheError("FHE_REPLAY_MISMATCH", `input ${input?.n ?? "list"} is another than was claimed`);
  const output = claim.outputs.find(({ digest }, at) => made.outputs[at] !== digest);
  if (output !== undefined || made.outputs.length !== claim.outputs.length)
    throw fheError("FHE_REPLAY_MISMATCH", `output ${output?.n ?? "list"} is another than was claimed`);
}

function fetched(folder: string, claim: Claim, flags: GatewayFlags & { readonly gateway: string }) {
  return withClient(flags, (client) => fetchInto(folder, namedBy(claim), fheClient(client)));
}

async function withBlobs<T>(claim: Claim, flags: ReplayFlags, work: (folder: string) => Promise<T>): Promise<T> {
  if (!/^https?:/.test(flags.blobs)) return work(flags.blobs);
  return inTemporaryFolder(async (folder) => {
    const [missing] = await fetched(folder, claim, { ...flags, gateway: flags.blobs });
    if (missing !== undefined) throw new TrisealError("NOT_FOUND", `${missing} is not among what this API key may read there`);
    return work(folder);
  });
}

function replay(file: string, flags: ReplayFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const bytes = await readNamed(file);
    const bundle = parseBundle(bytes);
    const { claim } = claimIn(bundle);
    const compiled = await compiledHere(claim, bundle, flags.model);
    const made = await withBlobs(claim, flags, (folder) => replayed(claim, bundle, compiled, folder));
    assertSame(claim, made);
    const same = { ok: true, code: null, pbs: claim.pbs, outputs: claim.outputs, engine: claim.engine };
    if (flags.trust === undefined) {
      if (flags.json) console.log(JSON.stringify({ ...same, verdict: null }));
      else console.log(`${sameLine(claim)}\nwho signed and logged it was not checked: name a trust file with --trust`);
      return;
    }
    const { circuitDigest, pbs } = compiled;
    const shown = claim.outputs.every(({ t }) => t !== LWE_TYPE) ? { ...made } : { circuitDigest, pbs, replayed: { ...made } };
    const programs = new Map([["fhe", new Map([[claim.programDigest, shown]])]]);
    const verdict = await verifyOffline(bytes, parseTrust(await readNamed(flags.trust)), programs);
    if (flags.json) console.log(JSON.stringify({ ...same, ok: verdict.outcome === "accepted", code: verdict.code, verdict }));
    else console.log([sameLine(claim), ...verdictLines(verdict, flags.verbose === true)].join("\n"));
    process.exitCode = OUTCOME_EXIT[verdict.outcome];
  });
}

function sameLine({ pbs, outputs }: Claim): string {
  return `SAME       ${pbs} bootstraps, executed again here, give ${outputs.map(({ n }) => n).join(", ")} byte for byte`;
}

function exportBlobs(file: string, flags: ExportFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const bundle = parseBundle(await readNamed(file));
    const { claim } = claimIn(bundle);
    const missing = await fetched(flags.out, claim, flags);
    const digests = namedBy(claim).map(({ digest }) => digest);
    const program = bundle.blobs.get(claim.programDigest);
    if (program !== undefined) await writeFile(join(flags.out, digestHex(claim.programDigest)), program);
    await copyFile(file, join(flags.out, basename(file)));
    const blobs = digests.filter((digest) => !missing.includes(digest));
    if (missing.length > 0) process.exitCode = OUTCOME_EXIT.unsupported;
    if (flags.json) console.log(JSON.stringify({ ok: missing.length === 0, out: flags.out, blobs, missing }));
    else console.log(exportLines(basename(file), flags.out, blobs.length, missing).join("\n"));
  });
}

function exportLines(bundle: string, out: string, count: number, missing: readonly Sha256Digest[]): readonly string[] {
  const there = `${count} blobs of ${bundle} are in ${out}`;
  if (missing.length === 0) return [`${there}: \`triseal fhe replay\` needs nothing else`];
  return [
    there,
    ...missing.map((digest) => `missing    ${digest}: not among what this API key may read`),
    "whoever may read the rest exports it into the same folder",
  ];
}

/** Adds `fhe export` and `fhe replay`. */
export function addReplayCommands(fhe: Command): void {
  const gateway = (command: Command): Command =>
    command
      .option("--key <key>", "the API key; by default the one in the environment variable TRISEAL_KEY")
      .option("--ca <file>", "over TLS: authorities in PEM in place of the system's")
      .option("--json", "print one JSON object");
  gateway(
    fhe
      .command("export <bundle>")
      .description("fetch server key and ciphertexts of a run by digest, so that anyone can execute it again")
      .requiredOption("--out <dir>", "folder for the files, each under the digits of its digest")
      .requiredOption("--gateway <url>", "gateway that has them")
      .requiredOption("--trust <file>", "trust file that the gateway must stand in"),
  )
    .addHelpText("after", "\nExit codes: 0 all of it, 20 all but what this API key may not read, 30 malformed, 1 anything else.")
    .action(exportBlobs);
  gateway(
    fhe
      .command("replay <bundle>")
      .description("execute a run again with server key and ciphertexts, and compare byte for byte")
      .requiredOption("--blobs <dir|url>", "folder of `fhe export`, or a gateway")
      .option("--model <dir>", "of a run of a model: package of the integer model, which no bundle holds")
      .option("--trust <file>", "trust file: verifies the bundle, too")
      .option("--verbose", "print the checks that passed, too"),
  )
    .addHelpText("after", "\nExit codes: 0 the same bytes, 10 rejected, 20 not to be had here, 30 malformed, 1 anything else.")
    .action(replay);
}
