import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { lockData } from "../../../src/log/store/data-lock.ts";

/** A process that cannot be: above the highest pid that Linux gives out. */
const DEAD = "999999999";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-lock-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe("a lock file that a dead process left", () => {
  it("goes to one of many that find it at once", async () => {
    const folder = await temporaryFolder();
    for (let round = 0; round < 40; round++) {
      const path = join(folder, `lock-${round}`);
      await writeFile(path, DEAD);
      const asked = await Promise.allSettled(Array.from({ length: 6 }, () => lockData(path)));
      const locks = asked.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      const refusals = asked.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      expect(locks).toHaveLength(1);
      for (const refusal of refusals) expect(refusal).toMatchObject({ code: "LOG_LOCKED" });
      expect(await readFile(path, "utf8")).toBe(String(process.pid));
      await locks[0]?.release();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it("is taken over also where a process died in the middle of taking it over", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "lock");
    await writeFile(path, DEAD);
    await writeFile(`${path}.takeover`, DEAD);
    const lock = await lockData(path);
    await expect(lockData(path)).rejects.toMatchObject({ code: "LOG_LOCKED", details: { pid: process.pid } });
    await lock.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it("stays where it is while a live process is taking it over", async () => {
    const path = join(await temporaryFolder(), "lock");
    await writeFile(path, DEAD);
    await writeFile(`${path}.takeover`, String(process.ppid));
    await expect(lockData(path)).rejects.toMatchObject({ code: "LOG_LOCKED", details: { pid: process.ppid } });
    expect(await readFile(path, "utf8")).toBe(DEAD);
  });
});
