import { defineConfig } from "vitest/config";

/** Suites that start the built programs: they get a fresh build first. */
const PROCESS_SUITES = ["test/e2e/**/*.test.ts"];

/** Of those, what takes twenty seconds or more: ceremonies, provers and engines, kills and restarts in numbers. `npm run test:long`. */
const LONG_SUITES = [
  "bench",
  "cli",
  "cli-fhe",
  "cli-fhe-accounts",
  "cli-keys",
  "cli-model",
  "cli-zk",
  "client-retry",
  "clock-steps",
  "demo",
  "drain",
  "fhe-bench",
  "fhe-compile",
  "fhe-engine",
  "fhe-engine-limits",
  "fhe-infer",
  "fhe-kill",
  "fhe-reveal",
  "fuzz-fhe",
  "gateway-hostile-http",
  "gateway-idempotency",
  "gateway-lifecycle",
  "jobs",
  "kill",
  "operator-trust",
  "pending-legs",
  "platform-worker",
  "planted-secrets",
  "proof-follows",
  "proof-kill",
  "proxy",
  "rotation",
  "soak",
  "tls",
  "worker-lies",
  "worker-refusal",
  "worker-restart",
  "zk-caller",
  "zk-ceremony",
  "zk-committed",
  "zk-keys",
  "zk-prover",
  "zk-statement",
].map((name) => `test/e2e/${name}.test.ts`);

const shared = { testTimeout: 30_000, hookTimeout: 120_000 };
const globalSetup = ["test/global-setup.ts"];

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: "unit", include: ["test/**/*.test.ts"], exclude: PROCESS_SUITES } },
      { test: { ...shared, name: "e2e", include: PROCESS_SUITES, exclude: LONG_SUITES, globalSetup } },
      { test: { ...shared, name: "long", include: LONG_SUITES, globalSetup } },
    ],
  },
});
