import { describe, expect, it } from "vitest";
import { unixSeconds } from "../../../src/core/time.ts";
import {
  encodeNote,
  encodeTlogProof,
  leafHash,
  parseNote,
  parseTlogProof,
  signCheckpoint,
  signCosignature,
  verifyTlogProof,
} from "../../../src/log/index.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { CT_LEAVES, referenceInclusion, referenceRoot } from "./reference-tree.ts";

const REFUSED = expect.objectContaining({ code: "LOG_PROOF_INVALID" });
const ORIGIN = "log.example/test";
const log = testSigner("test log key", 1);
const INDEX = 5;
const hashes = referenceInclusion(INDEX, CT_LEAVES);
const own = parseNote(signCheckpoint({ origin: ORIGIN, size: 8, root: referenceRoot(CT_LEAVES) }, log));
const cosign = (name: string, seed: number) =>
  signCosignature(own.text, name, unixSeconds(1_800_000_000), testSigner("test witness key", seed));
/** Names on both sides of the origin's, and one name with two keys. */
const lines = [cosign("zebra.example", 2), cosign("alpha.example", 3), cosign("alpha.example", 4)];
const note = { text: own.text, signatures: [...lines, ...own.signatures] };
const TEXT = encodeTlogProof(INDEX, hashes, note);
const hash = leafHash(CT_LEAVES[INDEX] ?? new Uint8Array());

describe("a proof", () => {
  it("is written with the log's signature first, then the others by name and key id", () => {
    const order = parseNote(parseTlogProof(TEXT).noteText).signatures;
    const [first, second] = lines.slice(1).sort((left, right) => Buffer.compare(left.keyId, right.keyId));
    expect(order).toEqual([own.signatures[0], first, second, lines[0]]);
  });

  it("is the same text in whatever order the signatures came", () => {
    const orders = [note.signatures, note.signatures.toReversed(), [...own.signatures, ...lines]];
    expect(new Set(orders.map((signatures) => encodeTlogProof(INDEX, hashes, { text: own.text, signatures })))).toEqual(
      new Set([TEXT]),
    );
  });

  it("is read as it was written, and places its leaf", () => {
    const proof = parseTlogProof(TEXT);
    expect(proof).toMatchObject({ index: INDEX, hashes, checkpoint: { origin: ORIGIN, size: 8 } });
    expect(encodeTlogProof(proof.index, proof.hashes, proof.note)).toBe(TEXT);
    expect(verifyTlogProof(proof, hash)).toBe(true);
  });

  it("places no other leaf, index, size or root", () => {
    const verify = (text: string) => verifyTlogProof(parseTlogProof(text), hash);
    expect(verifyTlogProof(parseTlogProof(TEXT), leafHash(CT_LEAVES[4] ?? new Uint8Array()))).toBe(false);
    expect(verify(TEXT.replace("index 5", "index 4"))).toBe(false);
    expect(verify(TEXT.replace("index 5", "index 8"))).toBe(false);
    expect(verify(TEXT.replace("\n8\n", "\n5\n"))).toBe(false);
    expect(verify(encodeTlogProof(INDEX, hashes.slice(1), note))).toBe(false);
    expect(verify(encodeTlogProof(INDEX, [...hashes, hash], note))).toBe(false);
  });

  it("of the only leaf has no hash", () => {
    const leaf = new Uint8Array([1]);
    const only = parseNote(signCheckpoint({ origin: ORIGIN, size: 1, root: referenceRoot([leaf]) }, log));
    const text = encodeTlogProof(0, [], only);
    expect(text.startsWith(`c2sp.org/tlog-proof@v1\nindex 0\n\n${ORIGIN}\n1\n`)).toBe(true);
    expect(verifyTlogProof(parseTlogProof(text), leafHash(leaf))).toBe(true);
  });
});

describe("parseTlogProof", () => {
  const hashLine = TEXT.split("\n")[2] ?? "";
  const noteText = encodeNote(parseTlogProof(TEXT).note);

  it.each([
    ["nothing", ""],
    ["no checkpoint", TEXT.slice(0, TEXT.indexOf("\n\n"))],
    ["another version", TEXT.replace("@v1", "@v2")],
    ["an extra line", TEXT.replace("\nindex", "\nextra AAAA\nindex")],
    ["no index", TEXT.replace("index 5\n", "")],
    ["a leading zero", TEXT.replace("index 5", "index 05")],
    ["a negative index", TEXT.replace("index 5", "index -5")],
    ["an index beyond 2^53", TEXT.replace("index 5", "index 9007199254740993")],
    ["a space after the index", TEXT.replace("index 5", "index 5 ")],
    ["a hash of 31 bytes", TEXT.replace(hashLine, btoa("x".repeat(31)))],
    ["a hash with unused bits", TEXT.replace(hashLine, `${hashLine.slice(0, -2)}${hashLine.at(-2) === "8" ? "9" : "B"}=`)],
    ["a hash without padding", TEXT.replace(hashLine, hashLine.slice(0, -1))],
    [
      "64 hashes",
      encodeTlogProof(
        INDEX,
        Array.from({ length: 64 }, () => hash),
        note,
      ),
    ],
    ["carriage returns", TEXT.replaceAll("\n", "\r\n")],
    ["text behind the last signature", `${TEXT}more\n`],
    ["no newline at the end", TEXT.slice(0, -1)],
    ["an extension line in the checkpoint", TEXT.replace("\n8\n", "\n8\nx\n")],
  ])("refuses %s", (_, text) => {
    expect(() => parseTlogProof(text)).toThrow(REFUSED);
  });

  it("refuses signature lines in another order, twice, or none", () => {
    const head = TEXT.slice(0, -noteText.length);
    const { text, signatures } = parseNote(noteText);
    const withOrder = (order: typeof signatures) => `${head}${encodeNote({ text, signatures: order })}`;
    expect(parseTlogProof(withOrder(signatures)).index).toBe(INDEX);
    expect(() => parseTlogProof(withOrder(signatures.toReversed()))).toThrow(REFUSED);
    expect(() => parseTlogProof(withOrder([...signatures.slice(0, 1), ...signatures]))).toThrow(REFUSED);
    expect(() => parseTlogProof(withOrder([]))).toThrow(REFUSED);
  });
});
