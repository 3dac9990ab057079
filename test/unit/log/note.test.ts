import { describe, expect, it } from "vitest";
import { encodeHex, parseBase64, utf8 } from "../../../src/core/bytes.ts";
import { verifyEd25519 } from "../../../src/core/ed25519.ts";
import {
  COSIGNATURE_TYPE,
  ED25519_TYPE,
  encodeNote,
  encodeSignatureLine,
  encodeVerifierKey,
  isByKey,
  isKeyName,
  MAX_NOTE_LENGTH,
  MAX_NOTE_SIGNATURES,
  noteKeyId,
  parseNote,
  parseSignatureLine,
  parseVerifierKey,
} from "../../../src/log/index.ts";
import { seedSigner } from "../../fixtures/signer.ts";
import {
  C2SP_COSIGNED,
  C2SP_NOTE,
  C2SP_POEM,
  C2SP_VERIFIER_KEY,
  GO_NOTE,
  GO_PRIVATE_KEY,
  GO_VERIFIER_KEY,
  PUBLIC_CHECKPOINT,
  PUBLIC_LOG_KEY,
  PUBLIC_WITNESS_KEYS,
} from "./published-note.ts";

const REFUSED = expect.objectContaining({ code: "LOG_PROOF_INVALID" });
const LINE = `— example.com/foo ${btoa("abcdefgh")}`;

function verifies(noteText: string, verifierKey: string): boolean {
  const { name, type, publicKey } = parseVerifierKey(verifierKey);
  const note = parseNote(noteText);
  const keyId = noteKeyId(name, type, publicKey);
  const line = note.signatures.find((signature) => isByKey(signature, name, keyId));
  return line !== undefined && verifyEd25519(publicKey, utf8(note.text), line.signature);
}

describe("published signed notes", () => {
  it("are read and written back unchanged", () => {
    for (const text of [C2SP_NOTE, C2SP_POEM, C2SP_COSIGNED, GO_NOTE, PUBLIC_CHECKPOINT]) {
      expect(encodeNote(parseNote(text))).toBe(text);
    }
  });

  it("verify under the published keys", () => {
    expect(verifies(C2SP_NOTE, C2SP_VERIFIER_KEY)).toBe(true);
    expect(verifies(GO_NOTE, GO_VERIFIER_KEY)).toBe(true);
  });

  it("do not verify with a letter changed, or under another key", () => {
    expect(verifies(C2SP_NOTE.replace("message", "Message"), C2SP_VERIFIER_KEY)).toBe(false);
    expect(verifies(GO_NOTE.replace("problem is.", "problem is!"), GO_VERIFIER_KEY)).toBe(false);
    expect(verifies(GO_NOTE, C2SP_VERIFIER_KEY)).toBe(false);
  });

  it("are made again, byte for byte, with the published private key", () => {
    const { name, publicKey } = parseVerifierKey(GO_VERIFIER_KEY);
    const signer = seedSigner("published test key", parseBase64(GO_PRIVATE_KEY).subarray(1));
    const { text } = parseNote(GO_NOTE);
    expect(signer.publicKey).toBe(publicKey);
    const keyId = noteKeyId(name, ED25519_TYPE, publicKey);
    expect(encodeNote({ text, signatures: [{ name, keyId, signature: signer.sign(utf8(text)) }] })).toBe(GO_NOTE);
  });

  it("are split at the last empty line", () => {
    expect(parseNote(C2SP_POEM).text).toMatch(/sole:\n\ned è subito sera\.\n$/);
    expect(parseNote(C2SP_POEM).signatures.map(({ name, signature }) => [name, signature.length])).toEqual([
      ["quasimodo.example/salvatore", 64],
    ]);
  });
});

describe("parseVerifierKey", () => {
  it("reads published keys of both types, and encodeVerifierKey writes them back", () => {
    const keys = [C2SP_VERIFIER_KEY, GO_VERIFIER_KEY, PUBLIC_LOG_KEY, ...PUBLIC_WITNESS_KEYS];
    const parsed = keys.map(parseVerifierKey);
    expect(parsed.map(({ name, type, publicKey }) => encodeVerifierKey(name, type, publicKey))).toEqual(keys);
    expect(parsed.map(({ type }) => type)).toEqual(
      [1, 1, 1, 4, 4, 4, 4].map((type) => (type === 1 ? ED25519_TYPE : COSIGNATURE_TYPE)),
    );
    expect(parsed[0]?.publicKey).toBe("e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4");
  });

  it.each([
    ["a part is missing", "example.com/foo+530d903a"],
    ["the name is empty", C2SP_VERIFIER_KEY.replace("example.com/foo", "")],
    ["the name has a space", C2SP_VERIFIER_KEY.replace("/foo", "/f o")],
    ["the id belongs to another name", C2SP_VERIFIER_KEY.replace("/foo", "/fop")],
    ["the id is in upper case", C2SP_VERIFIER_KEY.replace("530d903a", "530D903A")],
    ["the id is another", C2SP_VERIFIER_KEY.replace("530d903a", "530d903b")],
    ["the key is cut short", C2SP_VERIFIER_KEY.slice(0, -4)],
    ["the key is not base64", `${C2SP_VERIFIER_KEY.slice(0, -1)}=`],
    ["the key has padding inside", C2SP_VERIFIER_KEY.replace("+Aeky", "+A=ky")],
    ["the type is another", C2SP_VERIFIER_KEY.replace("+Aeky", "+Auky")],
    ["a newline follows", `${C2SP_VERIFIER_KEY}\n`],
  ])("refuses a key where %s", (_, text) => {
    expect(() => parseVerifierKey(text)).toThrow(REFUSED);
  });
});

