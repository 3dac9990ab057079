/** Imports that break the matrix, one kind each. The check must report every one of them, or it checks nothing. */

/** One forbidden import, as it is planted into a copy of the tree. */
export interface PlantedImport {
  /** What kind of import this is. */
  readonly kind: string;
  /** The file that holds it. */
  readonly file: string;
  readonly text: string;
  /** Name of the rule that must report it. */
  readonly rule: string;
}

const TARGET = "export const planted = 1;\nexport type Planted = typeof planted;";

/** Files that planted imports point at, with their text. They are reported for nothing themselves. */
export const plantedTargets: ReadonlyMap<string, string> = new Map([
  ["src/core/planted.ts", TARGET],
  ["src/receipt/planted.ts", TARGET],
  ["src/log/store/planted.ts", TARGET],
  ["src/keys/planted.ts", TARGET],
  ["src/model/read/planted.ts", TARGET],
  ["src/gateway/planted.ts", TARGET],
  ["src/verify/planted.ts", TARGET],
  ["src/main/planted.ts", TARGET],
  ["src/paths/tee/evidence/planted.ts", TARGET],
  ["src/paths/tee/client/planted.ts", TARGET],
  ["src/paths/tee/server/planted.ts", TARGET],
  ["src/paths/zk/snarkjs/planted.ts", TARGET],
  ["src/paths/planted/evidence/planted.ts", TARGET],
  ["src/paths/planted/wire/planted.ts", TARGET],
  ["enclave/worker/planted.ts", TARGET],
  ["test/planted.ts", TARGET],
  ["src/core/c2.ts", 'import { c1 } from "./c1.ts";\nexport const c2 = (): unknown => c1;'],
  ["src/core/c4.ts", 'import type { c3 } from "./c3.ts";\nexport const c4 = (a: typeof c3): unknown => a;'],
]);

const core = "matrix: core";

