/**
 * Completes package-lock.json: enters the platform packages that npm left out because the registry at hand does not serve them.
 * Without an entry for every optional dependency `npm ci` refuses the lock file, on every platform. The entries carry the
 * version that the parent names and the platform that the name states, but no integrity: nothing was downloaded to hash.
 * Run after `npm install`; with `--check` it only reports what is missing.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface LockEntry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, LockEntry>;
}

const OS_NAMES = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const CPU_NAMES = ["arm", "arm64", "ia32", "ppc64", "riscv64", "s390x", "x64"];

/** The lock entry of a platform package, from its name; undefined if the name states no platform. */
function platformEntry(name: string, version: string, dev: boolean): LockEntry | undefined {
  const words = (name.split("/").at(-1) ?? "").split("-");
  const os = words.find((word) => OS_NAMES.includes(word));
  const cpu = words.find((word) => CPU_NAMES.includes(word));
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) return undefined;
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : words.includes("gnu") ? ["glibc"] : undefined;
  return { version, cpu: [cpu], ...(dev ? { dev } : {}), ...(libc === undefined ? {} : { libc }), optional: true, os: [os] };
}

/** Whether `parent`'s dependency `name` has an entry where npm would look for it. */
function isLocked(lock: Lock, parent: string, name: string): boolean {
  for (let folder = parent; folder !== ""; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    if (`${folder}/node_modules/${name}` in lock.packages) return true;
  }
  return `node_modules/${name}` in lock.packages;
}

/** The optional dependencies that have no entry, by the place where one belongs. */
function missingEntries(lock: Lock): Map<string, LockEntry | undefined> {
  const missing = new Map<string, LockEntry | undefined>();
  for (const [parent, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!isLocked(lock, parent, name)) missing.set(`node_modules/${name}`, platformEntry(name, version, entry.dev === true));
    }
  }
  return missing;
}

const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
const missing = missingEntries(lock);
const unknown = [...missing].filter(([, entry]) => entry === undefined).map(([place]) => place);
if (unknown.length > 0) console.error(`package-lock.json: no platform in the name of ${unknown.join(", ")}`);
if (process.argv.includes("--check")) {
  if (missing.size > 0) console.error(`package-lock.json lacks ${missing.size} optional packages: run \`npm run lock\``);
  else console.log("package-lock.json names every optional package");
  process.exitCode = missing.size === 0 ? 0 : 1;
} else {
  for (const [place, entry] of missing) if (entry !== undefined) lock.packages[place] = entry;
  const sorted = Object.entries(lock.packages).sort(([left], [right]) => left.localeCompare(right, "en"));
  writeFileSync("package-lock.json", `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  console.log(`package-lock.json: ${missing.size - unknown.length} entries added`);
  process.exitCode = unknown.length === 0 ? 0 : 1;
}
