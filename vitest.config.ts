import { defineConfig } from "vitest/config";

/** Suites that start the built programs: they get a fresh build first. */
const PROCESS_SUITES = ["test/e2e/**/*.test.ts", "test/conformance/**/*.test.ts"];

const shared = { testTimeout: 30_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: "unit", include: ["test/**/*.test.ts"], exclude: PROCESS_SUITES } },
      { test: { ...shared, name: "e2e", include: PROCESS_SUITES, globalSetup: ["test/global-setup.ts"] } },
    ],
  },
});
