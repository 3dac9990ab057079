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
      expect((await readFile(path, "utf8")).split(" ")[0]).toBe(String(process.pid));
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

  it("is taken over where another process has its id now: one of another start, or of another boot", async () => {
    const folder = await temporaryFolder();
    const own = await lockData(join(folder, "own"));
    const [, mine = ""] = (await readFile(join(folder, "own"), "utf8")).split(" ");
    await own.release();
    const boot = mine.split("/")[0] ?? "";
    expect(mine).toMatch(/^[0-9a-f-]{36}\/\d+$/);
    const stat = await readFile(`/proc/${process.ppid}/stat`, "utf8");
    const start = stat.split(") ").at(-1)?.split(" ")[19] ?? "";
    const path = join(folder, "lock");
    await writeFile(path, `${process.ppid} ${boot}/${start}`);
    await expect(lockData(path)).rejects.toMatchObject({ code: "LOG_LOCKED", details: { pid: process.ppid } });
    for (const reused of [`${boot}/${Number(start) + 1}`, `00000000-0000-0000-0000-000000000000/${start}`]) {
      await writeFile(path, `${process.ppid} ${reused}`);
      const lock = await lockData(path);
      expect(await readFile(path, "utf8")).toBe(`${process.pid} ${mine}`);
      await lock.release();
    }
  });

  it("stays where it is while a live process is taking it over", async () => {
    const path = join(await temporaryFolder(), "lock");
    await writeFile(path, DEAD);
    await writeFile(`${path}.takeover`, String(process.ppid));
    await expect(lockData(path)).rejects.toMatchObject({ code: "LOG_LOCKED", details: { pid: process.ppid } });
    expect(await readFile(path, "utf8")).toBe(DEAD);
  });
});
