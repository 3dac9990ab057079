/**
 * Import direction. The table below is the whole matrix: what each folder may import, of ours, of packages, and of Node.
 * What stands in no row is forbidden; a file that belongs to no folder of the table is refused by scripts/check-imports.ts.
 * `$1` is the name of the path that the importing file belongs to, so that no path can reach another.
 */
const NOBLE = ["@noble/curves", "@noble/hashes"];
const EVIDENCE = {
  own: ["core", "receipt", "trust", "model", "path", "paths/$1/wire"],
  packages: [...NOBLE, "zod"],
};
const CLIENT = { own: [...EVIDENCE.own, "paths/$1/evidence"], packages: EVIDENCE.packages };
const SERVER = {
  own: [...CLIENT.own, "paths/$1/client", "paths/$1/compile", "paths/$1/sealing", "model/read", "process"],
  packages: [...CLIENT.packages, "hono", "hpke"],
  node: true,
};

const matrix = {
  core: { own: [], packages: NOBLE },
  receipt: { own: ["core"], packages: NOBLE },
  log: { own: ["core"], packages: NOBLE },
  "log/store": { own: ["core", "log"], packages: [...NOBLE, "hono"], node: true },
  store: { own: ["core"], packages: ["@electric-sql/pglite", "kysely", "pg", "pg-boss"], node: true },
  process: { own: ["core"], packages: [], node: true },
  signing: { own: ["core"], packages: [], node: true },
  keys: { own: ["core", "log/store", "signing"], packages: [], node: true },
  trust: { own: ["core"], packages: ["yaml", "zod"] },
  model: { own: ["core"], packages: ["@bufbuild/protobuf"] },
  "model/read": { own: ["core", "model"], packages: [], node: true },
  policy: { own: ["core", "receipt", "path"], packages: ["@marcbachmann/cel-js", "yaml", "zod"] },
  path: { own: ["core"], packages: [] },
  "paths/tee/wire": { own: ["core"], packages: ["hpke", "@panva/hpke-noble"] },
  "paths/tee/sealing": { own: ["core", "paths/tee/wire"], packages: ["hpke", "@noble/post-quantum"], node: true },
  "paths/*/wire": { own: ["core"], packages: [] },
  "paths/*/evidence": EVIDENCE,
  "paths/tee/client": { own: CLIENT.own, packages: [...CLIENT.packages, "hpke"] },
  // The auditor compiles the program again.
  "paths/fhe/evidence": { own: [...EVIDENCE.own, "paths/fhe/compile"], packages: EVIDENCE.packages },
  "paths/fhe/client": { own: CLIENT.own, packages: [...CLIENT.packages, "hpke"] },
  "paths/*/client": CLIENT,
  "paths/*/compile": { own: ["core", "model", "paths/$1/wire"], packages: [] },
  "paths/*/server": SERVER,
  gateway: { own: ["core", "policy", "receipt", "log", "log/store", "path", "store"], packages: ["hono", "zod"], node: true },
  "paths/zk/snarkjs": { own: [], packages: ["snarkjs"], node: true },
  verify: { own: ["core", "receipt", "log", "trust", "model", "policy", "path", "paths/*/evidence"], packages: [] },
  client: { own: ["core", "receipt", "trust", "model", "policy", "path", "verify", "paths/*/client"], packages: [] },
  "client/node": {
    own: ["core", "client", "path", "paths/*/client", "paths/*/evidence", "paths/*/sealing", "signing"],
    packages: ["node-tfhe", "undici"],
    node: true,
  },
  main: {
    own: [
      ...[
        "core",
        "receipt",
        "log",
        "log/store",
        "keys",
        "signing",
        "trust",
        "model",
        "model/read",
        "policy",
        "path",
        "gateway",
        "store",
        "verify",
        "client",
        "client/node",
      ],
      ...[
        "paths/*/wire",
        "paths/*/evidence",
        "paths/*/client",
        "paths/*/compile",
        "paths/*/server",
        "enclave/image",
        "enclave/attester",
      ],
    ],
    packages: ["@hono/node-server", "commander", "hono", "yaml", "zod"],
    node: true,
  },
  "enclave/worker": {
    own: [
      "core",
      "receipt",
      "model",
      "model/read",
      "paths/tee/wire",
      "paths/tee/sealing",
      "signing",
      "enclave/attester",
      "enclave/image",
      "enclave/process",
    ],
    packages: ["onnxruntime-node", "hpke"],
    node: true,
  },
  "enclave/key-holder": {
    own: [
      ...["core", "receipt", "log", "log/store", "trust", "verify", "path", "signing"],
      ...["enclave/attester", "enclave/image", "enclave/process"],
      ...["paths/fhe/wire", "paths/fhe/evidence", "paths/tee/wire"],
    ],
    packages: [],
    node: true,
  },
  "enclave/process": { own: ["core"], packages: [], node: true },
  "enclave/attester": { own: ["core", "paths/tee/wire", "signing"], packages: [], node: true },
  "enclave/image": { own: ["core", "paths/tee/wire"], packages: [], node: true },
};

