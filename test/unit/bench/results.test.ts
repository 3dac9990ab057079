import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { combine, type Ratio } from "../../../bench/combined.ts";
import { compareResults } from "../../../bench/compare.ts";
import { renderPage } from "../../../bench/report/page.ts";
import { repository, type Table } from "../../../bench/suite.ts";

const kept = (name: string) =>
  JSON.parse(readFileSync(join(repository, "bench", "results", name), "utf8")) as Record<string, unknown>;

const TEE = "2026-11-28-tee-after.json";
const ZK = "2026-11-28-zk-lenet5-quiet.json";

const result = (figures: object) => ({ schema: "triseal.bench/v1", suite: "made", ...figures });
const interval = (median: number) => ({ median, low: median * 0.9, high: median * 1.1, n: 9 });

describe("two results of one suite", () => {
  const verdicts = (before: object, after: object) =>
    compareResults(result(before), result(after)).map(({ name, verdict }) => [name, verdict]);

  it("differ where their intervals do not meet", () => {
    expect(
      verdicts({ a: interval(1), b: interval(1), c: interval(1) }, { a: interval(2), b: interval(0.5), c: interval(1.1) }),
    ).toEqual([
      ["a", "worse"],
      ["b", "better"],
      ["c", "same"],
    ]);
  });

  it("are matched by what an item of a list says it is, in any order, and what one lacks is left out", () => {
    const before = {
      models: [
        { model: "m", ms: { p50: 1 } },
        { model: "n", ms: { p50: 3 } },
      ],
    };
    const after = {
      models: [
        { model: "n", ms: { p50: 3.1 } },
        { model: "m", ms: { p50: 2 } },
        { model: "o", ms: { p50: 1 } },
      ],
    };
    expect(verdicts(before, after)).toEqual([
      ["models / m / ms", "worse"],
      ["models / n / ms", "same"],
    ]);
  });

  it("are better where another system is more times slower", () => {
    expect(verdicts({ ezkl_native_over_native_prove: interval(10) }, { ezkl_native_over_native_prove: interval(20) })).toEqual([
      ["ezkl_native_over_native_prove", "better"],
    ]);
  });

  it.each([
    [{}, result({}), /no result/],
    [result({}), { ...result({}), schema: "triseal.bench/v0" }, /no result/],
    [result({}), { ...result({}), suite: "other" }, /the other of other/],
    [null, result({}), /no result/],
  ])("are not compared where one is none, or of another suite", (before, after, message) => {
    expect(() => compareResults(before, after)).toThrow(message);
  });
});

describe("the document of a whole run", () => {
  const whole = combine({ tee: kept(TEE), zk: kept(ZK), fhe: { unavailable: "no engine" } });
  const ratio = (name: string): Readonly<Record<string, Ratio>> => whole.ratios[name] ?? {};

  it("has every expected ratio, measured or with the reason", () => {
    expect(ratio("tee_sealed_over_http_p50")["pp-ocr-v4-recogniser"]?.median).toBe(1.4071);
    expect(ratio("ezkl_native_over_native_prove")["mnist-lenet5"]).toMatchObject({ median: null });
    expect(ratio("fhe_http_over_direct_p50")["all"]).toEqual({
      median: null,
      reason: "the fhe suite was not measured in this run",
    });
    for (const group of Object.values(whole.ratios))
      for (const one of Object.values(group)) expect(one.median === null ? one.reason : one.n).toBeTruthy();
  });

  it("is simulated as soon as one part is, and not where none is", () => {
    expect([whole.simulated, combine({ zk: kept(ZK) }).simulated]).toEqual([true, false]);
  });
});

describe("the page of a whole run", () => {
  const none = (): readonly Table[] => [];
  const hostile = "</script><script>alert(1)</script>";
  const whole = combine({ tee: kept(TEE), zk: kept(ZK), fhe: { unavailable: hostile } });
  const page = renderPage(whole, (_, part) => {
    expect(part).not.toHaveProperty("unavailable");
    return [];
  });

  it("has the raw document inside", () => {
    const raw = /<script type="application\/json" id="raw">(.*)<\/script>/.exec(page)?.[1] ?? "";
    expect(JSON.parse(raw)).toEqual(JSON.parse(JSON.stringify(whole)));
  });

  it("says that evidence is simulated: on top, and at every figure of it", () => {
    const figures = [...page.matchAll(/<section id="tee">.*?<\/section>/gs)].flatMap(
      ([section]) => section.match(/<figcaption>.*?<\/figcaption>/gs) ?? [],
    );
    expect(figures.length).toBeGreaterThan(3);
    for (const caption of figures) expect(caption).toContain("simulated evidence");
    expect(page).toContain("is <b>simulated</b>");
    expect(renderPage(combine({ zk: kept(ZK) }), none)).not.toContain("<b>simulated</b>");
  });

  it("loads nothing and runs nothing", () => {
    expect(page).not.toContain(hostile);
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/(src|href)="(?!#|data:application\/json;base64,)/);
    expect(page).not.toMatch(/url\(|@import/);
  });
});
