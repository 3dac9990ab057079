/** Builds dist/ once before the suites that start the built programs, so that they never test an older build. */
import { execFileSync } from "node:child_process";

/** Called by vitest. Throws, with the compiler's own output above, if the sources do not compile. */
export default function setup(): void {
  execFileSync("npm", ["run", "--silent", "build"], { stdio: ["ignore", "inherit", "inherit"] });
}
