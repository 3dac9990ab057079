import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLineWriter } from "../../../src/main/line-writer.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function writer() {
  const written: string[] = [];
  return {
    written,
    ...createLineWriter(
      (text) => written.push(text),
      () => 0,
    ),
  };
}

it("gathers what is told, and writes it as JSON lines in its order", () => {
  const { log, written } = writer();
  log({ level: "info", event: "one" });
  log({ level: "info", event: "two" });
  expect(written).toEqual([]);
  vi.advanceTimersByTime(50);
  const line = (event: string) => `{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"${event}"}\n`;
  expect(written).toEqual([line("one") + line("two")]);
});

it("writes a warning at once, and what came before it first", () => {
  const { log, written } = writer();
  log({ level: "info", event: "before" });
  log({ level: "warn", event: "now" });
  expect(written).toHaveLength(1);
  expect(written[0]?.split("\n").map((text) => (text === "" ? null : (JSON.parse(text) as { event: string }).event))).toEqual([
    "before",
    "now",
    null,
  ]);
  vi.advanceTimersByTime(1000);
  expect(written).toHaveLength(1);
});

it("holds no more than a bound, and gives up what waits at the end", () => {
  const { log, flush, written } = writer();
  for (let index = 0; index < 40; index++) log({ level: "info", event: "x".repeat(2000) });
  expect(written).toHaveLength(1);
  log({ level: "info", event: "last" });
  flush();
  flush();
  expect(written).toHaveLength(2);
  expect(written[1]).toContain('"last"');
});
