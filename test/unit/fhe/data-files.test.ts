import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { fileBytes } from "../../../src/paths/fhe/server/data-files.ts";
import { keySet, startWorld } from "./fhe-world.ts";

const LENGTH = 3 * 64 * 1024 + 5;

async function file(length = LENGTH): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-file-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "key"), new Uint8Array(length).fill(7));
  return join(folder, "key");
}

/** Descriptors that this process has open: one more than the number of the next. */
async function nextDescriptor(): Promise<number> {
  const handle = await open("/dev/null", "r");
  const { fd } = handle;
  await handle.close();
  return fd;
}

it("a file is read in parts, and none of it before it is wanted", async () => {
  const name = await file();
  const before = await nextDescriptor();
  const bytes = await fileBytes(name);
  expect(bytes?.byteLength).toBe(LENGTH);
  const stream = bytes?.open();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await nextDescriptor()).toBe(before);
  const lengths: number[] = [];
  for await (const part of stream as unknown as AsyncIterable<Uint8Array>) lengths.push(part.length);
  expect([lengths.reduce((sum, length) => sum + length, 0), Math.max(...lengths)]).toEqual([LENGTH, 64 * 1024]);
  expect(await nextDescriptor()).toBe(before);
});

it("a reader that goes leaves nothing open, and a file that is shorter than it was is no end", async () => {
  const name = await file();
  const before = await nextDescriptor();
  const left = (await fileBytes(name))?.open().getReader();
  await left?.read();
  await left?.cancel();
  expect(await nextDescriptor()).toBe(before);
  const bytes = await fileBytes(name);
  await truncate(name, 64 * 1024);
  const reader = bytes?.open().getReader();
  await reader?.read();
  await expect(reader?.read()).rejects.toThrow("shorter");
  expect(await nextDescriptor()).toBe(before);
  expect(await fileBytes(await file(0))).toBeNull();
  expect(await fileBytes("/nowhere/at/all")).toBeNull();
});

it("the gateway sends a server key with its length, and no body to who asks for its head", async () => {
  const world = await startWorld();
  const { document, bytes } = keySet();
  const got = await world.call("GET", `/v1/fhe/blobs/${document.keyId}`);
  expect([got.status, got.headers.get("content-length"), got.bytes]).toEqual([200, String(bytes.length), bytes]);
  const head = await world.call("HEAD", `/v1/fhe/blobs/${document.keyId}`);
  expect([head.status, head.headers.get("content-length"), head.bytes.length]).toEqual([200, String(bytes.length), 0]);
});
