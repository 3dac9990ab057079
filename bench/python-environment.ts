/** Python environments of peers, in bench/.cache: made on the first run, kept for the next. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./suite.ts";

/** What peers are installed into. */
export const PEER_CACHE: string = join(repository, "bench", ".cache");

/** Enough of an error for a result document. */
export function reasonOf(error: unknown): string {
  const { stderr } = (error ?? {}) as { readonly stderr?: unknown };
  const said = stderr instanceof Uint8Array ? new TextDecoder().decode(stderr).trim().split("\n").at(-1) : undefined;
  const text = said !== undefined && said !== "" ? said : error instanceof Error ? error.message.split("\n")[0] : String(error);
  return (text ?? "").slice(0, 300);
}

/**
 * The Python program of the environment `name` with `packages`, made where it is missing by `python`.
 * @throws Error with the last line that pip printed, where they do not install.
 */
export function pythonEnvironment(name: string, packages: readonly string[], python = "python3"): string {
  const folder = join(PEER_CACHE, name);
  const program = join(folder, "bin", "python");
  const done = join(folder, "installed");
  if (existsSync(done)) return program;
  mkdirSync(PEER_CACHE, { recursive: true });
  // Half an environment would never be completed.
  rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync(python, ["-m", "venv", folder], { stdio: "pipe" });
    execFileSync(program, ["-m", "pip", "install", "--quiet", ...packages], { stdio: "pipe" });
  } catch (error) {
    throw new Error(`${packages.join(" ")} for ${python}: ${reasonOf(error)}`);
  }
  writeFileSync(done, "");
  return program;
}
