/**
 * Computes known-answers.json without any of Triseal's code: SHA-256 and Ed25519 are node:crypto's, and JSON is JSON.stringify of
 * members sorted here, which is RFC 8785 for documents of ASCII text and integers. Prints the file; `--check` compares it.
 */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
};
const jcs = (value) => Buffer.from(JSON.stringify(sorted(value)));
const hex = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");
const digest = (...parts) => `sha256:${hex(...parts)}`;

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.alloc(32, 0x21)]), format: "der", type: "pkcs8" });
const publicKey = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32).toString("hex");

const serverKey = Buffer.from("a server key");
const keyId = hex(serverKey);
const nonce = "000102030405060708090a0b0c0d0e0f";
const programDigest = digest("a program");

const key = {
  v: 1,
  kind: "integer",
  keyId,
  tag: "101112131415161718191a1b1c1d1e1f",
  parameters: "a parameter set",
  serverKey: { digest: `sha256:${keyId}`, bytes: 12 },
  publicKey: { digest: digest("a public key"), bytes: 12 },
  created: 1_795_000_000,
};

const account = {
  v: 1,
  kind: "account",
  tenant: "acme",
  account: "alice",
  owner: hex("an api key"),
  acl: { read: [hex("a reader")], debit: [], credit: [hex("a payer")], programs: [programDigest] },
  keyId,
  type: "u64",
  cap: null,
  created: 1_795_000_001,
  nonce: "f0e0d0c0b0a090807060504030201000",
};
const head0 = hex(jcs(account));

const state0 = "ab".repeat(32);
const amount = digest("the compressed amount");
const handleParts = { domain: "triseal.fhe.handle.v1", programDigest, inputs: [state0, amount, "clear:100"], keyId, nonce, output: "from" };
const handle = hex(jcs(handleParts));
const compressed = digest("the compressed state");

const write = { account: "alice", version: 1, handle, digest: compressed, clear: null, prevHead: head0 };
const head1 = hex(jcs({ domain: "triseal.fhe.head.v1", ...write }));
const minted = { account: "gold", version: 2, handle: null, digest: null, clear: "1000", prevHead: head1 };
const headOfAsset = hex(jcs({ domain: "triseal.fhe.head.v1", ...minted }));

const listParts = { tenant: "acme", accounts: ["alice", "bob"], programDigest, nonce, exp: 1_795_000_300 };
const metadata = Buffer.concat([Buffer.from("triseal.fhe.input.v1\0"), jcs(listParts)]);

const run = {
  v: 1,
  nonce,
  programDigest,
  keyId,
  inputs: {
    from: { account: "alice" },
    amount: { list: 0, index: 0 },
    limit: { clear: "100" },
    x: { handle: state0 },
    y: { ciphertext: Buffer.from("a ciphertext").toString("base64") },
  },
  lists: [Buffer.from("a list").toString("base64")],
  writes: { from: "alice", to: "bob" },
};
const answer = { v: 1, outputs: [{ n: "from", t: "u64", handle, digest: compressed, bytes: 1919 }], price: { pbs: 190, depth: 40 } };

const binding = {
  v: 1,
  requestDigest: digest(jcs(run)),
  responseDigest: digest(jcs(answer)),
  modelDigest: programDigest,
  decisionDigest: digest("a decision"),
  nonce,
};
const { responseDigest: _, ...bound } = binding;
const seed = hex("triseal.fhe.seed.v1\0", jcs(bound));

const claim = {
  v: 1,
  engine: { key: publicKey, build: digest("an engine"), version: "0.1.0 tfhe 1.7.0" },
  parameters: "a parameter set",
  keyId,
  programDigest,
  circuitDigest: digest("a circuit"),
  inputs: [
    { n: "from", digest: digest("the state before"), handle: state0 },
    { n: "amount", digest: amount, handle: null },
    { n: "limit", clear: "100" },
  ],
  lists: [digest("a list")],
  outputs: [{ n: "from", t: "u64", digest: compressed, handle }],
  seed,
  pbs: 190,
  reads: [{ account: "alice", version: 0, handle: null }],
  writes: [write],
  factsDigest: digest("facts"),
  binding,
};
const signature = sign(null, Buffer.concat([Buffer.from("triseal.fhe.claim.v1\0"), jcs(claim)]), privateKey).toString("hex");
const leg = { claim, signature };

const document = (value) => ({ json: jcs(value).toString(), digest: digest(jcs(value)) });
const answers = {
  signingSeed: "21".repeat(32),
  publicKey,
  keyDocument: document(key),
  account: { ...document(account), head0 },
  handle: { parts: handleParts, handle },
  heads: [
    { state: write, head: head1 },
    { state: minted, head: headOfAsset },
  ],
  listMetadata: { parts: { ...listParts, accounts: ["bob", "alice", "bob"] }, hex: metadata.toString("hex") },
  run: document(run),
  answer: document(answer),
  seed: { binding, seed },
  leg: document(leg),
};
const text = `${JSON.stringify(answers, null, 2)}\n`;
if (process.argv.includes("--check")) {
  const same = JSON.stringify(JSON.parse(readFileSync(new URL("known-answers.json", import.meta.url), "utf8"))) === JSON.stringify(answers);
  console.log(same ? "the same" : "not the same");
  process.exitCode = same ? 0 : 1;
} else {
  process.stdout.write(text);
}
