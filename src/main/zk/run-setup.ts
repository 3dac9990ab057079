/**
 * Setups, step by step. The package's folder holds the key at hand (`model.zkey`) and the transcript so far (`setup.json`); a
 * contributor takes the folder, contributes, and hands it on.
 */
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestFromHex, digestHex, type Sha256Digest } from "../../core/digest.ts";
import type { Signer } from "../../core/ed25519.ts";
import { TrisealError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { verifySetup } from "../../paths/zk/evidence/setup.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import {
  encodeVerificationKey,
  type PointG1,
  type PointG2,
  pointG1,
  pointG2,
  scalar,
  type VerificationKey,
  verificationKeyDigest,
} from "../../paths/zk/wire/documents.ts";
import {
  type Beacon,
  beaconFactor,
  contributionMessage,
  devSetup,
  encodeSetup,
  nextHash,
  type Setup,
  startHash,
} from "../../paths/zk/wire/setup.ts";
import { readVerificationKey } from "../../paths/zk/wire/zkey.ts";
import { digestOfFile } from "../file-digest.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { developmentKey, ZK_FILES } from "./make-key.ts";
import { type CompiledPackage, subjectOf, type ZkPackage } from "./zk-package.ts";
import { needKeyProgram } from "./zk-programs.ts";

/** A powers-of-tau file and the SHA-256 that it must have. */
export interface PowersFile {
  readonly file: string;
  readonly sha256: string;
}

async function keyOf(zkeyFile: string): Promise<VerificationKey> {
  return readVerificationKey(new Uint8Array(await readFile(zkeyFile))).key;
}

/** Puts the key that a step left in its place, with its transcript. The files are written before any is replaced. */
async function replaceKey(folder: string, zkeyFile: string, setup: Omit<Setup, "keyDigest">): Promise<Setup> {
  const key = await keyOf(zkeyFile);
  const done: Setup = { ...setup, keyDigest: verificationKeyDigest(key) };
  const next = (name: string) => join(folder, `${name}.next`);
  await copyFile(zkeyFile, next(ZK_FILES.zkey));
  await writeFile(next(ZK_FILES.key), encodeVerificationKey(key));
  await writeFile(next(ZK_FILES.setup), encodeSetup(done));
  for (const name of [ZK_FILES.zkey, ZK_FILES.key, ZK_FILES.setup]) await rename(next(name), join(folder, name));
  return done;
}

async function prepared(
  zk: CompiledPackage,
  powers: PowersFile,
  folder: string,
  silent: boolean,
): Promise<{ readonly zkey: string; readonly phase1: NonNullable<Setup["phase1"]> }> {
  const program = needKeyProgram(silent);
  const [r1cs, zkey] = [join(folder, "c.r1cs"), join(folder, "prepared.zkey")];
  await writeFile(r1cs, zk.r1cs, { mode: 0o600 });
  await program.prepare({ r1cs, ptau: powers.file, sha256: powers.sha256, zkey });
  const points = await program.powers(powers.file, powers.sha256);
  const [alpha, beta] = [pointG1(points["alpha"], "alpha"), pointG2(points["beta"], "beta")];
  return { zkey, phase1: { digest: digestFromHex(powers.sha256), alpha, beta, zkey: await digestOfFile(zkey) } };
}

type Unfinished = Omit<Setup, "keyDigest">;

function headOf({ setup }: { readonly setup: Unfinished }): { readonly hash: Sha256Digest; readonly zkey: Sha256Digest } {
  const { phase1, contributions, beacon } = setup;
  if (phase1 === null) throw new TrisealError("FORMAT_INVALID", "a `dev-insecure` key has no transcript to continue");
  const last = beacon ?? contributions.at(-1);
  return last === undefined ? { hash: startHash(setup, phase1), zkey: phase1.zkey } : { hash: last.next, zkey: last.zkey };
}

const deltas = (printed: JsonObject): { readonly delta1: PointG1; readonly delta2: PointG2 } => ({
  delta1: pointG1(printed["delta1"], "delta1"),
  delta2: pointG2(printed["delta2"], "delta2"),
});

async function contributeTo(
  from: string,
  to: string,
  setup: Unfinished,
  contributor: { readonly name: string; readonly signer: Signer },
  silent: boolean,
): Promise<Unfinished> {
  const { circuitDigest } = setup;
  const previous = headOf({ setup }).hash;
  const printed = await needKeyProgram(silent).contribute(from, to, circuitDigest, previous);
  const { commitment, response } = (printed["proof"] ?? {}) as JsonObject;
  const after = { previous, zkey: await digestOfFile(to), ...deltas(printed) };
  const next = nextHash(circuitDigest, after);
  const { name, signer } = contributor;
  const contribution = {
    ...after,
    next,
    name,
    publicKey: signer.publicKey,
    signature: signer.sign(contributionMessage(circuitDigest, { previous, next })),
    proof: { commitment: pointG1(commitment, "commitment"), response: scalar(response, "response") },
  };
  return { ...setup, contributions: [...setup.contributions, contribution] };
}

/** A setup before its key is there. */
function startOf({ compiled, circuitDigest }: CompiledPackage): Omit<Setup, "keyDigest"> {
  const { keyDigest: _, ...start } = devSetup({ ...subjectOf(compiled), circuitDigest, keyDigest: circuitDigest });
  return start;
}

/** Makes a `dev-insecure` key. */
export async function setUpForDevelopment(zk: CompiledPackage, silent: boolean): Promise<Setup> {
  return inTemporaryFolder(async (folder) => {
    const zkey = join(folder, "c.zkey");
    await writeFile(zkey, await developmentKey(zk.compiled.circuit.system, zk.r1cs, silent), { mode: 0o600 });
    return replaceKey(zk.folder, zkey, startOf(zk));
  });
}

