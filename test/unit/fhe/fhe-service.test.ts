/** The caller's side of what the service keeps: against a service that forgets, repeats, or sends something else. */
import { describe, expect, it } from "vitest";
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { digestHex, digestOf } from "../../../src/core/digest.ts";
import { TrisealError } from "../../../src/core/errors.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { type AskService, createFheService } from "../../../src/paths/fhe/client/fhe-service.ts";
import { fheError } from "../../../src/paths/fhe/wire/codes.ts";
import type { KeyDocument } from "../../../src/paths/fhe/wire/key-document.ts";

const CHUNK = 8 * 1024 * 1024;
const serverKey = new Uint8Array(2 * CHUNK + 5).map((_, at) => at % 251);
const publicKey = utf8("a public key");
const key: KeyDocument = {
  v: 1,
  kind: "integer",
  keyId: digestHex(digestOf(serverKey)),
  tag: "00".repeat(16),
  parameters: "a parameter set",
  serverKey: { digest: digestOf(serverKey), bytes: serverKey.length },
  publicKey: { digest: digestOf(publicKey), bytes: publicKey.length },
  created: unixSeconds(1),
};
const part = (bytes: Uint8Array) => async (offset: number, length: number) => bytes.subarray(offset, offset + length);
const files = { serverKey: part(serverKey), publicKey: part(publicKey) };

/** A service that takes uploads. @param troubles called before each chunk; what it throws is answered. */
function uploadService(troubles: (chunk: number, held: Map<string, Uint8Array>) => void = () => undefined) {
  const held = new Map<string, Uint8Array>(
    [digestHex(key.serverKey.digest), digestHex(digestOf(publicKey))].map((name) => [name, new Uint8Array()] as const),
  );
  const sizes = [serverKey.length, publicKey.length];
  let chunks = 0;
  const state = (): Uint8Array => {
    const pieces = [...held].map(([piece, bytes], at) => ({ piece, offset: bytes.length, length: sizes[at] ?? 0 }));
    return encodeJcs({ v: 1, keyId: key.keyId, complete: pieces.every(({ offset, length }) => offset === length), pieces });
  };
  const ask: AskService = async (address, { method, body = new Uint8Array(), headers = {} }) => {
    if (method === "POST") return state();
    troubles(chunks++, held);
    const name = address.split("/").at(-1) ?? "";
    const before = held.get(name) ?? new Uint8Array();
    if (Number(headers["upload-offset"]) !== before.length) throw fheError("FHE_UPLOAD_OFFSET", "elsewhere");
    held.set(name, concatBytes(before, body));
    return state();
  };
  return { ask, held, count: () => chunks };
}

describe("an upload", () => {
  it("sends both keys in chunks, and says how far it is", async () => {
    const { ask, held, count } = uploadService();
    const seen: number[] = [];
    await createFheService(ask).uploadKey(key, files, { progress: (done) => seen.push(done) });
    expect([...held.values()].map(digestOf)).toEqual([digestOf(serverKey), digestOf(publicKey)]);
    expect(count()).toBe(4);
    expect(seen).toEqual([0, CHUNK, 2 * CHUNK, serverKey.length, serverKey.length + publicKey.length]);
  });

  it("goes on where the service says, where an answer was lost or somebody else went on", async () => {
    const { ask, held, count } = uploadService((chunk, pieces) => {
      if (chunk !== 1) return;
      const [name = ""] = pieces.keys();
      pieces.set(name, serverKey.subarray(0, CHUNK + 7));
    });
    await createFheService(ask).uploadKey(key, files);
    expect([...held.values()].map(digestOf)).toEqual([digestOf(serverKey), digestOf(publicKey)]);
    expect(count()).toBe(4);
  });

  it("gives up where the service never takes it, where it refuses, and where a file is too short", async () => {
    const never = uploadService(() => {
      throw fheError("FHE_UPLOAD_OFFSET", "elsewhere");
    });
    await expect(createFheService(never.ask).uploadKey(key, files)).rejects.toMatchObject({ code: "FHE_UPLOAD_OFFSET" });
    expect(never.count()).toBe(17);
    const refusing = uploadService(() => {
      throw fheError("FHE_KEY_QUOTA", "no room");
    });
    await expect(createFheService(refusing.ask).uploadKey(key, files)).rejects.toMatchObject({ code: "FHE_KEY_QUOTA" });
    const short = { ...files, serverKey: part(serverKey.subarray(0, CHUNK)) };
    const taken = createFheService(uploadService().ask).uploadKey(key, short);
    await expect(taken).rejects.toMatchObject({ code: "FORMAT_INVALID" });
  });
});

describe("an answer of the service", () => {
  const answering = (document: JsonObject | Uint8Array) =>
    createFheService(async () => (document instanceof Uint8Array ? document : encodeJcs(document)));

  it("is refused where bytes have another digest", async () => {
    const named = digestOf(utf8("these"));
    await expect(answering(utf8("those")).blob(named, 100)).rejects.toMatchObject({ code: "VERIFICATION_FAILED" });
    expect(await answering(utf8("these")).blob(named, 100)).toEqual(utf8("these"));
  });

  it("is refused where it is of another form", async () => {
    for (const document of [{}, { v: 2, accounts: [], next: null }, { v: 1, accounts: [{}], next: null }, { v: 1, accounts: [] }])
      await expect(answering(document).accounts()).rejects.toBeInstanceOf(TrisealError);
    await expect(answering({ v: 1, keys: [{ v: 1 }] }).keys()).rejects.toMatchObject({ code: "FORMAT_INVALID" });
    await expect(answering({ v: 1 }).account("alice")).rejects.toMatchObject({ code: "FORMAT_INVALID" });
  });

  it("is refused where its pages go in a circle", async () => {
    const next = answering({ v: 1, accounts: [], next: "a" });
    await expect(next.accounts()).rejects.toMatchObject({ code: "FORMAT_INVALID" });
    expect(await answering({ v: 1, accounts: [], next: null }).accounts()).toEqual([]);
  });
});
