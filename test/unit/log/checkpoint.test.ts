import { describe, expect, it } from "vitest";
import {
  type Checkpoint,
  encodeCheckpointText,
  encodeNote,
  parseCheckpointText,
  parseNote,
  parseVerifierKey,
  signCheckpoint,
  verifyCheckpoint,
} from "../../../src/log/index.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { C2SP_COSIGNED, PUBLIC_CHECKPOINT, PUBLIC_LOG_KEY } from "./published-note.ts";

const REFUSED = expect.objectContaining({ code: "LOG_PROOF_INVALID" });
const ORIGIN = "log.example/test";
const log = testSigner("test log key", 1);
const other = testSigner("test other key", 2);
const checkpoint: Checkpoint = { origin: ORIGIN, size: 7, root: new Uint8Array(32).fill(3) };
const TEXT = encodeCheckpointText(checkpoint);
const ROOT = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

describe("parseCheckpointText", () => {
  it("reads what encodeCheckpointText writes", () => {
    expect(TEXT).toBe(`${ORIGIN}\n7\n${ROOT}\n`);
    expect(parseCheckpointText(TEXT)).toEqual(checkpoint);
    expect(parseCheckpointText(`${ORIGIN}\n0\n${ROOT}\n`).size).toBe(0);
  });

  it("reads the published example", () => {
    const { origin, size } = parseCheckpointText(parseNote(C2SP_COSIGNED).text);
    expect([origin, size]).toEqual(["example.com/behind-the-sofa", 20852163]);
  });

  it.each([
    ["an extension line", `${TEXT}extension\n`],
    ["no newline at the end", TEXT.slice(0, -1)],
    ["an empty origin", TEXT.replace(ORIGIN, "")],
    ["a space in the origin", TEXT.replace("/test", " test")],
    ["a leading zero", TEXT.replace("\n7\n", "\n07\n")],
    ["a sign", TEXT.replace("\n7\n", "\n+7\n")],
    ["a negative size", TEXT.replace("\n7\n", "\n-7\n")],
    ["a size beyond 2^53", TEXT.replace("\n7\n", "\n9007199254740992\n")],
    ["a size of many digits", TEXT.replace("\n7\n", "\n12345678901234567\n")],
    ["a root of 31 bytes", TEXT.replace(ROOT, btoa("x".repeat(31)))],
    ["a root of 33 bytes", TEXT.replace(ROOT, btoa("x".repeat(33)))],
    ["a root with unused bits", TEXT.replace("AwM=", "AwN=")],
    ["a carriage return", TEXT.replace("\n7\n", "\r\n7\n")],
  ])("refuses %s", (_, text) => {
    expect(() => parseCheckpointText(text)).toThrow(REFUSED);
  });
});

describe("verifyCheckpoint", () => {
  const signed = signCheckpoint(checkpoint, log);

  it("tells which of the log's keys signed", () => {
    expect(verifyCheckpoint(signed, ORIGIN, [log.publicKey])).toMatchObject({ checkpoint, publicKey: log.publicKey });
    expect(verifyCheckpoint(signed, ORIGIN, [other.publicKey, log.publicKey]).publicKey).toBe(log.publicKey);
  });

  it("accepts the checkpoint of a public log, whose signature stands behind one of another kind", () => {
    const { name, publicKey } = parseVerifierKey(PUBLIC_LOG_KEY);
    expect(verifyCheckpoint(PUBLIC_CHECKPOINT, name, [publicKey]).checkpoint.size).toBe(1432088532);
    expect(() => verifyCheckpoint(PUBLIC_CHECKPOINT.replace("1432088532", "1432088533"), name, [publicKey])).toThrow(REFUSED);
  });

  it("refuses another origin, another key, no key and a changed size or root", () => {
    expect(() => verifyCheckpoint(signed, "log.example/other", [log.publicKey])).toThrow(REFUSED);
    expect(() => verifyCheckpoint(signed, ORIGIN, [other.publicKey])).toThrow(REFUSED);
    expect(() => verifyCheckpoint(signed, ORIGIN, [])).toThrow(REFUSED);
    expect(() => verifyCheckpoint(signed.replace("\n7\n", "\n8\n"), ORIGIN, [log.publicKey])).toThrow(REFUSED);
    expect(() => verifyCheckpoint(signed.replace("AwMD", "AwME"), ORIGIN, [log.publicKey])).toThrow(REFUSED);
  });

  it("refuses the log's signature under another name, and a signature by the log's key for another origin", () => {
    const { text, signatures } = parseNote(signed);
    const renamed = encodeNote({ text, signatures: signatures.map((line) => ({ ...line, name: "log.example/other" })) });
    expect(() => verifyCheckpoint(renamed, ORIGIN, [log.publicKey])).toThrow(REFUSED);
    const elsewhere = parseNote(signCheckpoint({ ...checkpoint, origin: "log.example/other" }, log)).signatures;
    expect(() => verifyCheckpoint(encodeNote({ text, signatures: elsewhere }), ORIGIN, [log.publicKey])).toThrow(REFUSED);
  });
});
