/** `triseal zk setup | contribute | beacon | verify-setup`: how proving keys are made, and by whom. */

import type { Command } from "commander";
import type { Signer } from "../../core/ed25519.ts";
import { TrisealError } from "../../core/errors.ts";
import { g1Json, g2Json } from "../../paths/zk/wire/documents.ts";
import { MAX_BEACON_LOG, SETUP_STATES, type Setup, transcriptDigest } from "../../paths/zk/wire/setup.ts";
import { readSeedFile } from "../seed-file.ts";
import { refusing } from "./refusing.ts";
import { applyBeacon, checkSetup, contribute, type PowersFile, setUpForDevelopment, setUpFromPowers } from "./run-setup.ts";
import { commitmentOf, compilePackage, readPackageKey, readZkPackage } from "./zk-package.ts";

interface PowersFlags {
  readonly ptau?: string;
  readonly ptauSha256?: string;
  readonly json?: true;
}

interface PartyFlags extends PowersFlags {
  readonly name?: string;
  readonly key?: string;
}

function malformed(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", reason);
}

function powersOf({ ptau, ptauSha256 }: PowersFlags): PowersFile | null {
  if (ptau === undefined && ptauSha256 === undefined) return null;
  if (ptau === undefined || ptauSha256 === undefined) return malformed("--ptau and --ptau-sha256 belong together");
  if (!/^[0-9a-f]{64}$/.test(ptauSha256)) malformed("--ptau-sha256 wants 64 lower-case hexadecimal digits");
  return { file: ptau, sha256: ptauSha256 };
}

async function partyOf(flags: PartyFlags): Promise<{ readonly name: string; readonly signer: Signer }> {
  const { name } = flags;
  if (name === undefined || !/^[\x20-\x7e]{1,128}$/.test(name)) return malformed("--name wants your name, as others know you");
  return { name, signer: await readSeedFile(flags.key) };
}

function show(setup: Setup, flags: { readonly json?: true }, extra: Readonly<Record<string, boolean | string>> = {}): void {
  const contributors = setup.contributions.map(({ name, publicKey }) => ({ name, publicKey }));
  const transcript = transcriptDigest(setup);
  if (flags.json) {
    const { state, circuitDigest, keyDigest } = setup;
    const beacon = setup.beacon !== null;
    console.log(JSON.stringify({ ok: true, state, circuitDigest, keyDigest, transcript, contributors, beacon, ...extra }));
    return;
  }
  const lines = [
    `setup       ${setup.state}`,
    ...(setup.architectureDigest === undefined
      ? []
      : [`of          ${setup.architectureDigest} (an architecture: weights are private)`]),
    `circuit     ${setup.circuitDigest}`,
    `key         ${setup.keyDigest}`,
    ...contributors.map(({ name, publicKey }, at) => `${at + 1}.          ${name} ${publicKey}`),
    ...(setup.beacon === null ? [] : [`beacon      ${setup.beacon.value} (${setup.beacon.source})`]),
    ...(setup.phase1 === null ? [] : [`transcript  ${transcript}`]),
  ];
  console.log(lines.join("\n"));
}

interface SetupFlags extends PartyFlags {
  readonly state: string;
}

async function developmentKey(dir: string, flags: SetupFlags, powers: PowersFile | null): Promise<void> {
  if (powers !== null) malformed("a `dev-insecure` key takes no powers of tau");
  const silent = flags.json === true;
  show(await setUpForDevelopment(await compilePackage(dir), silent), flags);
  if (!silent) console.log("note        whoever made this key can forge proofs: verifiers refuse it unless told otherwise");
}

function setup(dir: string, flags: SetupFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const silent = flags.json === true;
    const state =
      SETUP_STATES.find((item) => item === flags.state) ?? malformed(`--state wants one of ${SETUP_STATES.join(", ")}`);
    const powers = powersOf(flags);
    if (state === "dev-insecure") return developmentKey(dir, flags, powers);
    if (powers === null) return malformed(`--state ${state} wants --ptau and --ptau-sha256`);
    const party = state === "single-party" ? await partyOf(flags) : null;
    show(await setUpFromPowers(await compilePackage(dir), powers, party, silent), flags);
    if (!silent && party === null)
      console.log("note        nobody contributed yet, so the key is refused: `triseal zk contribute` next");
  });
}

function contributeOnce(dir: string, flags: PartyFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const zk = await readZkPackage(dir);
    const powers = powersOf(flags);
    const done = await contribute(zk, await partyOf(flags), powers, flags.json === true);
    show(done, flags, { keyCheckedFirst: powers !== null });
    if (powers === null && !flags.json) {
      console.log(
        "note        the key was not checked to be the circuit's: give --ptau, or run `triseal zk verify-setup --ptau` yourself",
      );
    }
  });
}

