/** An enclave program's own files, as they lie on disk: what its `workerDigest` is taken over. */
import { access, readdir, readFile } from "node:fs/promises";
import { dirname, extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf } from "../../src/core/digest.ts";
import type { ReleasedFiles } from "../../src/paths/tee/wire/keyset.ts";

/** Folders of the modules that every program of the enclave consists of, from the root of the code. */
const SHARED_FOLDERS = [
  "enclave/attester",
  "enclave/image",
  "enclave/process",
  "src/core",
  "src/model",
  "src/paths/tee/wire",
  "src/signing",
];

const WORKER_FOLDERS = [...SHARED_FOLDERS, "enclave/worker", "src/paths/tee/sealing"];

/** The key holder verifies bundles. The last one without the folders inside it. */
const HOLDER_FOLDERS = [
  ...SHARED_FOLDERS,
  "enclave/key-holder",
  "src/log",
  "src/paths/fhe/compile",
  "src/paths/fhe/evidence",
  "src/paths/fhe/wire",
  "src/policy",
  "src/receipt",
  "src/trust",
  "src/verify",
  "src/paths/*",
];

async function packageRoot(start: string): Promise<string> {
  for (let folder = start; ; folder = dirname(folder)) {
    try {
      await access(join(folder, "package.json"));
      return folder;
    } catch {
      if (dirname(folder) === folder) return start;
    }
  }
}

/**
 * Path (from the package's root, with `/`) and SHA-256 of every module of the worker, sorted by path in code unit order.
 * From sources these are `.ts` files, from a build the `.js` files under `dist`: two forms, two digests. Packages that the
 * worker imports (onnxruntime-node, hpke, @panva/hpke-noble, @noble, @bufbuild/protobuf) are not in the list; the measured image has to cover them.
 */
export function listWorkerFiles(moduleUrl: string = import.meta.url): Promise<ReleasedFiles> {
  return listFiles(WORKER_FOLDERS, moduleUrl);
}

/** The same of the key holder. Of packages it imports yaml, zod, @marcbachmann/cel-js and @noble. */
export function listHolderFiles(moduleUrl: string = import.meta.url): Promise<ReleasedFiles> {
  return listFiles(HOLDER_FOLDERS, moduleUrl);
}

async function listFiles(folders: readonly string[], moduleUrl: string): Promise<ReleasedFiles> {
  const self = fileURLToPath(moduleUrl);
  const extension = extname(self);
  const codeRoot = join(dirname(self), "..", "..");
  const root = await packageRoot(codeRoot);
  const files: { path: string; digest: ReturnType<typeof digestOf> }[] = [];
  for (const named of folders) {
    const folder = named.replace(/\/\*$/, "");
    for (const entry of await readdir(join(codeRoot, folder), { recursive: folder === named, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(extension) || entry.name.endsWith(".d.ts")) continue;
      const file = join(entry.parentPath, entry.name);
      files.push({ path: relative(root, file).split(sep).join("/"), digest: digestOf(await readFile(file)) });
    }
  }
  return files.sort((left, right) => (left.path < right.path ? -1 : 1));
}
