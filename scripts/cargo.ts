/** Runs cargo on a crate of this repository, always with the same flags: other flags would build every dependency anew. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A crate and the program that its build leaves. */
export interface Crate {
  readonly folder: string;
  readonly program: string;
  /** Added to the flags of whoever builds. */
  readonly flags: string;
}

function crateAt(path: string, name: string, flags: string): Crate {
  const folder = fileURLToPath(new URL(`../${path}/`, import.meta.url));
  return { folder, program: `${folder}target/release/${name}`, flags };
}

/** The prover of the zk path. */
export const prover: Crate = crateAt("src/paths/zk/prover", "triseal-prover", processorFlags());

/** The program that building the prover leaves. */
export const proverProgram: string = prover.program;

/** The engine of the fhe path. tfhe-rs chooses its instructions when it runs. */
export const engine: Crate = crateAt("src/paths/fhe/engine", "triseal-fhe", "");

/** arkworks multiplies with two carry chains where the compiler may use them: only where this machine can. */
function processorFlags(): string {
  try {
    const [, flags = ""] = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8")) ?? [];
    const has = new Set(flags.split(" "));
    return has.has("adx") && has.has("bmi2") ? "-C target-feature=+adx,+bmi2" : "";
  } catch {
    return "";
  }
}

/** Whether cargo is there. */
export function hasCargo(): boolean {
  return spawnSync("cargo", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Runs a cargo command on a crate, its output shown. Throws where it fails. */
export function runCargo(crate: Crate, command: string, options: readonly string[] = []): void {
  const flags = `${process.env["RUSTFLAGS"] ?? ""} ${crate.flags}`.trim();
  execFileSync("cargo", [command, "--release", "--locked", ...options], {
    cwd: crate.folder,
    env: { ...process.env, RUSTFLAGS: flags },
    stdio: ["ignore", "inherit", "inherit"],
  });
}
