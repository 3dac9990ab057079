import { describe, expect, it } from "vitest";
import { unixSeconds } from "../../../src/core/time.ts";
import {
  encodeNote,
  type NoteSignature,
  parseNote,
  parseVerifierKey,
  readCosignatures,
  signCheckpoint,
  signCosignature,
  verifyCosignature,
} from "../../../src/log/index.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { C2SP_COSIGNED, PUBLIC_CHECKPOINT, PUBLIC_LOG_KEY, PUBLIC_WITNESS_KEYS } from "./published-note.ts";
import { flipBit } from "./reference-tree.ts";

const ORIGIN = "log.example/test";
const log = testSigner("test log key", 1);
const signer = testSigner("test witness key", 2);
const witness = { name: "witness.example/w1", publicKey: signer.publicKey };
const second = testSigner("test second witness key", 3);
const NOW = unixSeconds(1_800_000_000);

const note = parseNote(signCheckpoint({ origin: ORIGIN, size: 7, root: new Uint8Array(32).fill(3) }, log));
const line = signCosignature(note.text, witness.name, NOW, signer);
const withLines = (...lines: readonly NoteSignature[]) => ({ text: note.text, signatures: [...note.signatures, ...lines] });

describe("verifyCosignature", () => {
  it("reads the time of the published example, whose key is not published", () => {
    const published = parseNote(C2SP_COSIGNED).signatures[1];
    expect(published?.signature.length).toBe(72);
    expect(new DataView((published?.signature ?? new Uint8Array(8)).slice().buffer).getBigUint64(0)).toBe(1679315147n);
  });

  it("accepts its own cosignature and tells its time", () => {
    expect(verifyCosignature(note.text, line, witness)).toEqual({ witness, time: NOW });
  });

  it("rejects another text, name or key", () => {
    expect(verifyCosignature(note.text.replace("\n7\n", "\n8\n"), line, witness)).toBeNull();
    expect(verifyCosignature(note.text, line, { ...witness, name: "witness.example/w2" })).toBeNull();
    expect(verifyCosignature(note.text, line, { ...witness, publicKey: second.publicKey })).toBeNull();
    expect(verifyCosignature(note.text, { ...line, name: "witness.example/w2" }, witness)).toBeNull();
  });

  it("rejects every one bit of time and signature changed, and another length", () => {
    for (let bit = 0; bit < 72 * 8; bit += 5) {
      expect(verifyCosignature(note.text, { ...line, signature: flipBit(line.signature, bit) }, witness)).toBeNull();
    }
    expect(verifyCosignature(note.text, { ...line, signature: line.signature.subarray(8) }, witness)).toBeNull();
    expect(verifyCosignature(note.text, { ...line, signature: new Uint8Array([...line.signature, 0]) }, witness)).toBeNull();
  });

  it("does not take a log's signature of the same key for a cosignature", () => {
    const plain = parseNote(signCheckpoint({ origin: witness.name, size: 7, root: new Uint8Array(32) }, signer)).signatures[0];
    expect(plain).toBeDefined();
    expect(plain === undefined ? "none" : verifyCosignature(note.text, plain, witness)).toBeNull();
  });
});

describe("readCosignatures", () => {
  const read = (...lines: readonly NoteSignature[]) => readCosignatures(withLines(...lines), ORIGIN, [log.publicKey], [witness]);

  it("verifies the four cosignatures of a public checkpoint", () => {
    const [key, ...keys] = [PUBLIC_LOG_KEY, ...PUBLIC_WITNESS_KEYS].map(parseVerifierKey);
    const { cosignatures, foreign } = readCosignatures(
      parseNote(PUBLIC_CHECKPOINT),
      key?.name ?? "",
      [key?.publicKey ?? ""],
      keys,
    );
    expect(cosignatures.map(({ witness: { name } }) => name).sort()).toEqual(keys.map(({ name }) => name).sort());
    expect(cosignatures.map(({ time }) => time)).toEqual(Array(4).fill(0x6a122120));
    // The log's second signature is a TreeHeadSignature of Certificate Transparency, which is not ours to read.
    expect(foreign.map(({ name }) => name)).toEqual([key?.name]);
  });

  it("passes over the log's own line", () => {
    expect(read()).toEqual({ cosignatures: [], foreign: [] });
    expect(read(line).cosignatures).toEqual([{ witness, time: NOW }]);
  });

  it("sets apart lines of strangers, damaged lines and lines of other keys under a known name", () => {
    const stranger = signCosignature(note.text, "stranger.example", NOW, second);
    const borrowed = signCosignature(note.text, witness.name, NOW, second);
    const damaged = { ...line, signature: flipBit(line.signature, 100) };
    expect(read(stranger, borrowed, damaged)).toEqual({ cosignatures: [], foreign: [stranger, borrowed, damaged] });
  });

  it("sets apart a line by the log's key under another name", () => {
    const renamed = note.signatures.map((own) => ({ ...own, name: "log.example/other" }));
    expect(read(...renamed).foreign).toEqual(renamed);
  });

  it("counts a key once, with its earliest time, however often and under however many names it signs", () => {
    const alias = { name: "witness.example/alias", publicKey: signer.publicKey };
    const lines = [
      line,
      signCosignature(note.text, alias.name, unixSeconds(NOW - 5), signer),
      signCosignature(note.text, witness.name, unixSeconds(NOW + 5), signer),
    ];
    const { cosignatures, foreign } = readCosignatures(withLines(...lines), ORIGIN, [log.publicKey], [witness, alias]);
    expect(cosignatures).toEqual([{ witness: alias, time: NOW - 5 }]);
    expect(foreign).toEqual([]);
  });

  it("survives writing and reading", () => {
    const again = parseNote(encodeNote(withLines(line)));
    expect(readCosignatures(again, ORIGIN, [log.publicKey], [witness]).cosignatures).toHaveLength(1);
  });
});
