/** Proving keys of the gateway: read from a folder, or in development made in the data folder. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestHex, digestOf } from "../core/digest.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { Clock } from "../core/time.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { type DurableFiles, replaceFile } from "../log/store/files.ts";
import type { Circuit } from "../paths/zk/compile/circuit.ts";
import { openKeyProgram } from "../paths/zk/server/key-program.ts";
import { makeDevKey } from "../paths/zk/server/make-dev-key.ts";
import type { ProverProgram } from "../paths/zk/server/prover-process.ts";
import { isBuilt, rustProgram, snarkjsProgram } from "../paths/zk/server/prover-programs.ts";
import { verificationKeyDigest } from "../paths/zk/wire/documents.ts";
import { devSetup, encodeSetup, parseSetup, type Setup } from "../paths/zk/wire/setup.ts";
import { readVerificationKey } from "../paths/zk/wire/zkey.ts";
import type { TrisealConfig } from "./config.ts";
import { packageRoot, programArguments } from "./package-root.ts";

const RUST_PROVER = join(packageRoot, "src/paths/zk/prover/target/release/triseal-prover");
/** The proving key in its folder. */
export const ZKEY_FILE = "model.zkey";
const SETUP_FILE = "setup.json";

/** What provers are started with. */
export interface ProverSetup {
  readonly config: TrisealConfig;
  readonly dev: boolean;
  readonly modelsFolder: string;
  readonly files: DurableFiles;
  readonly log: OperatorLog;
  readonly clock: Clock;
}

/** A circuit that a key is for. */
export type KeyedCircuit = Pick<Circuit, "modelDigest" | "system" | "usedRows">;

/** A proving key and how it was made. */
export interface KeyFiles {
  readonly zkey: Uint8Array;
  readonly zkeyFile: string;
  readonly setup: Setup;
}

/** The key and setup in `folder`; null where it holds no key. @throws TrisealError `FORMAT_INVALID`. */
export async function readKeyFiles(folder: string): Promise<KeyFiles | null> {
  const zkeyFile = join(folder, ZKEY_FILE);
  const zkey = await readFile(zkeyFile).catch(() => null);
  if (zkey === null) return null;
  const setup = await readFile(join(folder, SETUP_FILE)).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", `${zkeyFile} has no ${SETUP_FILE} beside it`, { cause });
  });
  return { zkey: new Uint8Array(zkey), zkeyFile, setup: parseSetup(new Uint8Array(setup)) };
}

/** A development key of `circuit`: by the Rust program where it was built, else by this one, which takes longer. */
async function newDevKey(
  setup: ProverSetup,
  model: string,
  circuit: KeyedCircuit,
  r1cs: Uint8Array,
  folder: string,
): Promise<Uint8Array> {
  const say = (step: string) => setup.log({ level: "info", event: "development key", model, step });
  say(`made for ${circuit.usedRows} constraints`);
  if (!isBuilt(RUST_PROVER)) {
    let tenth = 0;
    return makeDevKey(circuit.system, (done, total) => {
      const now = Math.floor((done / total) * 10);
      if (now > tenth) say(`${done} of ${total} points`);
      tenth = now;
    });
  }
  const made = { r1cs: join(folder, "new.r1cs"), zkey: join(folder, "new.zkey"), vk: join(folder, "new.vk.json") };
  await writeFile(made.r1cs, r1cs, { mode: 0o600 });
  await openKeyProgram(RUST_PROVER, (stage, step, of) => say(`${stage}, ${step} of ${of}`)).devSetup(made);
  return new Uint8Array(await readFile(made.zkey));
}

/** The development key of a circuit in the data folder, made where there is none. */
export async function devKeyFiles(setup: ProverSetup, model: string, circuit: KeyedCircuit, r1cs: Uint8Array): Promise<KeyFiles> {
  const circuitDigest = digestOf(r1cs);
  const folder = join(setup.config.dataDir, "dev", "zk", digestHex(circuitDigest));
  const known = await readKeyFiles(folder).catch((error: unknown) => {
    if (isTrisealError(error)) return null;
    throw error;
  });
  if (known !== null) return known;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const zkey = await newDevKey(setup, model, circuit, r1cs, folder);
  const keyDigest = verificationKeyDigest(readVerificationKey(zkey).key);
  const document = devSetup({ modelDigest: circuit.modelDigest, circuitDigest, keyDigest });
  // The setup last: a key without it was not finished, and is made anew.
  await replaceFile(setup.files, join(folder, ZKEY_FILE), zkey);
  await replaceFile(setup.files, join(folder, SETUP_FILE), encodeSetup(document));
  return { zkey, zkeyFile: join(folder, ZKEY_FILE), setup: document };
}

/** The prover program for a key file: the Rust one where it was built. */
export function programFor(memoryMib: number): (zkeyFile: string) => ProverProgram {
  const [script = ""] = programArguments("src/paths/zk/snarkjs/main");
  const rust = isBuilt(RUST_PROVER);
  return (zkeyFile) => (rust ? rustProgram(RUST_PROVER, zkeyFile, memoryMib) : snarkjsProgram(script, zkeyFile));
}
