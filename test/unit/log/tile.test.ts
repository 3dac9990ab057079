import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeEntries, encodeTilePath, parseEntries, parseTilePath, TILE_WIDTH } from "../../../src/log/index.ts";

describe("the path of a tile", () => {
  it.each([
    ["tile/0/000", { level: 0, index: 0, width: 256 }],
    ["tile/1/067", { level: 1, index: 67, width: 256 }],
    ["tile/0/x001/x234/067", { level: 0, index: 1234067, width: 256 }],
    ["tile/entries/x001/000.p/1", { level: "entries", index: 1000, width: 1 }],
    ["tile/2/999.p/255", { level: 2, index: 999, width: 255 }],
  ] as const)("%s is written and read back", (path, address) => {
    expect(encodeTilePath(address)).toBe(path);
    expect(parseTilePath(path)).toEqual(address);
  });

  it("is written and read back for any tile", () => {
    const level = fc.constantFrom(0, 1, 2, 3, 4, 5, "entries" as const);
    fc.assert(
      fc.property(level, fc.nat(10 ** 12), fc.integer({ min: 1, max: TILE_WIDTH }), (chosen, index, width) => {
        const address = { level: chosen, index, width };
        expect(parseTilePath(encodeTilePath(address))).toEqual(address);
      }),
    );
  });

  it.each([
    "",
    "tile/0",
    "tile/0/0",
    "tile/0/0000",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/0/x001/x002",
    "tile/0/x001x002/003",
    "tile/0/-01",
    "tile/6/000",
    "tile/00/000",
    "tile/-1/000",
    "tile/data/000",
    "tile/0/000.p/0",
    "tile/0/000.p/01",
    "tile/0/000.p/256",
    "tile/0/000.p/257",
    "tile/0/000.p/",
    "tile/0/000/",
    "/tile/0/000",
    "tile/0/../000",
    "tile/0/000\n",
    "tile/0/x001/x000/x000/x000/x000/000",
  ])("`%s` is refused", (path) => {
    expect(() => parseTilePath(path)).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  });
});

describe("an entry bundle", () => {
  it("puts two bytes of length before each entry", () => {
    expect([...encodeEntries([Uint8Array.of(7), new Uint8Array(), Uint8Array.of(8, 9)])]).toEqual([0, 1, 7, 0, 0, 0, 2, 8, 9]);
    expect(encodeEntries([new Uint8Array(0x0102)]).slice(0, 2)).toEqual(Uint8Array.of(1, 2));
  });

  it("gives its entries back", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (entries) => {
        expect(parseEntries(encodeEntries(entries))).toEqual(entries);
      }),
    );
  });

  it("is refused where it is cut short", () => {
    const bundle = encodeEntries([Uint8Array.of(1, 2, 3)]);
    for (const length of [1, 2, 3, 4]) {
      expect(() => parseEntries(bundle.subarray(0, length))).toThrow(expect.objectContaining({ code: "LOG_PROOF_INVALID" }));
    }
  });

  it("holds no entry whose length does not fit", () => {
    expect(parseEntries(encodeEntries([new Uint8Array(65535)]))[0]?.length).toBe(65535);
    expect(() => encodeEntries([new Uint8Array(65536)])).toThrow(RangeError);
  });
});
