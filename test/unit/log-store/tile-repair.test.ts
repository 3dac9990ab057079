import { describe, expect, it } from "vitest";
import { parseEntries } from "../../../src/log/index.ts";
import { diskError, type MemoryFiles } from "./memory-files.ts";
import { appendAll, code, memoryDisk, openLog } from "./store-fixture.ts";
import { watchFiles } from "./watched-files.ts";

const BUNDLE = "tile/entries/000";

/** A log of 300 leaves, and what its first entry bundle holds. */
async function filled() {
  const { files, directory } = await memoryDisk();
  const state = { full: false };
  const watched = watchFiles(files, (operation) => {
    if (state.full && operation === "write") throw diskError("ENOSPC");
  });
  const log = await openLog(directory, watched);
  await appendAll(log, 0, 300);
  await log.published();
  const whole = (await log.readTile(BUNDLE)) ?? new Uint8Array();
  expect(parseEntries(whole)).toHaveLength(256);
  return { files, directory, log, state, whole };
}

/** An entry bundle as a write that ended half-way leaves it, or a disk that lies. */
function damages(whole: Uint8Array): readonly (Uint8Array | null)[] {
  const first = 2 + (whole[0] ?? 0) * 256 + (whole[1] ?? 0);
  return [
    null,
    new Uint8Array(),
    whole.subarray(0, first),
    whole.subarray(0, 1000),
    whole.map((byte, at) => (at === 9 ? byte ^ 1 : byte)),
  ];
}

function damage(files: MemoryFiles, directory: string, bytes: Uint8Array | null): void {
  files.plant(`${directory}/${BUNDLE}`, bytes);
}

describe("an entry bundle on the disk of a running log", () => {
  it("that is missing, torn or another is served whole, and is made again on the disk", async () => {
    const { files, directory, log, whole } = await filled();
    for (const bytes of damages(whole)) {
      damage(files, directory, bytes);
      expect(await log.readTile(BUNDLE)).toEqual(whole);
      expect(files.peek(`${directory}/${BUNDLE}`)).toEqual(whole);
      damage(files, directory, bytes);
      expect(parseEntries((await log.readTile(`${BUNDLE}.p/7`)) ?? new Uint8Array())).toEqual(parseEntries(whole).slice(0, 7));
    }
    await log.close();
  });

  it("is served also while the disk takes no writes", async () => {
    const { files, directory, log, state, whole } = await filled();
    state.full = true;
    for (const bytes of damages(whole)) {
      damage(files, directory, bytes);
      expect(await log.readTile(BUNDLE)).toEqual(whole);
    }
    await log.close();
  });

  it("is refused where the leaves on the disk are others, too", async () => {
    const { files, directory, log } = await filled();
    const leaves = files.peek(`${directory}/leaves`);
    for (const bytes of [null, leaves.subarray(0, 500), leaves.map((byte, at) => (at === 40 ? byte ^ 1 : byte))]) {
      damage(files, directory, null);
      files.plant(`${directory}/leaves`, bytes);
      await expect(log.readTile(BUNDLE)).rejects.toEqual(code("LOG_CORRUPT"));
    }
    await log.close();
  });
});

describe("a commit whose tiles were half written", () => {
  it("leaves every tile readable, at whatever write it failed, and the next commit writes them", async () => {
    for (let failing = 1; failing <= 8; failing++) {
      const { files, directory } = await memoryDisk();
      let writes = Number.NEGATIVE_INFINITY;
      const watched = watchFiles(files, (operation) => {
        if (operation === "write" && ++writes >= failing) throw diskError("ENOSPC");
      });
      const log = await openLog(directory, watched);
      await appendAll(log, 0, 250);
      await log.published();
      writes = 0;
      await appendAll(log, 250, 270);
      await log.published();
      const tiles = [
        BUNDLE,
        "tile/entries/001",
        "tile/entries/002.p/8",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/8",
        "tile/1/000.p/2",
      ];
      for (const path of tiles) expect([path, await log.readTile(path)]).not.toEqual([path, null]);
      writes = Number.NEGATIVE_INFINITY;
      await appendAll(log, 520, 1);
      await log.published();
      for (const path of tiles.filter((name) => !name.includes(".p/")))
        expect(files.peek(`${directory}/${path}`)).toEqual(await log.readTile(path));
      await log.close();
    }
  });
});
