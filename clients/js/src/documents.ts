/** Signed documents: canonical JSON and the signature of a named key over it; device certificates and the keyring. */
import { type Bytes, base64url, concat, equal, fromBase64url, hex, text, utf8 } from "./bytes.ts";
import { HASH_BYTES, LABEL_CERTIFICATE, LABEL_KEYRING } from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import { isSigned, keyId, sha256 } from "./primitives.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type Members = { readonly [name: string]: Json };

/** Write JSON in its one canonical form: members sorted by code point, no white space. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value as Members).sort(([first], [second]) => byCodePoint(first, second));
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

function byCodePoint(first: string, second: string): number {
  const left = Array.from(first, (one) => one.codePointAt(0) ?? 0);
  const right = Array.from(second, (one) => one.codePointAt(0) ?? 0);
  const difference = left.findIndex((point, index) => point !== right[index]);
  return difference < 0 ? left.length - right.length : (left[difference] ?? 0) - (right[difference] ?? -1);
}

/** Read a JSON object; throws `malformed`. */
export function readObject(bytes: Uint8Array): Record<string, Json> {
  try {
    const members: unknown = JSON.parse(text(bytes));
    if (typeof members === "object" && members !== null && !Array.isArray(members)) return members as Record<string, Json>;
  } catch {
    // falls through: not JSON is no better than not an object
  }
  throw new ProtocolError("malformed", "not a JSON object in UTF-8");
}

/** Check a document against keys that may have signed it, and return its payload. */
export async function readDocument(
  document: Uint8Array,
  trusted: readonly Uint8Array[],
  label: string,
): Promise<Record<string, Json>> {
  const members = readObject(document);
  const { key, payload, signature } = members;
  const isObject = typeof payload === "object" && payload !== null && !Array.isArray(payload);
  if (!isObject || typeof key !== "string" || typeof signature !== "string" || Object.keys(members).length !== 3) {
    throw new ProtocolError("malformed", `not a signed document (${label})`);
  }
  if (!equal(utf8(canonicalJson(members)), document)) throw new ProtocolError("malformed", `not in canonical form (${label})`);
  const signed = fromBase64url(signature);
  const message = concat(utf8(`${label}\0`), utf8(canonicalJson(payload)));
  for (const candidate of trusted) {
    if ((await keyId(candidate)) === key && (await isSigned(candidate, message, signed))) {
      return payload as Record<string, Json>;
    }
  }
  throw new ProtocolError("signature-invalid", `no trusted key signed this document (${label})`);
}

export interface SurveyKey {
  readonly suite: number;
  readonly publicKey: Bytes;
  readonly mode: string;
  readonly status: string;
  /** SHA-256 of what the root says of the key: bound into each epoch. */
  readonly hash: Bytes;
  /** 16 hexadecimal digits of it. */
  readonly id: string;
}

export async function surveyKey(suite: number, publicKey: Bytes, mode: string, status = "active"): Promise<SurveyKey> {
  const hash = await sha256(utf8(canonicalJson({ suite, public_key: base64url(publicKey), mode })));
  return { suite, publicKey, mode, status, hash, id: hex(hash.subarray(0, 8)) };
}

export interface Keyring {
  readonly serial: number;
  readonly document: Bytes;
  readonly issuerKeys: readonly Bytes[];
  readonly surveyKeys: readonly SurveyKey[];
  readonly receiptKeys: readonly Bytes[];
  readonly decisionKeys: readonly Bytes[];
  readonly revocations: readonly Bytes[];
}

/** Check a keyring against the pinned root and read it. */
export async function readKeyring(document: Uint8Array, rootKey: Uint8Array): Promise<Keyring> {
  const payload = await readDocument(document, [rootKey], LABEL_KEYRING);
  const surveyKeys = await Promise.all(
    list(payload["survey_keys"]).map((one) => {
      const members = one as Members;
      return surveyKey(
        Number(members["suite"]),
        fromBase64url(String(members["public_key"])),
        String(members["mode"]),
        String(members["status"]),
      );
    }),
  );
  const serial = payload["serial"];
  if (typeof serial !== "number" || !Number.isSafeInteger(serial)) throw new ProtocolError("malformed", "no serial");
  return {
    serial,
    document: new Uint8Array(document),
    issuerKeys: keys(payload["issuer_keys"]),
    surveyKeys,
    receiptKeys: keys(payload["receipt_keys"]),
    decisionKeys: keys(payload["decision_keys"]),
    revocations: keys(payload["revocations"]),
  };
}

/** Return the key to which a mode is sealed: the last active one. */
export function activeKey(keyring: Keyring, mode: string): SurveyKey {
  const found = keyring.surveyKeys.filter((key) => key.mode === mode && key.status === "active").at(-1);
  if (found === undefined) throw new ProtocolError("no-survey-key", `the office has no key for the mode ${mode}`);
  return found;
}

export interface DeviceCertificate {
  readonly deviceId: string;
  readonly signingKey: Bytes;
  readonly receivingKey: Bytes;
  readonly role: string;
  readonly enumerator: string;
  readonly team: string;
  readonly issuedAt: string;
}

/** Check a device certificate against issuer keys and read it. */
export async function readCertificate(document: Uint8Array, issuers: readonly Uint8Array[]): Promise<DeviceCertificate> {
  const payload = await readDocument(document, issuers, LABEL_CERTIFICATE);
  const [signingKey, receivingKey] = keys([payload["signing_key"] ?? "", payload["receiving_key"] ?? ""]);
  return {
    deviceId: String(payload["device_id"]),
    signingKey: signingKey as Bytes,
    receivingKey: receivingKey as Bytes,
    role: String(payload["role"]),
    enumerator: String(payload["enumerator"]),
    team: String(payload["team"]),
    issuedAt: String(payload["issued_at"]),
  };
}

function list(value: Json | undefined): readonly Json[] {
  if (!Array.isArray(value)) throw new ProtocolError("malformed", "a member of the document is no list");
  return value as readonly Json[];
}

function keys(value: Json | undefined): readonly Bytes[] {
  const found = list(value).map((spelled) => fromBase64url(String(spelled)));
  if (found.some((key) => key.length !== HASH_BYTES)) throw new ProtocolError("malformed", "not a key or hash of 32 bytes");
  return found;
}
