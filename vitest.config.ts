import { defineConfig } from "vitest/config";

/** Suites that start the built programs: they get a fresh build first. */
const PROCESS_SUITES = ["test/e2e/**/*.test.ts", "test/conformance/**/*.test.ts"];

/** Of those, what takes minutes: ceremonies and provers, kills and restarts in numbers. `npm run test:long`. */
const LONG_SUITES = [
  "cli",
  "cli-keys",
  "client-retry",
  "clock-steps",
  "drain",
  "gateway-idempotency",
  "gateway-lifecycle",
  "operator-trust",
  "proof-follows",
  "proof-kill",
  "rotation",
  "worker-lies",
  "worker-refusal",
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
