import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parseCheckpointText, parseNote } from "../../../src/log/index.ts";
import type { TransparencyLog } from "../../../src/log/store/transparency-log.ts";
import { appendAll, code, memoryDisk, openLog, temporaryFolder } from "./store-fixture.ts";

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

/** The path that C2SP tlog-tiles gives a tile, by its own words: groups of three digits, all but the last behind an `x`. */
function tilePath(level: number | "entries", index: number, width: number): string {
  let rest = index;
  const groups = [String(rest % 1000).padStart(3, "0")];
  while (rest >= 1000) {
    rest = Math.floor(rest / 1000);
    groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  }
  return `tile/${level}/${groups.join("/")}${width === 256 ? "" : `.p/${width}`}`;
}

type Read = (path: string) => Promise<Uint8Array>;

/** Leaves of a log as a client reads them: entry bundles by the sizes of the checkpoint alone. */
async function readEntries(read: Read, size: number): Promise<Uint8Array[]> {
  const entries: Uint8Array[] = [];
  for (let start = 0; start < size; start += 256) {
    const bundle = await read(tilePath("entries", start / 256, Math.min(256, size - start)));
    for (let offset = 0; offset < bundle.length; ) {
      const length = (bundle[offset] ?? 0) * 256 + (bundle[offset + 1] ?? 0);
      entries.push(bundle.subarray(offset + 2, offset + 2 + length));
      offset += 2 + length;
    }
  }
  return entries;
}

/** Nodes of level `8 * level`, read from its tiles. */
async function readNodes(read: Read, level: number, count: number): Promise<Uint8Array[]> {
  const nodes: Uint8Array[] = [];
  for (let start = 0; start < count; start += 256) {
    const width = Math.min(256, count - start);
    const tile = await read(tilePath(level, start / 256, width));
    expect(tile.length).toBe(32 * width);
    for (let place = 0; place < width; place++) nodes.push(tile.subarray(32 * place, 32 * place + 32));
  }
  return nodes;
}

/** Root of the tree over nodes, by pairing neighbours level by level; a last one without neighbour goes up as it is. */
function rootOf(nodes: readonly Uint8Array[]): Uint8Array {
  let row = [...nodes];
  while (row.length > 1) {
    const above: Uint8Array[] = [];
    for (let place = 0; place < row.length; place += 2) {
      const [left, right] = [row[place], row[place + 1]];
      if (left !== undefined) above.push(right === undefined ? left : sha256(Uint8Array.of(1), left, right));
    }
    row = above;
  }
  return row[0] ?? sha256();
}

/** Reads a whole log from its tiles and checks every level against the one below, and the root against the checkpoint. */
async function expectReadable(read: Read, checkpoint: string): Promise<void> {
  const { size, root } = parseCheckpointText(parseNote(checkpoint).text);
  const hashes = (await readEntries(read, size)).map((leaf) => sha256(Uint8Array.of(0), leaf));
  expect(hashes).toHaveLength(size);
  expect(rootOf(hashes)).toEqual(root);
  let below = hashes;
  for (let level = 0; below.length > 0; level++) {
    const nodes = await readNodes(read, level, below.length);
    expect(Buffer.concat(nodes).equals(Buffer.concat(below))).toBe(true);
    below = Array.from({ length: Math.floor(below.length / 256) }, (_, place) =>
      rootOf(nodes.slice(256 * place, 256 * place + 256)),
    );
  }
}

const served =
  (log: TransparencyLog): Read =>
  async (path) =>
    (await log.readTile(path)) ?? Promise.reject(new Error(`no tile ${path}`));

describe("the tiles of a log", () => {
  it.each([1, 2, 255, 256, 257, 511, 512, 513, 700])(
    "of %d leaves give its root to a reader that knows only the format",
    async (size) => {
      const { files, directory } = await memoryDisk();
      const log = await openLog(directory, files);
      await appendAll(log, 0, size);
      await expectReadable(served(log), log.checkpoint());
      await log.published();
      await expectReadable(async (path) => files.peek(`${directory}/${path}`), log.checkpoint());
      await log.close();
    },
  );

  it("are the same whether the leaves came one by one, in batches or after restarts", async () => {
    const { files, directory } = await memoryDisk();
    for (const [from, count] of [
      [0, 1],
      [1, 254],
      [255, 2],
      [257, 300],
      [557, 1],
    ] as const) {
      const log = await openLog(directory, files);
      await appendAll(log, from, count);
      await expectReadable(served(log), log.checkpoint());
      await log.published();
      await expectReadable(async (path) => files.peek(`${directory}/${path}`), log.checkpoint());
      await log.close();
    }
    const once = await memoryDisk();
    const log = await openLog(once.directory, once.files);
    await appendAll(log, 0, 558);
    await log.close();
    const tiles = (disk: typeof once) =>
      disk.files.paths(`${disk.directory}/tile`).map((path) => [path.slice(disk.directory.length), disk.files.peek(path)]);
    expect(tiles({ files, directory })).toEqual(tiles(once));
  });

  it("stand on the machine's disk as plain files, the widest partial one of each row alone", async () => {
    const directory = `${await temporaryFolder()}/log`;
    const log = await openLog(directory);
    for (let number = 0; number < 5; number++) await appendAll(log, number, 1);
    await appendAll(log, 5, 255);
    await log.published();
    await expectReadable(async (path) => new Uint8Array(await readFile(`${directory}/${path}`)), log.checkpoint());
    expect(await readdir(`${directory}/tile/0/001.p`)).toEqual(["4"]);
    expect(await readdir(`${directory}/tile/entries/001.p`)).toEqual(["4"]);
    expect(await readdir(`${directory}/tile/entries/000.p`)).toEqual([]);
    await log.close();
  });

  it("of every width are the beginning of the wider ones, and none is wider than the log", async () => {
    const { files, directory } = await memoryDisk();
    const log = await openLog(directory, files);
    await appendAll(log, 0, 9);
    const widest = await served(log)("tile/0/000.p/9");
    for (let width = 1; width <= 9; width++) {
      expect(await log.readTile(`tile/0/000.p/${width}`)).toEqual(widest.slice(0, 32 * width));
      const bundle = await served(log)(`tile/entries/000.p/${width}`);
      expect(await served(log)("tile/entries/000.p/9").then((whole) => whole.slice(0, bundle.length))).toEqual(bundle);
    }
    for (const path of [
      "tile/0/000.p/10",
      "tile/0/000",
      "tile/0/001.p/1",
      "tile/1/000.p/1",
      "tile/entries/000.p/10",
      "tile/entries/000",
    ]) {
      expect(await log.readTile(path)).toBeNull();
    }
    for (const path of ["tile/0/0", "tile/../leaves", "leaves", "tile/entries/000.p/0", ""]) {
      await expect(async () => log.readTile(path)).rejects.toEqual(code("NOT_FOUND"));
    }
    await log.close();
  });

  it("reach a third level beyond 65536 leaves, and the log is opened with all of them", async () => {
    const { files, directory } = await memoryDisk();
    const log = await openLog(directory, files);
    const size = 65_536 + 300;
    await appendAll(log, 0, size);
    const checkpoint = log.checkpoint();
    await expectReadable(served(log), checkpoint);
    expect((await log.readTile("tile/2/000.p/1"))?.length).toBe(32);
    await log.close();
    const again = await openLog(directory, files);
    expect(again.checkpoint()).toBe(checkpoint);
    await expectReadable(async (path) => files.peek(`${directory}/${path}`), checkpoint);
    await again.close();
  }, 60_000);
});