/**
 * Makes the key from powers of tau: without a second phase for a ceremony, which is to be contributed to; with the contribution
 * of `party` for a single party.
 * @throws TrisealError `ZK_SETUP_INVALID` for powers of another digest, too few, or that are none.
 */
export async function setUpFromPowers(
  zk: CompiledPackage,
  powers: PowersFile,
  party: { readonly name: string; readonly signer: Signer } | null,
  silent: boolean,
): Promise<Setup> {
  return inTemporaryFolder(async (folder) => {
    const { zkey, phase1 } = await prepared(zk, powers, folder, silent);
    const state = party === null ? ("ceremony" as const) : ("single-party" as const);
    const start = { ...startOf(zk), state, phase1 };
    if (party === null) return replaceKey(zk.folder, zkey, start);
    const contributed = join(folder, "contributed.zkey");
    return replaceKey(zk.folder, contributed, await contributeTo(zkey, contributed, start, party, silent));
  });
}

/** @throws TrisealError `ZK_SETUP_INVALID` where the key at hand is not the one that the transcript ends with. */
async function assertAtHand(zk: ZkPackage): Promise<void> {
  if ((await digestOfFile(zk.zkeyFile)) === headOf(zk).zkey) return;
  throw zkError("ZK_SETUP_INVALID", "`model.zkey` is not the key that the transcript ends with");
}

/** @throws TrisealError `ZK_SETUP_INVALID` unless the key at hand is that of the circuit and the powers, but for delta. */
async function assertOfCircuit(zk: ZkPackage, powers: PowersFile, silent: boolean): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const { zkey, phase1 } = await prepared(zk, powers, folder, silent);
    const stated = zk.setup.phase1;
    if (stated === null || startHash(zk.setup, phase1) !== startHash(zk.setup, stated)) {
      throw zkError("ZK_SETUP_INVALID", "the transcript starts from other powers of tau or another circuit");
    }
    await needKeyProgram(silent).assertSameKey(zkey, zk.zkeyFile);
  });
}

function assertOpen({ setup }: ZkPackage): void {
  if (setup.state !== "ceremony") throw new TrisealError("FORMAT_INVALID", `a \`${setup.state}\` setup takes no contributions`);
  if (setup.beacon !== null) throw new TrisealError("FORMAT_INVALID", "the ceremony has ended: its beacon was applied");
}

/**
 * Adds a contribution to the ceremony in the package's folder, after checking the key at hand (against the circuit too, where
 * the powers are given).
 */
export async function contribute(
  zk: ZkPackage,
  contributor: { readonly name: string; readonly signer: Signer },
  powers: PowersFile | null,
  silent: boolean,
): Promise<Setup> {
  assertOpen(zk);
  await assertAtHand(zk);
  if (powers !== null) await assertOfCircuit(zk, powers, silent);
  if (zk.setup.contributions.some(({ publicKey }) => publicKey === contributor.signer.publicKey)) {
    throw new TrisealError("FORMAT_INVALID", "this contributor's key is in the transcript already");
  }
  return inTemporaryFolder(async (folder) => {
    const to = join(folder, "contributed.zkey");
    return replaceKey(zk.folder, to, await contributeTo(zk.zkeyFile, to, zk.setup, contributor, silent));
  });
}

/** Ends the ceremony with a public value that nobody could choose. */
export async function applyBeacon(
  zk: ZkPackage,
  beacon: Pick<Beacon, "source" | "value" | "iterationsLog">,
  silent: boolean,
): Promise<Setup> {
  assertOpen(zk);
  await assertAtHand(zk);
  if (zk.setup.contributions.length === 0) throw new TrisealError("FORMAT_INVALID", "nobody contributed yet");
  const { circuitDigest } = zk.setup;
  const previous = headOf(zk).hash;
  const factor = beaconFactor({ ...beacon, previous });
  return inTemporaryFolder(async (folder) => {
    const to = join(folder, "beacon.zkey");
    const printed = await needKeyProgram(silent).applyFactor(zk.zkeyFile, to, factor);
    const after = { previous, zkey: await digestOfFile(to), ...deltas(printed) };
    const done = { ...zk.setup, beacon: { ...after, next: nextHash(circuitDigest, after), ...beacon } };
    return replaceKey(zk.folder, to, done);
  });
}

/** How far a setup was checked. */
export interface CheckedSetup {
  /** Whether the key was made again from the circuit and the powers and compared. */
  readonly ofCircuit: boolean;
}

/**
 * Checks the whole setup of a package: transcript, key file, and with the powers that the key is the circuit's.
 * @throws TrisealError `ZK_SETUP_INVALID`, `ZK_KEY_INVALID`.
 */
export async function checkSetup(
  zk: ZkPackage,
  key: VerificationKey,
  powers: PowersFile | null,
  silent: boolean,
): Promise<CheckedSetup> {
  verifySetup(zk.setup, key);
  if (verificationKeyDigest(await keyOf(zk.zkeyFile)) !== zk.setup.keyDigest) {
    throw zkError("ZK_SETUP_INVALID", "`model.zkey` and `verification_key.json` are two keys");
  }
  if (zk.setup.phase1 === null) return { ofCircuit: false };
  await assertAtHand(zk);
  if (powers === null) return { ofCircuit: false };
  if (digestHex(zk.setup.phase1.digest) !== powers.sha256)
    throw zkError("ZK_SETUP_INVALID", "the setup is from other powers of tau");
  await assertOfCircuit(zk, powers, silent);
  return { ofCircuit: true };
}
