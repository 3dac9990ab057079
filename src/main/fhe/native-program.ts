/**
 * The native program of the fhe path, offline (SPEC 8): keys, encryption, input proofs, decryption and replay. Each call is one
 * process that ends. Values that it encrypts go over standard input.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { encodeHex } from "../../core/bytes.ts";
import { array, type Decoded, digest, hexText, integer, object, text } from "../../core/decode.ts";
import { TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonValue, parseJson } from "../../core/json.ts";
import { codes, fheError } from "../../paths/fhe/wire/codes.ts";
import { packageRoot } from "../package-root.ts";

const MAX_OUTPUT = 2 ** 20;

/** A clear value with its type. */
export interface TypedValue {
  readonly t: string;
  readonly v: string;
}

const decodeReplay = object({
  seed: hexText(32),
  circuitDigest: digest,
  pbs: integer(),
  /** Of the compressed inputs that went in, and of the outputs that came out. */
  inputs: array(digest, 64),
  outputs: array(digest, 64),
});

/** What a replay gave. */
export type ReplayOutcome = Decoded<typeof decodeReplay>;

/** The native program. Files are named by path; an output file appears whole or not at all. */
export interface NativeProgram {
  /** Makes a key set in a folder that does not exist yet. */
  keygen(out: string, kind: "integer" | "lwe"): Promise<void>;
  /** Encrypts one value under a client key: a `FheUint…` by `safe_serialize`. */
  encrypt(clientKey: string, value: TypedValue, out: string): Promise<void>;
  /** Proves values under a public key, bound to metadata. */
  prove(publicKey: string, crs: string, metadata: Uint8Array, values: readonly TypedValue[], out: string): Promise<void>;
  /** Decrypts a compressed value or a `FheUint…`. */
  decrypt(clientKey: string, type: string, file: string): Promise<string>;
  /** Encrypts the integers of a model's input, by a circuit of kind `lwe` or its frame. */
  encryptVector(clientKey: string, circuit: string, values: ArrayLike<number>, out: string): Promise<void>;
  /** The integers of a model's output, by the same. */
  decryptVector(clientKey: string, circuit: string, file: string): Promise<readonly number[]>;
  /** Executes a circuit over compressed values; what came out is written nowhere. */
  replay(serverKey: string, circuit: string, seed: string, inputs: readonly string[]): Promise<ReplayOutcome>;
}

/** The native program's file: `TRISEAL_FHE` in the environment, or where `npm run build:engine` puts it. */
export function nativeFile(): string {
  return process.env["TRISEAL_FHE"] ?? join(packageRoot, "src/paths/fhe/engine/target/release/triseal-fhe");
}

/** Whether the native program was built. */
export function isNativeBuilt(): boolean {
  return existsSync(nativeFile());
}

/** @throws TrisealError `PATH_UNAVAILABLE` where the program is missing, saying what to do. */
export function needNative(): NativeProgram {
  if (isNativeBuilt()) return openNative(nativeFile());
  throw new TrisealError(
    "PATH_UNAVAILABLE",
    "this needs the native program of the fhe path, which is not built: install cargo 1.91 or newer and run `npm run build:engine` (about seven minutes on two cores)",
  );
}

/** The error that the program's last line names; a code that it must not use is its own fault. */
function errorOf(line: string): TrisealError {
  const { code, message } = errorIn(line);
  const text = typeof message === "string" ? message.slice(0, 200) : "the native program failed";
  const known = (Object.keys(codes) as (keyof typeof codes)[]).find((name) => name === code);
  if (known !== undefined) return fheError(known, text);
  const isOurs = code === "USAGE" || code === "IO" || code === "FHE_INPUT_MALFORMED";
  return new TrisealError(isOurs ? "FORMAT_INVALID" : "INTERNAL", text);
}

function errorIn(line: string): { readonly code?: JsonValue; readonly message?: JsonValue } {
  const value = jsonOf(line);
  const error = isJsonObject(value) ? value["error"] : undefined;
  return error !== undefined && isJsonObject(error) ? error : {};
}

/** Runs one command, and returns what it printed. */
function runOnce(program: string, args: readonly string[], secrets: readonly string[]): Promise<JsonValue> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, "--json"], { stdio: ["pipe", "pipe", "pipe"], env: {} });
    // A program that refuses its flags reads nothing.
    child.stdin.on("error", () => undefined);
    child.stdin.end(secrets.map((line) => `${line}\n`).join(""));
    let [output, errors] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output = (output + chunk).slice(0, MAX_OUTPUT);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      errors = (errors + chunk).slice(-MAX_OUTPUT);
    });
    child.once("error", () => reject(new TrisealError("INTERNAL", "the native program could not be started")));
    child.once("close", (code) => {
      if (code !== 0) reject(errorOf(errors.trim().split("\n").at(-1) ?? ""));
      else resolve(jsonOf(output));
    });
  });
}

function jsonOf(line: string): JsonValue {
  try {
    return parseJson(new TextEncoder().encode(line));
  } catch {
    return null;
  }
}

const decodeVector = object({ value: array(integer(Number.MIN_SAFE_INTEGER), 1024) });
const decodeDecrypted = object({ type: text(8), value: text(32) });

/** The program at `program`, which must have been built. */
export function openNative(program: string): NativeProgram {
  const run = (...args: readonly string[]) => runOnce(program, args, []);
  // Whoever may list processes sees command lines: what is secret goes over standard input.
  const runWith = (secrets: readonly string[], ...args: readonly string[]) => runOnce(program, args, secrets);
  return {
    keygen: async (out, kind) => void (await run("keygen", "--out", out, ...(kind === "lwe" ? ["--kind", kind] : []))),
    encrypt: async (clientKey, { t, v }, out) =>
      void (await runWith([v], "encrypt", "--key", clientKey, "--type", t, "--value", "-", "--out", out)),
    prove: async (publicKey, crs, metadata, values, out) => {
      const lines = values.map(({ t, v }) => `${t}:${v}`);
      // The folder of the key set is its owner's alone, so a record in it that a reference string was checked is the owner's.
      const bound = ["--metadata", encodeHex(metadata), "--value", "-", "--checked", join(dirname(publicKey), "checked")];
      await runWith(lines, "prove", "--public", publicKey, "--crs", crs, ...bound, "--out", out);
    },
    decrypt: async (clientKey, type, file) =>
      decodeDecrypted(await run("decrypt", "--key", clientKey, "--type", type, file), "decrypted").value,
    encryptVector: async (clientKey, circuit, values, out) => {
      const lines = [Array.from(values).join(",")];
      await runWith(lines, "encrypt-vector", "--key", clientKey, "--circuit", circuit, "--values", "-", "--out", out);
    },
    decryptVector: async (clientKey, circuit, file) =>
      decodeVector(await run("decrypt-vector", "--key", clientKey, "--circuit", circuit, file), "decrypted").value,
    replay: async (serverKey, circuit, seed, inputs) => {
      const named = inputs.flatMap((file) => ["--input", file]);
      return decodeReplay(await run("replay", "--server", serverKey, "--circuit", circuit, "--seed", seed, ...named), "replay");
    },
  };
}
