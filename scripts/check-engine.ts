/**
 * The FHE engine's own checks: clippy without a warning, then its tests, with the flags of its build. Not part of `.ci/run`, which has
 * no room for them; `npm run test:engine`.
 */
import { engine, hasCargo, runCargo } from "./cargo.ts";

if (!hasCargo()) throw new Error("cargo is not installed; the engine wants Rust 1.91 or newer");
runCargo(engine, "clippy", ["--all-targets", "--", "-D", "warnings"]);
runCargo(engine, "test");