interface BeaconFlags {
  readonly value: string;
  readonly source: string;
  readonly iterationsLog: string;
  readonly json?: true;
}

function beacon(dir: string, flags: BeaconFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const { value, source } = flags;
    const iterationsLog = Number(flags.iterationsLog);
    if (!/^[0-9a-f]{64}$/.test(value)) malformed("--value wants 32 bytes in lower-case hexadecimal");
    if (!/^[\x20-\x7e]{1,512}$/.test(source)) malformed("--source wants what the value is and where it can be looked up");
    if (!Number.isInteger(iterationsLog) || iterationsLog < 0 || iterationsLog > MAX_BEACON_LOG) {
      malformed(`--iterations-log wants a number from 0 to ${MAX_BEACON_LOG}`);
    }
    show(await applyBeacon(await readZkPackage(dir), { value, source, iterationsLog }, flags.json === true), flags);
  });
}

/** What a relying party can write into its trust file to accept this very transcript. */
function trustEntry(done: Setup): readonly string[] {
  if (done.phase1 === null || done.state !== "ceremony") return [];
  const { digest, alpha, beta } = done.phase1;
  return [
    "",
    "entry for paths.zk.setups of a trust file (compare the powers' digest with a source of your own):",
    `- { state: ceremony, transcript: "${transcriptDigest(done)}",`,
    `    powers: { digest: "${digest}", alpha: ${JSON.stringify(g1Json(alpha))}, beta: ${JSON.stringify(g2Json(beta))} } }`,
  ];
}

/** What the owner of private weights can tell a relying party to write into its trust file. */
function weightEntries({ keyDigest, architectureDigest }: Setup, weights: string | null): readonly string[] {
  if (weights === null) return [];
  return [
    "",
    "entries for paths.zk of a trust file: they say that these weights are the model's, and that the key is the architecture's",
    `models: [{ name: NAME, digest: MODEL, weights: ["${weights}"] }]`,
    `keys: [{ digest: "${keyDigest}", architecture: "${architectureDigest}" }]`,
  ];
}

function verifySetupOf(dir: string, flags: PowersFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const zk = await readZkPackage(dir);
    const { ofCircuit } = await checkSetup(zk, await readPackageKey(zk), powersOf(flags), flags.json === true);
    const weights = await commitmentOf(zk);
    show(zk.setup, flags, { keyIsOfCircuit: ofCircuit, ...(weights === null ? {} : { weightCommitment: weights }) });
    if (flags.json) return;
    const notShown =
      zk.setup.phase1 === null
        ? "nothing shows how the key was made"
        : "the transcript leads to the key's delta; that the rest of the key is the circuit's was not checked: give --ptau";
    console.log(
      [
        `checked     ${ofCircuit ? "transcript and key: the key is that of this circuit and these powers of tau" : notShown}`,
        ...trustEntry(zk.setup),
        ...weightEntries(zk.setup, weights),
      ].join("\n"),
    );
  });
}

function withPowers(command: Command): Command {
  return command
    .option("--ptau <file>", "powers of tau, a .ptau file")
    .option("--ptau-sha256 <hex>", "the SHA-256 that the powers must have, from a source that you trust")
    .option("--json", "print one JSON object");
}

function withParty(command: Command): Command {
  return withPowers(command)
    .option("--name <name>", "your name, as others know you")
    .option("--key <file>", "your Ed25519 seed in hexadecimal; made and kept where the file is not there");
}

/** Adds the setup commands. */
export function addSetupCommands(zk: Command): void {
  withParty(
    zk
      .command("setup <dir>")
      .description("make the key of a built model package, or of the statement in a folder `threshold-statement`"),
  )
    .requiredOption("--state <state>", SETUP_STATES.join(", "))
    .action(setup);
  withParty(
    zk.command("contribute <dir>").description("contribute to a ceremony: multiply delta by a secret and forget it"),
  ).action(contributeOnce);
  zk.command("beacon <dir>")
    .description("end a ceremony with a public value that nobody could choose")
    .requiredOption("--value <hex>", "32 bytes")
    .requiredOption("--source <text>", "what the value is and where it can be looked up")
    .option("--iterations-log <n>", "hash the value 2^n times", "20")
    .option("--json", "print one JSON object")
    .action(beacon);
  withPowers(
    zk.command("verify-setup <dir>").description("check a package's transcript, and with --ptau that its key is the circuit's"),
  ).action(verifySetupOf);
}
