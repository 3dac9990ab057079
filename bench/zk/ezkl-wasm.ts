/**
 * A program: @ezkljs/engine proves and verifies once for each line of standard input. Arguments: the package's folder and that of
 * the prepared circuit. Parsing the key is inside of each proof: the engine offers no other way.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

interface Engine {
  prove(witness: Uint8ClampedArray, pk: Uint8ClampedArray, circuit: Uint8ClampedArray, srs: Uint8ClampedArray): Uint8Array;
  verify(proof: Uint8ClampedArray, vk: Uint8ClampedArray, settings: Uint8ClampedArray, srs: Uint8ClampedArray): boolean;
}

const [engine = "", folder = ""] = process.argv.slice(2);
const ezkl = createRequire(import.meta.url)(engine) as Engine;
const file = (name: string) => new Uint8ClampedArray(readFileSync(join(folder, name)));
const [witness, pk, circuit, srs] = [file("witness"), file("pk"), file("circuit"), file("srs")];
const [vk, settings] = [file("vk"), file("settings")];

function answer(): object {
  const started = performance.now();
  const proof = ezkl.prove(witness, pk, circuit, srs);
  const proveMs = performance.now() - started;
  if (!ezkl.verify(new Uint8ClampedArray(proof), vk, settings, srs)) return { error: "the proof does not verify" };
  const verifyMs = performance.now() - started - proveMs;
  const document = JSON.parse(Buffer.from(proof).toString("utf8")) as { readonly proof: string | readonly number[] };
  const proofBytes = typeof document.proof === "string" ? document.proof.length / 2 - 1 : document.proof.length;
  return { proveMs, verifyMs, proofBytes, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

console.log(JSON.stringify({ ready: true }));
createInterface({ input: process.stdin }).on("line", () => {
  try {
    console.log(JSON.stringify(answer()));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error).slice(0, 300) }));
  }
});
