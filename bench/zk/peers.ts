/** Other provers of the same models: native ezkl in a Python environment of its own, and ezkl's engine for npm in WASM. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Answer, LineProcess } from "../line-process.ts";
import { PEER_CACHE, pythonEnvironment, reasonOf } from "../python-environment.ts";
import { repository } from "../suite.ts";
import type { ZkModel } from "./workload.ts";

/** The newest of each. The WASM engine reads the circuits of the native version of its own number only. */
const NATIVE = "23.0.5";
const WASM = "21.0.0";
const SCALE = 7;

/** Columns, base and legs of decompositions, and the logarithm of the rows: the best that we found by hand, several where two are near. */
interface EzklSettings {
  readonly cols: number;
  readonly base: number;
  readonly legs: number;
  readonly logrows: number;
}

const form = (cols: number, logrows: number, base = 128, legs = 3): EzklSettings => ({ cols, base, legs, logrows });

const SETTINGS: Readonly<Record<string, readonly EzklSettings[]>> = {
  "breast-cancer-logistic": [form(2, 10)],
  "breast-cancer-mlp": [form(2, 11)],
  "digits-mlp": [form(2, 12)],
  "iris-mlp": [form(2, 13), form(2, 14)],
  // 16,124 rows with 8 columns. 20 are the fewest that fit 2^13; they took 1.8 times the processor time.
  "mnist-mlp": [form(8, 14), form(8, 15), form(4, 15)],
  "mnist-lenet5": [form(16, 16)],
};

/** Models that the WASM engine is not asked for, and what happened when it was (2026-11-27, two cores). */
const WASM_LEFT_OUT: Readonly<Record<string, string>> = {
  "mnist-lenet5": "its keys were not made after four minutes, with 15 GB of memory in use",
};

/** A peer that is ready to prove one model. */
export interface OpenPeer {
  readonly name: "ezkl" | "ezkl-wasm";
  readonly version: string;
  readonly settings: EzklSettings;
  readonly setupMs: number;
  readonly provingKeyBytes: number;
  prove(): Promise<Answer>;
  close(): void;
}

/** A peer, or why there is none. */
export type Peer = OpenPeer | { readonly name: OpenPeer["name"]; readonly unavailable: string };

/** The Python program of an environment that holds `version` of ezkl. */
function pythonWith(version: string): string {
  return pythonEnvironment(`ezkl-${version}`, [`ezkl==${version}`, "onnx==1.23.2"]);
}

/** The folder of the npm engine, installed beside the project: it is no dependency. */
function wasmEngine(): string {
  const folder = join(PEER_CACHE, `ezkljs-${WASM}`);
  const engine = join(folder, "node_modules", "@ezkljs", "engine");
  if (existsSync(engine)) return engine;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}");
  const args = ["install", "--silent", "--no-save", "--ignore-scripts", `@ezkljs/engine@${WASM}`];
  execFileSync("npm", args, { cwd: folder, stdio: "pipe" });
  return engine;
}

interface Prepared {
  readonly process: LineProcess;
  readonly settings: EzklSettings;
  readonly folder: string;
  readonly setupMs: number;
  readonly provingKeyBytes: number;
}

/** Tries the settings of a model and keeps those that prove fastest. */
async function prepare(model: ZkModel, version: string, folder: string): Promise<Prepared> {
  const candidates = SETTINGS[model.name];
  if (candidates === undefined) throw new Error("ezkl has no tree ensembles in the form of this model");
  const onnx = join(folder, `${model.name}.onnx`);
  writeFileSync(onnx, model.onnx);
  const process = new LineProcess(pythonWith(version), [join(repository, "bench", "zk", "ezkl_peer.py")]);
  await process.next();
  let best: (Prepared & { readonly ms: number }) | null = null;
  let refusal = "";
  for (const [at, settings] of candidates.entries()) {
    const place = join(folder, `${model.name}-${version}-${at}`);
    const job = { onnx, folder: place, sample: model.sample, scale: SCALE, ...settings };
    try {
      const { setupMs, provingKeyBytes } = await process.ask({ op: "prepare", ...job });
      const trial = candidates.length === 1 ? { proveMs: 0 } : await process.ask({ op: "prove", folder: place });
      const ms = Number(trial["proveMs"]);
      const numbers = { setupMs: Number(setupMs), provingKeyBytes: Number(provingKeyBytes) };
      if (best === null || ms < best.ms) best = { process, settings, folder: place, ...numbers, ms };
    } catch (error) {
      refusal = reasonOf(error);
    }
  }
  if (best !== null) return best;
  process.end();
  throw new Error(refusal);
}

async function openNative(model: ZkModel, folder: string): Promise<OpenPeer> {
  const { process, settings, folder: place, setupMs, provingKeyBytes } = await prepare(model, NATIVE, folder);
  return {
    name: "ezkl",
    version: NATIVE,
    settings,
    setupMs,
    provingKeyBytes,
    prove: () => process.ask({ op: "prove", folder: place }),
    close: () => process.end(),
  };
}

async function openWasm(model: ZkModel, folder: string): Promise<OpenPeer> {
  const leftOut = WASM_LEFT_OUT[model.name];
  if (leftOut !== undefined) throw new Error(leftOut);
  const engine = wasmEngine();
  const { process: maker, settings, folder: place, setupMs, provingKeyBytes } = await prepare(model, WASM, folder);
  maker.end();
  const script = join(repository, "bench", "zk", "ezkl-wasm.ts");
  const running = new LineProcess(process.execPath, ["--import", "tsx", script, engine, place]);
  await running.next();
  return {
    name: "ezkl-wasm",
    version: WASM,
    settings,
    setupMs,
    provingKeyBytes,
    prove: () => running.ask({}),
    close: () => running.end(),
  };
}

/** Opens both peers for `model`. One that will not install or cannot take the model says why. */
export async function openPeers(model: ZkModel, folder: string): Promise<readonly Peer[]> {
  const attempt = async (name: OpenPeer["name"], open: () => Promise<OpenPeer>): Promise<Peer> => {
    try {
      return await open();
    } catch (error) {
      return { name, unavailable: reasonOf(error) };
    }
  };
  return [await attempt("ezkl", () => openNative(model, folder)), await attempt("ezkl-wasm", () => openWasm(model, folder))];
}
