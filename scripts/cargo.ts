/** Runs cargo on the prover's crate, always with the same flags: other flags would build every dependency anew. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const CRATE = fileURLToPath(new URL("../src/paths/zk/prover/", import.meta.url));

/** The program that `build` leaves. */
export const proverProgram: string = `${CRATE}target/release/triseal-prover`;

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

/** Runs a cargo command on the crate, its output shown. Throws where it fails. */
export function runCargo(command: string, options: readonly string[] = []): void {
  const flags = `${process.env["RUSTFLAGS"] ?? ""} ${processorFlags()}`.trim();
  execFileSync("cargo", [command, "--release", "--locked", ...options], {
    cwd: CRATE,
    env: { ...process.env, RUSTFLAGS: flags },
    stdio: ["ignore", "inherit", "inherit"],
  });
}
