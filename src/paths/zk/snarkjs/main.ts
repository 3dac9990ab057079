/**
 * The one program that imports snarkjs. Together with it this program is under the GPL-3.0: see LICENSE.md beside this file.
 *
 * `serve --zkey FILE` proves what arrives on standard input and answers in lines of JSON, as `../prover` does:
 * `{"ready", "wires", "publicSignals"}` once, then `{"id", "proof", "publicSignals", "ms"}` or `{"id", "error"}` per request.
 * `verify --cases FILE` prints `accepted` or `rejected` for each `{key, publicSignals, proof}` of an array: a second opinion.
 */
import { readFileSync } from "node:fs";
import { stdin, stdout } from "node:process";
import { type Curve, curves, groth16, type VerificationKeyDocument, zKey } from "snarkjs";
import { Failure } from "./files.ts";
import { type Proven, prove } from "./prove.ts";
import { openProvingKey, type ProvingKey } from "./proving-key.ts";
import { readRequests } from "./requests.ts";

interface VerifyCase {
  readonly key: object;
  readonly publicSignals: readonly string[];
  readonly proof: object;
}

/** Coordinates of the generator of G2, which delta is where nobody contributed. */
const GENERATOR = JSON.stringify([
  [
    "10857046999023057135944570762232829481370756359578518086990519993285655852781",
    "11559732032986387107991004021392285783925812861821192530917403151452391805634",
  ],
  [
    "8495653923123431417604973247489272438418190587263600148770280649306958101930",
    "4082367875863433681332203403145435568316851327593401208105741076214120093531",
  ],
  ["1", "0"],
]);

/** snarkjs itself accepts a key without a second phase, under which anyone can forge. */
function assertSecondPhase(key: VerificationKeyDocument): void {
  const delta = JSON.stringify(key.vk_delta_2);
  if (delta === GENERATOR || delta === JSON.stringify(key.vk_gamma_2)) {
    throw new Failure("ZK_KEY_INVALID", "the key has no second phase: delta was never contributed to");
  }
}

function answer(value: object): void {
  stdout.write(`${JSON.stringify(value)}\n`);
}

interface OpenKey {
  readonly curve: Curve;
  readonly key: ProvingKey;
  readonly verificationKey: VerificationKeyDocument;
}

async function proveOne({ curve, key, verificationKey }: OpenKey, witness: Uint8Array): Promise<object> {
  const started = performance.now();
  const { proof, publicSignals }: Proven = await prove(curve, key, witness).catch((error: unknown) => {
    // The library's messages can hold values of the witness.
    throw error instanceof Failure ? error : new Failure("ZK_WITNESS_INVALID", "the witness does not belong to this key");
  });
  if (!(await groth16.verify(verificationKey, publicSignals, proof))) {
    throw new Failure("ZK_WITNESS_INVALID", "the witness does not satisfy the circuit of this key");
  }
  return { proof, publicSignals, ms: performance.now() - started };
}

async function openKey(keyFile: string): Promise<OpenKey> {
  const file = readFileSync(keyFile);
  const verificationKey = await zKey.exportVerificationKey(file).catch(() => {
    throw new Failure("FORMAT_INVALID", "the key is truncated or foreign");
  });
  assertSecondPhase(verificationKey);
  return { curve: await curves.getCurveFromName("bn128"), key: openProvingKey(file), verificationKey };
}

async function serve(keyFile: string): Promise<void> {
  const opened = await openKey(keyFile);
  const { wires, publicSignals } = opened.key;
  answer({ ready: true, wires, publicSignals });
  for await (const { id, body } of readRequests(stdin, wires * 32 + 4096)) {
    try {
      answer({ id, ...(await proveOne(opened, body)) });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      answer({ id, error: { code: error.code, message: error.message } });
    } finally {
      body.fill(0);
    }
  }
}

async function verifyCases(file: string): Promise<void> {
  const cases = JSON.parse(readFileSync(file, "utf8")) as readonly VerifyCase[];
  for (const { key, publicSignals, proof } of cases) {
    const holds = await groth16.verify(key, publicSignals, proof).catch(() => false);
    stdout.write(holds ? "accepted\n" : "rejected\n");
  }
}

async function main([command, option, file]: readonly string[]): Promise<void> {
  if (command === "serve" && option === "--zkey" && file !== undefined) return serve(file);
  if (command === "verify" && option === "--cases" && file !== undefined) return verifyCases(file);
  throw new Failure("USAGE", "usage: main.js serve --zkey FILE | verify --cases FILE");
}

try {
  await main(process.argv.slice(2));
  // snarkjs keeps its own workers alive; everything that was asked for is done.
  process.exit(0);
} catch (error) {
  const { code, message } = error instanceof Failure ? error : { code: "INTERNAL", message: "the prover failed" };
  process.stderr.write(`${JSON.stringify({ error: { code, message } })}\n`, () => process.exit(code === "USAGE" ? 2 : 1));
}
