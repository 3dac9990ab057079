import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listHolderFiles, listWorkerFiles } from "../../../enclave/image/released-file.ts";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { workerFilesDigest } from "../../../src/paths/tee/wire/keyset.ts";

let folder: string;

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-files-"));
  await write("package.json", "{}");
  const parts = ["enclave/worker/main", "src/core/a", "src/model/read/b", "src/paths/tee/sealing/e", "src/paths/tee/wire/c"];
  const shared = ["enclave/attester/f", "enclave/image/g", "enclave/process/h"];
  for (const part of [...parts, ...shared, "src/signing/d"]) {
    for (const extension of [".js", ".d.ts", ".js.map"]) await write(`dist/${part}${extension}`, part + extension);
  }
  await write("dist/src/gateway/not-the-worker.js", "x");
  await write("dist/enclave/key-holder/not-the-worker.js", "x");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const list = () => listWorkerFiles(pathToFileURL(join(folder, "dist/enclave/worker/main.js")).href);

/** Modules of ours that a module loads, now or later; types alone load nothing. */
function importsOf(path: string): readonly string[] {
  const source = readFileSync(path, "utf8");
  const found = source.matchAll(/^(?:import|export) (?!type )[^;"]*?from "(\.[^"]+)"|import\("(\.[^"]+)"\)/gm);
  return [...found].map(([, now, later]) => join(dirname(path), now ?? later ?? ""));
}

describe("the list of released files", () => {
  it("names every module of the worker from the package's root, sorted, and nothing else", async () => {
    const files = await list();
    expect(files.map((file) => file.path)).toEqual([
      "dist/enclave/attester/f.js",
      "dist/enclave/image/g.js",
      "dist/enclave/process/h.js",
      "dist/enclave/worker/main.js",
      "dist/src/core/a.js",
      "dist/src/model/read/b.js",
      "dist/src/paths/tee/sealing/e.js",
      "dist/src/paths/tee/wire/c.js",
      "dist/src/signing/d.js",
    ]);
    expect(files[4]?.digest).toBe(digestOf(utf8("src/core/a.js")));
  });

  it("has another digest when a file changes, appears or is renamed", async () => {
    const before = workerFilesDigest(await list());
    await write("dist/src/core/a.js", "changed");
    const changed = workerFilesDigest(await list());
    await write("dist/src/core/a.js", "src/core/a.js");
    expect(workerFilesDigest(await list())).toBe(before);
    await write("dist/src/core/z.js", "");
    expect(new Set([before, changed, workerFilesDigest(await list())]).size).toBe(3);
  });

  it.each([
    ["worker", ["enclave/worker/main.ts", "enclave/worker/model-thread.ts"], listWorkerFiles],
    ["key-holder", ["enclave/key-holder/main.ts"], listHolderFiles],
  ] as const)(
    "covers every module of ours that the %s loads, and of the other program none",
    async (name, programs, listFiles) => {
      const listed = (await listFiles()).map((file) => file.path);
      const loaded = new Set<string>(programs);
      for (const path of loaded) for (const imported of importsOf(path)) loaded.add(imported);
      expect(loaded.size).toBeGreaterThan(30);
      expect([...loaded].filter((path) => !listed.includes(path))).toEqual([]);
      const other = name === "worker" ? "enclave/key-holder/" : "enclave/worker/";
      expect(listed.filter((path) => path.startsWith(other))).toEqual([]);
    },
  );

  it("covers this worker's own sources", async () => {
    const paths = (await listWorkerFiles()).map((file) => file.path);
    expect(paths).toContain("enclave/worker/main.ts");
    expect(paths).toContain("src/core/oip.ts");
    expect(paths).toContain("src/paths/tee/wire/leg.ts");
    expect(paths.some((path) => path.startsWith("src/gateway"))).toBe(false);
  });
});