/** Folders that live inside another row's folder and are not part of it. */
const NESTED = { log: ["store"], model: ["read"], client: ["node"] };

/** The regular expression of a row's files. A star is one path's name: captured where it stands in `from`. */
function filesOf(row, star) {
  if (row === "path") return "^src/paths/(?:path|appraiser|backend|leg|route)\\.ts$";
  const folder = row.startsWith("enclave/") ? row : `src/${row}`;
  const nested = NESTED[row] === undefined ? "" : `(?!(?:${NESTED[row].join("|")})/)`;
  return `^${folder.replace("*", star)}/${nested}`;
}

/** A row for every path (`paths/STAR/wire`) leaves out the paths that have a row of their own. */
function exceptionsOf(row) {
  const [, part] = /^paths\/\*\/(.+)$/.exec(row) ?? [];
  const named = Object.keys(matrix).filter((other) => part !== undefined && other !== row && other.endsWith(`/${part}`));
  return named.map((other) => filesOf(other, "*"));
}

/** In a row with a named path (`paths/tee/client`), `$1` is that name. */
function allowedFiles(row, { own, packages }) {
  const name = /^paths\/([^/*]+)\//.exec(row)?.[1];
  const folders = [row, ...own].map((other) => {
    const target = name === undefined ? other : other.replace("$1", name);
    return filesOf(row.includes("*") && target === row ? row.replace("*", "$1") : target, "[^/]+");
  });
  return [...folders, ...packages.map((other) => `(?:^|/)node_modules/${other}/`)];
}

const rows = Object.entries(matrix).map(([row, entry]) => ({
  name: `matrix: ${row}`,
  severity: "error",
  from: { path: filesOf(row, "([^/]+)"), pathNot: exceptionsOf(row) },
  to: { pathNot: allowedFiles(row, entry), ...(entry.node === true ? { dependencyTypesNot: ["core"] } : {}) },
}));

module.exports = {
  forbidden: [
    ...rows,
    { name: "cycle", severity: "error", from: {}, to: { circular: true } },
    { name: "unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "development package at run time",
      severity: "error",
      from: { path: "^(?:src|enclave)/" },
      to: { dependencyTypes: ["npm-dev"], pathNot: "/node_modules/@types/|^node_modules/@types/" },
    },
    {
      name: "only the composition root reads the outside",
      comment: "Files, processes and the environment come to the gateway as arguments.",
      severity: "error",
      from: { path: "^src/gateway/" },
      to: { path: "^(?:node:)?(?:child_process|cluster|fs|fs/promises|os|process|worker_threads)$" },
    },
    {
      name: "tests and benches are imported by nobody",
      severity: "error",
      from: { pathNot: "^(?:test|bench)/" },
      to: { path: "^(?:test|bench)/" },
    },
    {
      name: "a bench uses public entry points",
      severity: "error",
      from: { path: "^bench/", pathNot: "^bench/(?:zk|evidence|fhe|paths)/" },
      to: { path: "^(?:src|enclave)/", pathNot: "^src/(?:core|receipt|log|trust|verify|client|client/node)/index\\.ts$" },
    },
    {
      name: "the zk bench measures compilers and provers, which have no public entry point, and nothing else",
      severity: "error",
      from: { path: "^bench/zk/" },
      to: { path: "^(?:src|enclave)/", pathNot: "^src/(?:core|model|paths/zk/(?:wire|compile|evidence|server))/" },
    },
    {
      name: "the fhe bench measures compilers and engines, which have no public entry point, and nothing else",
      severity: "error",
      from: { path: "^bench/fhe/" },
      to: { path: "^(?:src|enclave)/", pathNot: "^src/(?:core|model|paths/fhe/(?:wire|compile|evidence|server))/" },
    },
    {
      name: "the paths bench calls as the command line does, with its parts for records and encrypted runs",
      severity: "error",
      from: { path: "^bench/paths/" },
      to: {
        path: "^(?:src|enclave)/",
        pathNot:
          "^src/(?:(?:core|verify|client|client/node)/index\\.ts$|main/(?:fhe/|demo/held-back|system-clock)|paths/zk/server/prover-programs)",
      },
    },
    {
      name: "the evidence bench measures appraisals of case files and admissions, which have no public entry point, and nothing else",
      severity: "error",
      from: { path: "^bench/evidence/" },
      to: {
        path: "^(?:src|enclave)/",
        pathNot: "^src/(?:(?:core|main/evidence|paths/tee/evidence)/|paths/tee/server/(?:appraise-)?admission\\.ts$)",
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // What the bench installs of other systems.
    exclude: { path: "^bench/\\.cache/" },
    tsPreCompilationDeps: true,
    preserveSymlinks: true,
    parser: "swc",
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "node", "default"],
      mainFields: ["module", "main", "types"],
    },
  },
};
