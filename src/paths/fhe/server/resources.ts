/** What the path's resources answer with, and what they read, in one place. */

import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import type { JsonObject } from "../../../core/json.ts";
import { JSON_TYPE } from "../../../core/oip-body.ts";
import type { ResourceAnswer, ResourceCall } from "../../path.ts";

const BYTES_TYPE = "application/octet-stream";

/** A JSON document. */
export function jsonAnswer(document: JsonObject, status = 200, headers: ResourceAnswer["headers"] = {}): ResourceAnswer {
  return { status, mediaType: JSON_TYPE, headers, body: encodeJcs({ v: 1, ...document }) };
}

/** Bytes as they are. */
export function bytesAnswer(body: ResourceAnswer["body"]): ResourceAnswer {
  return { status: 200, mediaType: BYTES_TYPE, headers: {}, body };
}

/** @throws TrisealError `REQUEST_MEDIA_TYPE` unless the body is JSON, or says nothing of itself. */
export function assertJsonType({ headers }: ResourceCall): void {
  assertType(headers, JSON_TYPE);
}

/** @throws TrisealError `REQUEST_MEDIA_TYPE` unless the body is plain bytes, or says nothing of itself. */
export function assertBytesType({ headers }: ResourceCall): void {
  assertType(headers, BYTES_TYPE);
}

function assertType(headers: ResourceCall["headers"], wanted: string): void {
  const type = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (type !== "" && type !== wanted) throw new TrisealError("REQUEST_MEDIA_TYPE", `the body is to be ${wanted}`);
}

/** The name that a call must have. @throws TrisealError `NOT_FOUND`. */
export function nameOf({ name }: ResourceCall): string {
  if (name === null) throw new TrisealError("NOT_FOUND", "a name is missing behind the address");
  return name;
}

/** @throws TrisealError `REQUEST_METHOD` for a name where the address itself is to be used. */
export function assertNoName({ name }: ResourceCall): void {
  if (name !== null) throw new TrisealError("REQUEST_METHOD", "this method takes no name behind the address");
}
