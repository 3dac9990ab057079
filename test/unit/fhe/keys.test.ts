import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestHex, digestOf } from "../../../src/core/digest.ts";
import { encodeKeyDocument, type KeyDocument } from "../../../src/paths/fhe/wire/key-document.ts";
import { OTHER_KEY } from "../../contract/gateway-fixture.ts";
import { type CallOptions, keySet, startWorld, type World } from "./fhe-world.ts";

const post = (world: World, document: KeyDocument, more: CallOptions = {}) =>
  world.call("POST", "/v1/fhe/keys", encodeKeyDocument(document), more);
const patch = (world: World, name: string, offset: number | string, chunk: Uint8Array, more: CallOptions = {}) =>
  world.call("PATCH", `/v1/fhe/keys/${name}`, chunk, { ...more, headers: { "upload-offset": String(offset) } });

describe("the upload of a key set", () => {
  it("goes on where it was cut off, and gives the key once all of it is there", async () => {
    const world = await startWorld();
    const { document, bytes, publicKey } = keySet("key of some length");
    const server = digestHex(document.serverKey.digest);
    expect((await post(world, document)).json).toMatchObject({ complete: false });
    expect((await patch(world, server, 0, bytes.subarray(0, 5))).headers.get("upload-offset")).toBe("5");
    const head = await world.call("HEAD", `/v1/fhe/keys/${server}`);
    expect([head.status, head.headers.get("upload-offset"), head.headers.get("upload-length")]).toEqual([
      200,
      "5",
      String(bytes.length),
    ]);
    for (const offset of [0, 4, 6])
      expect((await patch(world, server, offset, bytes.subarray(offset, offset + 2))).code).toBe("FHE_UPLOAD_OFFSET");
    expect((await post(world, document)).json["pieces"]).toContainEqual({ piece: server, offset: 5, length: bytes.length });
    await patch(world, server, 5, bytes.subarray(5));
    const done = await patch(world, digestHex(digestOf(publicKey)), 0, publicKey);
    expect([done.status, done.json["complete"]]).toEqual([201, true]);
    expect((await world.call("GET", "/v1/fhe/keys")).json["keys"]).toContainEqual(document);
    expect((await world.call("GET", `/v1/fhe/blobs/${server}`)).bytes).toEqual(bytes);
    expect((await post(world, document)).json).toMatchObject({ complete: true });
  });

  it("is refused with other bytes, too many, a bad offset, and under a digest that nobody opened", async () => {
    const world = await startWorld();
    const { document, bytes, publicKey } = keySet("key two");
    const server = digestHex(document.serverKey.digest);
    expect((await patch(world, server, 0, bytes)).code).toBe("FHE_KEY_UNKNOWN");
    await post(world, document);
    expect((await patch(world, server, 0, utf8(`${"x".repeat(bytes.length)}x`))).code).toBe("FHE_KEY_INVALID");
    for (const offset of ["", "-1", "1.5", "01", "x"])
      expect((await patch(world, server, offset, bytes)).code).toBe("FHE_UPLOAD_OFFSET");
    expect((await patch(world, server, 0, new Uint8Array())).code).toBe("REQUEST_MALFORMED");
    await patch(world, server, 0, utf8("x".repeat(bytes.length)));
    const wrong = await patch(world, digestHex(digestOf(publicKey)), 0, publicKey);
    expect([wrong.status, wrong.code]).toEqual([400, "FHE_KEY_INVALID"]);
    // What was not the key is gone: it can be uploaded anew.
    expect((await world.call("HEAD", `/v1/fhe/keys/${server}`)).status).toBe(404);
    expect((await post(world, document)).json["pieces"]).toContainEqual({ piece: server, offset: 0, length: bytes.length });
  });

  it("is refused where the engine says that it is no key, or another than its document says", async () => {
    const world = await startWorld();
    for (const set of [
      keySet("no key at all"),
      { ...keySet("key 3"), document: { ...keySet("key 3").document, tag: "00".repeat(16) } },
    ]) {
      await post(world, set.document);
      await patch(world, digestHex(set.document.serverKey.digest), 0, set.bytes);
      expect((await patch(world, digestHex(digestOf(set.publicKey)), 0, set.publicKey)).code).toBe("FHE_KEY_INVALID");
      expect((await world.call("GET", `/v1/fhe/blobs/${set.document.keyId}`)).code).toBe("FHE_FORBIDDEN_HANDLE");
    }
  });

  it("belongs to whoever sent the bytes, and to nobody for knowing a digest", async () => {
    const world = await startWorld();
    const { document, bytes, publicKey } = keySet();
    const other = { apiKey: OTHER_KEY };
    expect((await world.call("GET", "/v1/fhe/keys", undefined, other)).json["keys"]).toEqual([]);
    expect((await world.call("GET", `/v1/fhe/blobs/${document.keyId}`, undefined, other)).code).toBe("FHE_FORBIDDEN_HANDLE");
    expect((await post(world, document, other)).json).toMatchObject({ complete: false });
    await patch(world, document.keyId, 0, bytes, other);
    expect((await patch(world, digestHex(digestOf(publicKey)), 0, publicKey, other)).status).toBe(201);
    expect((await world.call("GET", `/v1/fhe/blobs/${document.keyId}`, undefined, other)).bytes).toEqual(bytes);
  });

  it("is bounded in number and bytes, and refuses documents that are none", async () => {
    const world = await startWorld();
    expect((await post(world, keySet("key two").document)).status).toBe(202);
    expect((await post(world, keySet("key three").document)).code).toBe("FHE_KEY_QUOTA");
    const other = { apiKey: OTHER_KEY };
    expect((await post(world, keySet("k".repeat(2000)).document, other)).code).toBe("FHE_KEY_QUOTA");
    for (const body of ["", "{}", "[]", `{"v":1}`, `{"v":2}`]) {
      expect((await world.call("POST", "/v1/fhe/keys", body)).code).toBe("FHE_KEY_INVALID");
    }
    const foreign = { ...keySet("key four").document, keyId: "00".repeat(32) };
    expect((await post(world, foreign, other)).code).toBe("FHE_KEY_INVALID");
    expect((await world.call("POST", "/v1/fhe/keys/name", "{}")).code).toBe("REQUEST_METHOD");
    expect((await world.call("DELETE", "/v1/fhe/keys")).code).toBe("REQUEST_METHOD");
    expect((await world.call("GET", "/v1/fhe/keys", undefined, { apiKey: "nobody-knows-this-key" })).code).toBe("AUTH_INVALID");
  });
});

describe("programs and the reference string", () => {
  it("are shown with their prices, registered by tenants, and found by their digest", async () => {
    const world = await startWorld();
    const listed = await world.call("GET", "/v1/fhe/programs");
    expect(JSON.stringify(listed.json)).toContain("transfer-u64");
    const registered = await world.call("POST", "/v1/fhe/programs", `{"v":1}`);
    expect(registered.status).toBe(201);
    const name = encodeURIComponent(registered.json["digest"] as string);
    expect((await world.call("GET", `/v1/fhe/programs/${name}`)).bytes).toEqual(utf8(`{"v":1}`));
    expect((await world.call("GET", `/v1/fhe/programs/${name}`, undefined, { apiKey: OTHER_KEY })).code).toBe("MODEL_UNKNOWN");
    await world.call("POST", "/v1/fhe/programs", `{"v":2}`);
    expect((await world.call("POST", "/v1/fhe/programs", `{"v":3}`)).code).toBe("FHE_PROGRAM_QUOTA");
    expect((await world.call("POST", "/v1/fhe/programs", `{"v":1}`)).status).toBe(201);
    expect((await world.call("GET", "/v1/fhe/crs")).json).toMatchObject({ bytes: 3 });
  });
});
