/** Key generation by the Rust program: each call is one process that ends. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { digestHex, type Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../../core/json.ts";
import { codes, zkError } from "../wire/codes.ts";

const MAX_OUTPUT = 2 ** 16;

/** Shows the steps of one call. */
export type StepProgress = (stage: string, step: number, of: number) => void;

/** What the Rust program does with keys. Files are named by path; an output file appears whole or not at all. */
export interface KeyProgram {
  devSetup(files: { readonly r1cs: string; readonly zkey: string; readonly vk: string }): Promise<void>;
  /** Makes the key before any contribution. `ZK_SETUP_INVALID` for powers of another digest, or that are no powers. */
  prepare(files: { readonly r1cs: string; readonly ptau: string; readonly sha256: string; readonly zkey: string }): Promise<void>;
  /** Contributes; what it printed: `delta1`, `delta2`, `proof`. */
  contribute(from: string, to: string, circuit: Sha256Digest, previous: Sha256Digest): Promise<JsonObject>;
  /** Multiplies delta by a known factor; what it printed: `delta1`, `delta2`. */
  applyFactor(from: string, to: string, factor: bigint): Promise<JsonObject>;
  /** `ZK_SETUP_INVALID` unless `zkey` is `prepared` but for delta. */
  assertSameKey(prepared: string, zkey: string): Promise<void>;
  /** alpha and beta of a powers-of-tau file. */
  powers(ptau: string, sha256: string): Promise<JsonObject>;
}

/** The error that the program's last line names; a code that it must not use is its own fault. */
function errorOf(line: JsonValue | undefined): TrisealError {
  const { code, message } = isJsonObject(line) ? line : { code: null, message: null };
  const text = typeof message === "string" ? message.slice(0, 200) : "the key program failed";
  const known = (Object.keys(codes) as (keyof typeof codes)[]).find((name) => name === code);
  if (known !== undefined) return zkError(known, text);
  return new TrisealError(code === "FORMAT_INVALID" || code === "IO" ? "FORMAT_INVALID" : "INTERNAL", text);
}

function lineOf(text: string): JsonObject {
  try {
    const value = parseJson(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** Runs one command. Returns its last line of output, an empty object where it prints none. */
function runOnce(program: string, args: readonly string[], progress: StepProgress): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: {} });
    let [output, last] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output = (output + chunk).slice(0, MAX_OUTPUT);
    });
    createInterface({ input: child.stderr }).on("line", (line) => {
      last = line.slice(0, 1000);
      const { stage, step, steps } = lineOf(last);
      if (typeof stage === "string" && typeof step === "number" && typeof steps === "number") progress(stage, step, steps);
    });
    child.once("error", () => reject(new TrisealError("INTERNAL", "the key program could not be started")));
    child.once("close", (code) => (code === 0 ? resolve(lineOf(output)) : reject(errorOf(lineOf(last)["error"]))));
  });
}

/** The Rust program at `program`, which must have been built. */
export function openKeyProgram(program: string, progress: StepProgress): KeyProgram {
  const run = (...args: readonly string[]) => runOnce(program, args, progress);
  return {
    devSetup: async ({ r1cs, zkey, vk }) => void (await run("dev-setup", "--r1cs", r1cs, "--zkey", zkey, "--vk", vk)),
    prepare: async ({ r1cs, ptau, sha256, zkey }) =>
      void (await run("prepare", "--r1cs", r1cs, "--ptau", ptau, "--ptau-sha256", sha256, "--zkey", zkey)),
    contribute: (from, to, circuit, previous) =>
      run("contribute", "--from", from, "--to", to, "--circuit", digestHex(circuit), "--previous", digestHex(previous)),
    applyFactor: (from, to, factor) => run("apply-factor", "--from", from, "--to", to, "--factor", factor.toString()),
    assertSameKey: async (prepared, zkey) => void (await run("same-key", "--prepared", prepared, "--zkey", zkey)),
    powers: (ptau, sha256) => run("powers", "--ptau", ptau, "--ptau-sha256", sha256),
  };
}
