/**
 * Builds the FHE engine once (about seven minutes on two cores); cargo shows how far it is, and does nothing where nothing changed.
 * `--optional`: where it cannot be built, that is said, and all that needs no engine goes on.
 */
import { engine, hasCargo, runCargo } from "./cargo.ts";

/** Whether it was built; why not, on standard error. */
function build(): boolean {
  if (!hasCargo()) {
    console.error("engine: cargo is not installed; without the engine Triseal runs, and its fhe path says that it is not there");
    return false;
  }
  try {
    runCargo(engine, "build");
    return true;
  } catch {
    console.error("engine: it was not built, as cargo says above; it wants Rust 1.91 or newer");
    return false;
  }
}

const isBuilt = build();
if (isBuilt) console.log(`engine: built ${engine.program}`);
else if (!process.argv.includes("--optional")) process.exitCode = 1;
