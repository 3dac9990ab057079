/** Builds what the suites of processes start, once before them, so that they never test an older build: dist/ and, where cargo is there, the engine. */
import { execFileSync } from "node:child_process";

/** Called by vitest. Throws, with the compiler's own output above, if the sources do not compile. */
export default function setup(): void {
  const run = (...args: readonly string[]) =>
    execFileSync("npm", ["run", "--silent", ...args], { stdio: ["ignore", "inherit", "inherit"] });
  run("build");
  run("build:engine", "--", "--optional");
}
