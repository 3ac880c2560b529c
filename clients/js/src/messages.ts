/** What a device and a server say to each other in an exchange. Members and kinds that nobody here knows are ignored. */
import { type Named } from "./abbreviation.ts";
import { type Bytes, base64url, fromBase64url, utf8 } from "./bytes.ts";
import { EXCHANGE_BYTES, VERSION } from "./constants.ts";
import { type Json, type Members, readObject } from "./documents.ts";
import { ProtocolError } from "./errors.ts";
import { decodeBody, encodeEnvelopes, inflateWhole } from "./frames.ts";

export const PATH_EXCHANGE = "/sync/v1/exchange";
export const MEDIA_TYPE_EXCHANGE = "application/vnd.passerelle.exchange";

export const ReceiptCode = {
  STORED: 0, DUPLICATE: 1, ERASED: 2, QUARANTINED: 3, TOO_LARGE: 4, QUOTA: 5, STORAGE_FAULT: 6,
} as const;

export interface ExchangeRequest {
  readonly deviceId: string;
  readonly counter: number;
  readonly since: string | null;
  /** First 16 bytes of the ids of envelopes whose fate is unknown. */
  readonly have: readonly Uint8Array[];
  /** With their ids: each leaves out what the one before says. */
  readonly envelopes: readonly Named[];
  readonly deviceTime: Date;
  readonly keyringSerial: number;
  readonly receivingKey?: Uint8Array;
  readonly backlog?: Readonly<Record<string, number>>;
}

export interface Receipt {
  readonly index: number;
  readonly code: number;
  readonly sequence: number | null;
}

/** A pulled item as it came: its kind, its members, and the bytes of its frame. */
export interface Pulled {
  readonly kind: string;
  readonly members: Members;
  readonly frame: Bytes | null;
}

export interface ExchangeAnswer {
  readonly serverTime: string;
  readonly receipts: readonly Receipt[];
  readonly cursor: string | null;
  readonly pull: readonly Pulled[];
  readonly more: boolean;
  readonly backoffSeconds: number;
  readonly backedUpSequence: number | null;
  readonly deletesWithoutBackup: boolean;
}

/** A refusal (RFC 9457). */
export interface Problem {
  readonly slug: string;
  readonly retry: string;
  readonly detail: string;
  readonly nextCounter: number | null;
  readonly retryAfterSeconds: number | null;
  readonly keyring: Bytes | null;
}

export function encodeRequest(request: ExchangeRequest): Bytes {
  const control: Record<string, Json> = {
    version: VERSION,
    device_id: request.deviceId,
    counter: request.counter,
    since: request.since,
    have: request.have.map((prefix) => base64url(prefix)),
    device_time: request.deviceTime.toISOString(),
    capabilities: [],
    backlog: { envelopes: 0, interviews: 0, body_bytes: 0, ...request.backlog },
    keyring_serial: request.keyringSerial,
  };
  if (request.receivingKey !== undefined) control["receiving_key"] = base64url(request.receivingKey);
  return encodeEnvelopes(utf8(JSON.stringify(control)), request.envelopes);
}

/** Decode an answer; throws `malformed`, `version-unsupported`, `too-large`. */
export function decodeAnswer(body: Uint8Array): ExchangeAnswer {
  const { control, frames } = decodeBody(body, EXCHANGE_BYTES);
  const members = readObject(control);
  if (members["version"] !== VERSION) throw new ProtocolError("version-unsupported", `this side speaks version ${VERSION}`);
  return {
    serverTime: String(members["server_time"]),
    receipts: list(members["receipts"]).map(receipt),
    cursor: optional(members["cursor"], "string"),
    pull: list(members["pull"] ?? []).map((item) => pulled(item, frames)),
    more: members["more"] === true,
    backoffSeconds: optional(members["backoff_seconds"], "number") ?? 0,
    backedUpSequence: optional(members["backed_up_sequence"], "number"),
    deletesWithoutBackup: members["deletes_without_backup"] === true,
  };
}

/** Decode a refusal; throws `malformed` for anything else, such as a proxy's error page. */
export function decodeProblem(body: Uint8Array): Problem {
  const members = readObject(body);
  const { type, retry } = members;
  if (typeof type !== "string" || typeof retry !== "string") throw new ProtocolError("malformed", "not a refusal");
  const keyring = optional<string>(members["keyring"], "string");
  return {
    slug: type.slice(type.lastIndexOf("/") + 1),
    retry,
    detail: optional<string>(members["detail"], "string") ?? "",
    nextCounter: optional(members["next_counter"], "number"),
    retryAfterSeconds: optional(members["retry_after_seconds"], "number"),
    keyring: keyring === null ? null : fromBase64url(keyring),
  };
}

function receipt(entry: Json): Receipt {
  const [index, code, sequence] = list(entry);
  const isNumber = typeof index === "number" && typeof code === "number" && code >= 0 && code <= ReceiptCode.STORAGE_FAULT;
  if (!isNumber || (sequence !== null && typeof sequence !== "number")) throw new ProtocolError("malformed", "no receipt");
  return { index, code, sequence: sequence ?? null };
}

const DEFLATED = new Set(["form-version"]);

function pulled(item: Json, frames: readonly Bytes[]): Pulled {
  if (typeof item !== "object" || item === null || Array.isArray(item)) throw new ProtocolError("malformed", "no item");
  const members = item as Members;
  const number = members["frame"] ?? null;
  const kind = String(members["kind"]);
  if (number === null) return { kind, members, frame: null };
  const frame = typeof number === "number" ? frames[number] : undefined;
  if (frame === undefined) throw new ProtocolError("malformed", "a pulled item names a frame that is not there");
  return { kind, members, frame: DEFLATED.has(kind) ? inflateWhole(frame, EXCHANGE_BYTES) : frame };
}

function list(value: Json | undefined): readonly Json[] {
  if (!Array.isArray(value)) throw new ProtocolError("malformed", "a member is no list");
  return value as readonly Json[];
}

function optional<Kind extends string | number>(value: Json | undefined, type: "string" | "number"): Kind | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== type) throw new ProtocolError("malformed", `a member is no ${type}`);
  return value as Kind;
}
