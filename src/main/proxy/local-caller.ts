/** Who may call the proxy: programs that mean to. It adds an API key to what it is sent, and a browser sends what any page says. */
import { proxyError } from "./codes.ts";

const LOOPBACK_HOST = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost)(?::\d{1,5})?$/i;

/**
 * Refuses what a page in a browser makes it send: every request with an `Origin` or from another site, and every one that
 * reached this machine under another name, which a page's own domain can be made to resolve to.
 * @param anyHost whether callers beyond this machine are let in; their names for it are not known here.
 * @throws TrisealError `CALLER_REFUSED`.
 */
export function assertLocalCaller(headers: Headers, anyHost: boolean): void {
  const site = headers.get("sec-fetch-site");
  if (headers.has("origin") || (site !== null && site !== "none"))
    throw proxyError("CALLER_REFUSED", "a page of a browser sent this request");
  if (!anyHost && !LOOPBACK_HOST.test(headers.get("host") ?? ""))
    throw proxyError("CALLER_REFUSED", "the request was sent to another name than one of this machine's own");
}
