// @ezkljs/engine as a peer of the bench: proves and verifies once per line of standard input. Arguments: the package's folder and
// that of the prepared circuit. Reading and parsing the key is inside of each proof: the engine offers no other way.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [engine, folder] = process.argv.slice(2);
const { prove, verify, init_panic_hook: showPanics } = createRequire(import.meta.url)(engine);
showPanics?.();
const file = (name) => new Uint8ClampedArray(readFileSync(join(folder, name)));
const [witness, pk, circuit, srs, vk, settings] = ["witness", "pk", "circuit", "srs", "vk", "settings"].map(file);
console.log(JSON.stringify({ ready: true }));
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    const started = performance.now();
    const proof = prove(witness, pk, circuit, srs);
    const proved = performance.now();
    if (!verify(new Uint8ClampedArray(proof), vk, settings, srs)) throw new Error("the proof does not verify");
    const verifyMs = performance.now() - proved;
    const { proof: bytes } = JSON.parse(Buffer.from(proof).toString("utf8"));
    const proofBytes = typeof bytes === "string" ? bytes.length / 2 - 1 : bytes.length;
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    console.log(JSON.stringify({ proveMs: proved - started, verifyMs, proofBytes, peakBytes }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error).slice(0, 300) }));
  }
}