describe("isKeyName", () => {
  it("accepts names without a space or plus", () => {
    expect(["a", "example.com/foo", "transparency.dev/DEV:witness", "é", "x".repeat(256)].map(isKeyName)).not.toContain(false);
  });

  it("refuses empty and long names, every space, plus and control characters", () => {
    const names = [
      "",
      "x".repeat(257),
      "a b",
      "a+b",
      "a\tb",
      "a\nb",
      "a\u0000b",
      "a\u007fb",
      "a\u0085b",
      "a\u00a0b",
      "a\u2003b",
      "a\u2028b",
      "a\u3000b",
      "a\ufeffb",
      "a\ud800b",
    ];
    expect(names.filter(isKeyName)).toEqual([]);
  });
});

describe("parseSignatureLine", () => {
  it("reads what encodeSignatureLine writes", () => {
    const line = parseSignatureLine(LINE);
    expect([line.name, encodeHex(line.keyId), encodeHex(line.signature)]).toEqual(["example.com/foo", "61626364", "65666768"]);
    expect(encodeSignatureLine(line)).toBe(`${LINE}\n`);
  });

  it.each([
    ["a hyphen for the dash", LINE.replace("—", "-")],
    ["an en dash", LINE.replace("—", "–")],
    ["no space after the dash", LINE.replace("— ", "—")],
    ["two spaces", LINE.replace("foo ", "foo  ")],
    ["a space at the end", `${LINE} `],
    ["a further word", `${LINE} x`],
    ["no name", `—  ${btoa("abcdefgh")}`],
    ["a plus in the name", LINE.replace("/foo", "+foo")],
    ["no signature", "— example.com/foo"],
    ["only a key id", `— example.com/foo ${btoa("abcd")}`],
    ["base64 without padding", LINE.replaceAll("=", "")],
    ["base64 with unused bits", LINE.replace(/.=$/, "h=")],
    ["base64url", "— example.com/foo YWJjZGVm-_8="],
  ])("refuses %s", (_, line) => {
    expect(() => parseSignatureLine(line)).toThrow(REFUSED);
  });
});

describe("parseNote", () => {
  it("keeps lines of keys that nobody knows, in their order", () => {
    const text = `text\n\n${LINE}\n— a.example ${btoa("12345")}\n`;
    expect(parseNote(text).signatures.map(({ name }) => name)).toEqual(["example.com/foo", "a.example"]);
  });

  it.each([
    ["nothing", ""],
    ["no signature", "text\n"],
    ["no signature after the empty line", "text\n\n"],
    ["no empty line", `text\n${LINE}\n`],
    ["no newline at the end", `text\n\n${LINE}`],
    ["an empty line at the end", `text\n\n${LINE}\n\n`],
    ["a signature line given twice", `text\n\n${LINE}\n${LINE}\n`],
    ["a line that is no signature", `text\n\n${LINE}\nmore\n`],
    ["carriage returns", `text\r\n\r\n${LINE}\r\n`],
    ["a tab", `te\txt\n\n${LINE}\n`],
    ["a null character", `te\u0000xt\n\n${LINE}\n`],
    ["a lone surrogate", `te\ud800xt\n\n${LINE}\n`],
    ["a note that is too long", `${"x".repeat(MAX_NOTE_LENGTH)}\n\n${LINE}\n`],
  ])("refuses %s", (_, text) => {
    expect(() => parseNote(text)).toThrow(REFUSED);
  });

  it("refuses one signature more than the limit, which is at least the 16 that the specification asks for", () => {
    const lines = (count: number) => Array.from({ length: count }, (_, index) => `— n${index} ${btoa("abcdefgh")}\n`).join("");
    expect(MAX_NOTE_SIGNATURES).toBeGreaterThanOrEqual(16);
    expect(parseNote(`text\n\n${lines(MAX_NOTE_SIGNATURES)}`).signatures).toHaveLength(MAX_NOTE_SIGNATURES);
    expect(() => parseNote(`text\n\n${lines(MAX_NOTE_SIGNATURES + 1)}`)).toThrow(REFUSED);
  });
});
