/** What a machine has of what Triseal can use, each with how to get it. Nothing is changed. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../package-root.ts";

/** `missing` stops `serve`; `absent` only costs what the line says. */
export type Finding = "ok" | "missing" | "absent";

/** One line of the report. */
export interface Probe {
  readonly name: string;
  readonly finding: Finding;
  /** What was found. */
  readonly detail: string;
  /** What does not work without it, and how to get it; null where it is there. */
  readonly remedy: string | null;
}

/** Node that the package asks for, as major and minor. */
const NODE_FLOOR = [20, 19] as const;
/** Rust that tfhe-rs asks for; the prover would do with less. */
const RUST_FLOOR = [1, 91] as const;
const MEMORY_FLOOR_GIB = 2;
/** A command that says its version in no time; a machine on its knees gets ten seconds. */
const COMMAND_TIMEOUT_MS = 10_000;

/** Whether a dotted version is at least a floor. */
export function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, first = "", second = ""] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (first === "") return false;
  return Number(first) > major || (Number(first) === major && Number(second) >= minor);
}

/** The version that a command prints, or null where it is not there. */
export function versionOf(command: string): string | null {
  const { status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8", timeout: COMMAND_TIMEOUT_MS });
  if (status !== 0) return null;
  return /\d+\.\d+(\.\d+)?/.exec(stdout)?.[0] ?? stdout.trim().slice(0, 40);
}

/** A line about what is there. */
export function found(name: string, detail: string): Probe {
  return { name, finding: "ok", detail, remedy: null };
}

/** A line about what is not. */
export function lacking(name: string, finding: "missing" | "absent", detail: string, remedy: string): Probe {
  return { name, finding, detail, remedy };
}

/** Whether this user may write to a folder. */
export function hasWriteAccess(folder: string): boolean {
  return hasAccess(folder, constants.W_OK);
}

/** Whether a file is there and may be used so. */
function hasAccess(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}

/** The interpreter. @param version as `process.versions.node`. */
export function probeNode(version: string): Probe {
  const floor = NODE_FLOOR.join(".");
  if (isAtLeast(version, NODE_FLOOR)) return found("node", version);
  return lacking("node", "missing", version, `install Node ${floor} or newer`);
}

/**
 * The inference library, which has a native part for some platforms only. It is loaded in a process of its own: here nobody needs it.
 * @param library name of the package.
 */
export function probeOnnxRuntime(library = "onnxruntime-node"): Probe {
  const platform = `${process.platform} ${process.arch}`;
  const load = ["--input-type=module", "--eval", `await import(${JSON.stringify(library)})`];
  const { status } = spawnSync(process.execPath, load, { cwd: packageRoot, stdio: "ignore", timeout: COMMAND_TIMEOUT_MS });
  if (status === 0) return found("onnxruntime", platform);
  return lacking("onnxruntime", "missing", platform, "run `npm ci` on a platform that onnxruntime-node ships a library for");
}

/** Cores and memory. */
export function probeMachine(): Probe {
  const gib = totalmem() / 2 ** 30;
  const detail = `${availableParallelism()} cores, ${gib.toFixed(1)} GiB`;
  if (gib >= MEMORY_FLOOR_GIB) return found("machine", detail);
  return lacking("machine", "absent", detail, `workers and provers want ${MEMORY_FLOOR_GIB} GiB or more`);
}

/** The Rust toolchain, which builds the two programs below. @param version as `cargo --version` says it, or null. */
export function probeRust(version: string | null = versionOf("cargo")): Probe {
  const floor = RUST_FLOOR.join(".");
  const remedy = `install Rust ${floor} or newer (rustup.rs): without it no program below can be built`;
  if (version === null) return lacking("rust", "absent", "no cargo", remedy);
  return isAtLeast(version, RUST_FLOOR) ? found("rust", version) : lacking("rust", "absent", version, remedy);
}

/** @param duration how long the build takes, for the end of the line. */
function probeBuilt(name: string, program: string, without: string, duration: string): Probe {
  const script = `npm run build:${name}`;
  if (hasAccess(join(packageRoot, program), constants.X_OK)) return found(name, "built");
  return lacking(name, "absent", "not built", `${without}; \`${script}\` builds it${duration}`);
}

/** The fast prover. */
export function probeProver(): Probe {
  return probeBuilt(
    "prover",
    "src/paths/zk/prover/target/release/triseal-prover",
    "snarkjs proves, more slowly",
    " in about a minute",
  );
}

/** The engine of the fhe path, which also makes its keys. */
export function probeEngine(): Probe {
  const without = "the fhe path answers PATH_UNAVAILABLE, and `triseal fhe` makes no keys";
  return probeBuilt("engine", "src/paths/fhe/engine/target/release/triseal-fhe", without, " in about seven minutes on two cores");
}

/** The TPM in software, which the demo and tests use. @param version as `swtpm --version` says it, or null. */
export function probeSwtpm(version: string | null = versionOf("swtpm")): Probe {
  const remedy =
    "the demo simulates its platform by a key, and tests of TPM evidence are skipped; `apt-get install swtpm` (Debian, Ubuntu) installs it";
  return version === null ? lacking("swtpm", "absent", "not installed", remedy) : found("swtpm", version);
}

/** Which database `serve` would use. @param url `DATABASE_URL`, or null. */
export function probeDatabase(url: string | null): Probe {
  if (url !== null) return found("database", "PostgreSQL, as DATABASE_URL says; `serve` tries it");
  return found("database", "embedded; set DATABASE_URL for PostgreSQL");
}
