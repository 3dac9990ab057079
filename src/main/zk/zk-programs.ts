/** The programs of the zk path, and which of them is taken. */
import { join } from "node:path";
import { TrisealError } from "../../core/errors.ts";
import { type KeyProgram, openKeyProgram } from "../../paths/zk/server/key-program.ts";
import type { ProverProgram } from "../../paths/zk/server/prover-process.ts";
import { isBuilt, rustProgram, snarkjsProgram } from "../../paths/zk/server/prover-programs.ts";
import { progressLine } from "../model/progress-line.ts";
import { packageRoot, programArguments } from "../package-root.ts";

const rustFile = join(packageRoot, "src/paths/zk/prover/target/release/triseal-prover");

/** Whether `npm run build:prover` was run. */
export const hasRustProver = (): boolean => isBuilt(rustFile);

/** The prover for a key: the Rust program where it was built, else the npm one. */
export function proverFor(zkeyFile: string, memoryMib: number): ProverProgram {
  if (hasRustProver()) return rustProgram(rustFile, zkeyFile, memoryMib);
  const [script = ""] = programArguments("src/paths/zk/snarkjs/main");
  return snarkjsProgram(script, zkeyFile);
}

/** The program that makes keys, with progress on standard error; null where it was not built. */
export function keyProgram(silent: boolean): KeyProgram | null {
  if (!hasRustProver()) return null;
  let [shown, line] = ["", progressLine("", silent)];
  return openKeyProgram(rustFile, (stage, step, of) => {
    if (stage !== shown) [shown, line] = [stage, progressLine(`key: ${stage}`, silent)];
    line(step, of);
  });
}

/** @throws TrisealError `MODEL_UNSUPPORTED` where the Rust program is missing, saying what to do. */
export function needKeyProgram(silent: boolean): KeyProgram {
  const program = keyProgram(silent);
  if (program !== null) return program;
  throw new TrisealError(
    "MODEL_UNSUPPORTED",
    "keys from powers of tau need the Rust prover: install cargo and run `npm run build:prover` (without it only `dev-insecure` keys are made)",
  );
}
