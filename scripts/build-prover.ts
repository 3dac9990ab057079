/** Builds the Rust prover once (about a minute on two cores). Without cargo it says so and fails; Triseal then proves with npm alone. */
import { hasCargo, prover, proverProgram, runCargo } from "./cargo.ts";

if (hasCargo()) {
  runCargo(prover, "build");
  console.log(`prover: built ${proverProgram}`);
} else {
  console.error("prover: cargo is not installed; proofs are made by the npm prover, more slowly");
  process.exitCode = 1;
}
