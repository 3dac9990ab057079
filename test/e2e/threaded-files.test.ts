import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import type { FileStep } from "../../src/log/store/files.ts";
import type { ThreadedFiles } from "../../src/log/store/threaded-files.ts";

type Files = typeof import("../../src/log/store/threaded-files.ts");

/** The thread is a built file. */
const built = new URL("../../dist/src/log/store/threaded-files.js", import.meta.url).href;

let folder = "";
let files: ThreadedFiles;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-threaded-"));
  files = ((await import(built)) as Files).openThreadedFiles();
});

afterEach(async () => {
  await files.close();
  await rm(folder, { recursive: true, force: true });
});

const write = (name: string, text: string): FileStep => ({ do: "write", path: join(folder, name), bytes: utf8(text) });

describe("files that a thread writes", () => {
  it("are made in the order of the steps, with folders of their own", async () => {
    const file = await files.openAppend(join(folder, "leaves"));
    await files.perform([
      { do: "makeDirectory", path: join(folder, "a/b") },
      write("a/b/record", "one"),
      { do: "syncDirectory", path: join(folder, "a/b") },
      { do: "append", file, bytes: utf8("first ") },
      { do: "append", file, bytes: utf8("second") },
    ]);
    expect(await readFile(join(folder, "a/b/record"), "utf8")).toBe("one");
    expect(await readFile(join(folder, "leaves"), "utf8")).toBe("first second");
    await files.perform([write("a/b/record", ""), write("a/b/large", "x".repeat(300_000))]);
    expect(await readFile(join(folder, "a/b/record"), "utf8")).toBe("");
    expect((await readFile(join(folder, "a/b/large"))).length).toBe(300_000);
    await file.close();
  });

  it.each([
    ["a folder that is not there", "ENOENT", (): FileStep => write("missing/record", "x")],
    ["a file in the place of a folder", "ENOTDIR", (): FileStep => write("taken/record", "x")],
    ["a folder in the place of a file", "EISDIR", (): FileStep => write("folder", "x")],
    ["names of a folder that is not there", "ENOENT", (): FileStep => ({ do: "syncDirectory", path: join(folder, "none") })],
  ])("fail at %s with the system's code, and do nothing of what comes after", async (_, code, failing) => {
    await mkdir(join(folder, "folder"));
    await files.perform([write("taken", "")]);
    const steps = [write("before", "1"), failing(), write("after", "2")];
    await expect(files.perform(steps)).rejects.toEqual(expect.objectContaining({ code }));
    expect((await readdir(folder)).sort()).toEqual(["before", "folder", "taken"]);
    await files.perform([write("later", "3")]);
  });

  it("are not appended to once they are closed: their descriptor may be another file's", async () => {
    const file = await files.openAppend(join(folder, "leaves"));
    await files.perform([{ do: "append", file, bytes: utf8("kept") }]);
    await file.close();
    await expect(files.perform([{ do: "append", file, bytes: utf8("lost") }])).rejects.toThrow("closed");
    expect(await readFile(join(folder, "leaves"), "utf8")).toBe("kept");
  });

  it("are closed only after what is under way", async () => {
    const file = await files.openAppend(join(folder, "leaves"));
    const under = Array.from({ length: 20 }, () => files.perform([{ do: "append", file, bytes: utf8("x") }]));
    await Promise.all([...under, file.close()]);
    expect(await readFile(join(folder, "leaves"), "utf8")).toBe("x".repeat(20));
  });

  it("are refused after the thread has ended", async () => {
    await files.close();
    await expect(files.perform([write("record", "x")])).rejects.toThrow("ended");
    expect(await readdir(folder)).toEqual([]);
  });
});
