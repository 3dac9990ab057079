/** Builds the FHE engine once (five minutes or more on two cores); cargo shows how far it is, and does nothing where nothing changed. */
import { engine, hasCargo, runCargo } from "./cargo.ts";

if (hasCargo()) {
  runCargo(engine, "build");
  console.log(`engine: built ${engine.program}`);
} else {
  console.error("engine: cargo is not installed; without the engine Triseal runs, and its fhe path says that it is not there");
  process.exitCode = 1;
}
