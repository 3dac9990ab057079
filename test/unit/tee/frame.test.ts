import { describe, expect, it } from "vitest";
import { concatBytes, uint32BE, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { decodeAnswerHead, decodeInferHead, encodeFrame, parseFrame } from "../../../src/paths/tee/wire/frame.ts";

const digest = digestOf(utf8("x"));
const head = { v: 1 as const, decisionDigest: digest, nonce: "00".repeat(16), modelDigest: digest, deadlineMs: 1000 };
const bad = expect.objectContaining({ code: "FORMAT_INVALID" });

describe("a frame", () => {
  it("carries a head and the exact bytes of its body, wherever it lies in memory", () => {
    const frame = encodeFrame(head, utf8("bo"), utf8("dy"));
    const shifted = concatBytes(utf8("???"), frame).subarray(3);
    expect(parseFrame(shifted, decodeInferHead)).toEqual({ head, body: utf8("body") });
    expect(parseFrame(encodeFrame({ v: 1, legLength: 5, requestGuessable: true }), decodeAnswerHead).body).toHaveLength(0);
  });

  it("is refused when it is cut, lies about its length, or has another head", () => {
    const frame = encodeFrame(head);
    for (let length = 0; length < frame.length; length += 7) {
      expect(() => parseFrame(frame.subarray(0, length), decodeInferHead)).toThrow(bad);
    }
    expect(() => parseFrame(concatBytes(uint32BE(2 ** 32 - 1), utf8("{}")), decodeInferHead)).toThrow(bad);
    expect(() => parseFrame(concatBytes(uint32BE(70_000), new Uint8Array(70_000)), decodeInferHead)).toThrow(bad);
    expect(() => parseFrame(encodeFrame({ ...head, deadlineMs: 0 }), decodeInferHead)).toThrow(bad);
    expect(() => parseFrame(encodeFrame({ ...head, more: 1 }), decodeInferHead)).toThrow(bad);
    expect(() => parseFrame(frame, decodeAnswerHead)).toThrow(bad);
  });
});