/** The imports to plant. */
export const plantedImports: readonly PlantedImport[] = [
  plant("value import", "src/core/a1.ts", 'import { planted } from "../receipt/planted.ts";\nexport const a = planted;', core),
  plant(
    "type-only import",
    "src/core/a2.ts",
    'import type { Planted } from "../receipt/planted.ts";\nexport type A = Planted;',
    core,
  ),
  plant(
    "inline type import",
    "src/core/a3.ts",
    'import { type Planted } from "../receipt/planted.ts";\nexport type A = Planted;',
    core,
  ),
  plant("re-export", "src/core/a4.ts", 'export * from "../receipt/planted.ts";', core),
  plant("type-only re-export", "src/core/a5.ts", 'export type { Planted } from "../receipt/planted.ts";', core),
  plant("dynamic import", "src/core/a6.ts", 'export const a = import("../receipt/planted.ts");', core),
  plant("side-effect import", "src/core/a7.ts", 'import "../receipt/planted.ts";', core),
  plant(
    "node: in a portable folder",
    "src/receipt/a1.ts",
    'import { readFileSync } from "node:fs";\nexport const a = readFileSync;',
    "matrix: receipt",
  ),
  plant(
    "bare Node module in a portable folder",
    "src/verify/a1.ts",
    'import { join } from "path";\nexport const a = join;',
    "matrix: verify",
  ),
  plant("package that the folder may not use", "src/core/a9.ts", 'import { z } from "zod";\nexport const a = z;', core),
  plant(
    "development package",
    "src/main/a1.ts",
    'import { build } from "esbuild";\nexport const a = build;',
    "development package at run time",
  ),
  plant("portable log to its store", "src/log/a1.ts", 'export * from "./store/planted.ts";', "matrix: log"),
  plant("portable model to its readers", "src/model/a1.ts", 'export * from "./read/planted.ts";', "matrix: model"),
  plant("policy to a path", "src/policy/a1.ts", 'export * from "../paths/tee/evidence/planted.ts";', "matrix: policy"),
  plant(
    "path to another path",
    "src/paths/tee/server/a1.ts",
    'export * from "../../planted/evidence/planted.ts";',
    "matrix: paths/*/server",
  ),
  plant(
    "wire to another path's wire",
    "src/paths/tee/wire/a1.ts",
    'export * from "../../planted/wire/planted.ts";',
    "matrix: paths/tee/wire",
  ),
  plant(
    "evidence to its server",
    "src/paths/tee/evidence/a1.ts",
    'export * from "../server/planted.ts";',
    "matrix: paths/*/evidence",
  ),
  plant(
    "client to its server",
    "src/paths/tee/client/a1.ts",
    'export * from "../server/planted.ts";',
    "matrix: paths/tee/client",
  ),
  plant(
    "made-up path to another",
    "src/paths/planted/client/a1.ts",
    'export * from "../../tee/client/planted.ts";',
    "matrix: paths/*/client",
  ),
  plant("the seam to a path", "src/paths/path.ts", 'export * from "./tee/evidence/planted.ts";', "matrix: path"),
  plant("gateway to a concrete path", "src/gateway/a1.ts", 'export * from "../paths/tee/server/planted.ts";', "matrix: gateway"),
  plant("gateway to keys", "src/gateway/a2.ts", 'export * from "../keys/planted.ts";', "matrix: gateway"),
  plant(
    "gateway to files",
    "src/gateway/a3.ts",
    'export { open } from "node:fs/promises";',
    "only the composition root reads the outside",
  ),
  plant("verifier to a path's client", "src/verify/a2.ts", 'export * from "../paths/tee/client/planted.ts";', "matrix: verify"),
  plant("SDK to the gateway", "src/client/a1.ts", 'export * from "../gateway/planted.ts";', "matrix: client"),
  plant(
    "snarkjs outside its program",
    "src/paths/zk/server/a1.ts",
    'import { groth16 } from "snarkjs";\nexport const a = groth16;',
    "matrix: paths/*/server",
  ),
  plant(
    "snarkjs in a portable folder",
    "src/paths/zk/evidence/a1.ts",
    'import { groth16 } from "snarkjs";\nexport const a = groth16;',
    "matrix: paths/*/evidence",
  ),
  plant(
    "snarkjs program into the server",
    "src/paths/zk/server/a2.ts",
    'export * from "../snarkjs/planted.ts";',
    "matrix: paths/*/server",
  ),
  plant(
    "core in the snarkjs program",
    "src/paths/zk/snarkjs/a1.ts",
    'export * from "../../../core/planted.ts";',
    "matrix: paths/zk/snarkjs",
  ),
  plant("somebody imports main", "src/gateway/a4.ts", 'export * from "../main/planted.ts";', "matrix: gateway"),
  plant("main to the worker", "src/main/a2.ts", 'export * from "../../enclave/worker/planted.ts";', "matrix: main"),
  plant(
    "worker to the verifier",
    "enclave/worker/a1.ts",
    'export * from "../../src/verify/planted.ts";',
    "matrix: enclave/worker",
  ),
  plant("attester to the worker", "enclave/attester/a1.ts", 'export * from "../worker/planted.ts";', "matrix: enclave/attester"),
  plant(
    "somebody imports a test",
    "src/main/a3.ts",
    'export * from "../../test/planted.ts";',
    "tests and benches are imported by nobody",
  ),
  plant("bench to the gateway", "bench/a1.ts", 'export * from "../src/gateway/planted.ts";', "a bench uses public entry points"),
  plant("cycle", "src/core/c1.ts", 'import { c2 } from "./c2.ts";\nexport const c1 = (): unknown => c2;', "cycle"),
  plant(
    "cycle of types",
    "src/core/c3.ts",
    'import type { c4 } from "./c4.ts";\nexport const c3 = (a: typeof c4): unknown => a;',
    "cycle",
  ),
  plant("file that is not there", "src/main/a4.ts", 'export * from "../core/no-such-file.ts";', "unresolved"),
];

function plant(kind: string, file: string, text: string, rule: string): PlantedImport {
  return { kind, file, text, rule };
}
