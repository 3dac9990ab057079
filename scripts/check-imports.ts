/**
 * Checks the import direction of src/ and enclave/ against .dependency-cruiser.cjs, and then checks the check: files that it
 * did not read, files that belong to no row of the matrix, and forbidden imports planted into a copy that it does not report.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { ICruiseResult } from "dependency-cruiser";
import { plantedImports, plantedTargets } from "./planted-import.ts";

/** Fewer modules than this cannot be the whole project. */
const LEAST_MODULES = 40;
const FOLDERS = ["src", "enclave"];
/** Read as well, under rules of its own. */
const BENCH = "bench";
const CONFIG = resolve(".dependency-cruiser.cjs");
const CRUISER = resolve("node_modules/dependency-cruiser/bin/dependency-cruise.mjs");

/** The result of a cruise of `root`. The JSON reporter exits 0 whatever it finds. */
function cruise(root: string): ICruiseResult {
  const options = ["--config", CONFIG, "--no-cache", "--progress", "none", "--output-type", "json"];
  const folders = existsSync(join(root, BENCH)) ? [...FOLDERS, BENCH] : FOLDERS;
  const text = execFileSync(process.execPath, [CRUISER, ...options, ...folders], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  return JSON.parse(text) as ICruiseResult;
}

/** Every TypeScript file of ours under `root`, with forward slashes. */
function filesOnDisk(root: string): string[] {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map(
      (file) => `${folder}/${file.replaceAll("\\", "/")}`,
    ),
  );
  return files.filter((file) => file.endsWith(".ts") && !file.includes("node_modules/") && !file.includes("/target/"));
}

/** What is wrong with the coverage of a cruise: too few modules, files that it did not read, files outside the matrix. */
function coverageFaults(result: ICruiseResult, files: readonly string[]): string[] {
  const seen = new Set(result.modules.map((module) => module.source));
  const rows = (result.summary.ruleSetUsed?.forbidden ?? []).filter((rule) => rule.name?.startsWith("matrix: "));
  const patterns = rows.flatMap((rule) => rule.from.path ?? []).map((pattern) => new RegExp(pattern));
  const few = files.length < LEAST_MODULES ? [`only ${files.length} files, expected ${LEAST_MODULES} at least`] : [];
  const unread = files.filter((file) => !seen.has(file)).map((file) => `${file}: not read`);
  const homeless = files.filter((file) => !patterns.some((pattern) => pattern.test(file)));
  return [...few, ...unread, ...homeless.map((file) => `${file}: its folder is not in the matrix`)];
}

/** The planted imports that a cruise of a copy of the tree does not report. */
function unreportedPlants(): string[] {
  const root = mkdtempSync(join(tmpdir(), "triseal-imports-"));
  try {
    for (const folder of FOLDERS) cpSync(folder, join(root, folder), { recursive: true });
    cpSync("package.json", join(root, "package.json"));
    symlinkSync(resolve("node_modules"), join(root, "node_modules"));
    for (const [file, text] of plantedTargets) write(root, file, text);
    for (const planted of plantedImports) write(root, planted.file, planted.text);
    const found = new Set(cruise(root).summary.violations.map(({ from, rule }) => `${from} ${rule.name}`));
    return plantedImports.filter(({ file, rule }) => !found.has(`${file} ${rule}`)).map(({ kind, file }) => `${kind} (${file})`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function write(root: string, file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  appendFileSync(join(root, file), `${text}\n`);
}

const result = cruise(".");
const files = filesOnDisk(".");
const faults = [
  ...result.summary.violations.map(({ from, to, rule }) => `${from} -> ${to}: ${rule.name}`),
  ...coverageFaults(result, files),
  ...unreportedPlants().map((plant) => `planted violation not reported: ${plant}`),
];
for (const fault of faults) console.error(`imports: ${fault}`);
if (faults.length === 0) {
  console.log(`imports: ${files.length} files follow the matrix; all ${plantedImports.length} planted violations were reported`);
}
process.exitCode = faults.length === 0 ? 0 : 1;
