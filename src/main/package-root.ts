/** Where the package's own data stands: shipped models, policies, and the worker's program. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds `package.json`. */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("package.json not found above this program");
  return findRoot(parent);
}

/** Node arguments that start one of this package's built programs, given by its source path without ending. */
export function programArguments(source: string): readonly string[] {
  return [join(packageRoot, "dist", `${source}.js`)];
}
