/** `/v1/fhe/accounts`: accounts are made here, and shown to whoever may read them. They change by runs alone. */

import { utf8 } from "../../../core/bytes.ts";
import { digestOf } from "../../../core/digest.ts";
import { isTrisealError } from "../../../core/errors.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";
import type { StateAccount } from "../../../core/kept-state.ts";
import type { ResourceAnswer, ResourceCall, ResourceRoute } from "../../path.ts";
import { type AccountDocument, MAX_ACCOUNT_BYTES, parseAccount } from "../wire/account.ts";
import { fheError } from "../wire/codes.ts";
import { forbidden, readersOf } from "./access.ts";
import type { KeyVault } from "./key-vault.ts";
import { assertJsonType, assertNoName, jsonAnswer } from "./resources.ts";
import type { AccountStates } from "./state.ts";
import { documentOf } from "./state-change.ts";

const PAGE = 100;

/** What the resource needs. */
export interface AccountRouteOptions {
  /** @throws TrisealError `PATH_UNAVAILABLE` while the accounts cannot be opened. */
  readonly states: () => Promise<AccountStates>;
  readonly keys: KeyVault;
  readonly accountsPerTenant: number;
}

/** The resource. */
export function accountRoute(options: AccountRouteOptions): ResourceRoute {
  return {
    kind: "resource",
    address: "accounts",
    methods: ["GET", "POST"],
    maxBodyBytes: MAX_ACCOUNT_BYTES,
    headers: ["content-type"],
    answer: async (call) => {
      const states = await options.states();
      if (call.method === "POST") return make(options, states, call);
      return call.name === null ? list(states, call) : show(states, call, call.name);
    },
  };
}

async function make({ keys, accountsPerTenant }: AccountRouteOptions, states: AccountStates, call: ResourceCall) {
  assertNoName(call);
  assertJsonType(call);
  const document = read(call.body);
  if (document.tenant !== call.tenant || document.owner !== call.principal)
    throw fheError("FHE_ACCOUNT_INVALID", "an account is made for the tenant and by the API key that its document names");
  if ((await keys.find(call.tenant, document.keyId)) === null)
    throw fheError("FHE_KEY_UNKNOWN", "this tenant has no key of that id");
  await assertAsset(states, document);
  const { account, isNew } = await states.create(call.body, accountsPerTenant);
  return jsonAnswer(shown(account), isNew ? 201 : 200);
}

/** @throws TrisealError `FHE_ACCOUNT_INVALID`. */
function read(body: Uint8Array): AccountDocument {
  try {
    return parseAccount(body);
  } catch (cause) {
    throw isTrisealError(cause, "FORMAT_INVALID") ? fheError("FHE_ACCOUNT_INVALID", cause.message, { cause }) : cause;
  }
}

/** Whoever could change an account by another program could make units of the asset. */
async function assertAsset(states: AccountStates, { tenant, asset, acl, keyId, type }: AccountDocument): Promise<void> {
  if (asset === undefined) return;
  const row = await states.account(tenant, asset);
  const named = row === null ? null : documentOf(row);
  if (named?.kind !== "asset") throw forbidden();
  const programs = (list: AccountDocument["acl"]["programs"]) => (list === "any" ? "any" : [...list].sort().join());
  if (programs(named.acl.programs) !== programs(acl.programs) || named.keyId !== keyId || named.type !== type)
    throw fheError("FHE_ACCOUNT_INVALID", "an account of an asset has the asset's key, type and programs");
}

async function show(states: AccountStates, { tenant, principal }: ResourceCall, name: string): Promise<ResourceAnswer> {
  const row = await states.account(tenant, name);
  if (row === null || !readersOf(documentOf(row)).includes(principal)) throw forbidden();
  return jsonAnswer(shown(row));
}

/** Accounts that the caller may read, in the order of their names, a page of them after `?after=`. */
async function list(states: AccountStates, { tenant, principal, query }: ResourceCall): Promise<ResourceAnswer> {
  const rows = await states.accounts(tenant, query["after"] ?? "", PAGE);
  const mine = rows.filter((row) => readersOf(documentOf(row)).includes(principal));
  const next = rows.length === PAGE ? (rows.at(-1)?.name ?? null) : null;
  return jsonAnswer({ accounts: mine.map(shown), next });
}

function shown({ document, version, head, handle, digest, clear }: StateAccount): JsonObject {
  const stated = digest === null ? null : `sha256:${digest}`;
  return {
    document: parseJson(document),
    documentDigest: digestOf(utf8(document)),
    version,
    head,
    handle,
    digest: stated,
    clear,
  };
}
