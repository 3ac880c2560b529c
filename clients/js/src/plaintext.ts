/** What is inside an envelope: `u32 length ‖ manifest JSON ‖ document`, deflated, then zeros up to a bucket. */
import { type Bytes, concat, isZero, own, u32, utf8, view } from "./bytes.ts";
import { BUCKET_BYTES, PLAINTEXT_BYTES } from "./constants.ts";
import { deflate, inflate } from "./deflate.ts";
import { canonicalJson, type Json, readObject } from "./documents.ts";
import { ProtocolError } from "./errors.ts";

/** A file that belongs to an interview; lengths and hashes are of the ciphertext, hash and key hexadecimal. */
export interface Medium {
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly key: string;
}

export interface Manifest {
  /** The device's clock, ISO 8601 with offset: data, never a rule. */
  readonly deviceTime: string;
  readonly media?: readonly Medium[];
  readonly appUser?: string;
}

const LIMITS = { deviceTime: 64, appUser: 200, medium: 255 };

export function encodeManifest(manifest: Manifest): string {
  const members: Record<string, Json> = { device_time: manifest.deviceTime };
  if (manifest.media?.length) members["media"] = manifest.media.map((medium) => ({ ...medium }));
  if (manifest.appUser !== undefined) members["app_user"] = manifest.appUser;
  return canonicalJson(members);
}

/** Read a manifest; members that nobody here knows are ignored. Throws `malformed`. */
export function decodeManifest(encoded: Uint8Array): Manifest {
  const members = readObject(encoded);
  const media = members["media"] ?? [];
  if (!Array.isArray(media)) throw malformed();
  const decoded = {
    deviceTime: checkedText(members["device_time"], LIMITS.deviceTime),
    media: media.map(medium),
  };
  const appUser = members["app_user"] ?? null;
  return appUser === null ? decoded : { ...decoded, appUser: checkedText(appUser, LIMITS.appUser) };
}

function medium(value: Json): Medium {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed();
  const members = value as { readonly [name: string]: Json };
  const bytes = members["bytes"];
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 0) throw malformed();
  return {
    name: checkedText(members["name"], LIMITS.medium),
    type: checkedText(members["type"], LIMITS.medium),
    bytes,
    sha256: checkedText(members["sha256"], LIMITS.medium),
    key: checkedText(members["key"], LIMITS.medium),
  };
}

function checkedText(value: Json | undefined, longest: number): string {
  if (typeof value !== "string" || value.includes("\0") || !value.isWellFormed()) throw malformed();
  if (Array.from(value).length > longest) throw malformed();
  return value;
}

/** Deflate manifest and document, and pad with zeros to a multiple of 128. */
export function pack(manifest: Manifest, document: Uint8Array, dictionary?: Uint8Array): Bytes {
  const encoded = utf8(encodeManifest(manifest));
  const plain = concat(u32(encoded.length), encoded, document);
  if (plain.length > PLAINTEXT_BYTES) throw new ProtocolError("too-large", `at most ${PLAINTEXT_BYTES} bytes fit`);
  const deflated = deflate(plain, 9, dictionary);
  return concat(deflated, new Uint8Array((BUCKET_BYTES - (deflated.length % BUCKET_BYTES)) % BUCKET_BYTES));
}

export interface Unpacked {
  readonly manifest: Manifest;
  readonly document: Bytes;
}

/** Inflate into manifest and document; throws `malformed`, `too-large`, `trailing-bytes`. */
export function unpack(packed: Uint8Array, dictionary?: Uint8Array): Unpacked {
  const { plain, rest } = inflate(packed, PLAINTEXT_BYTES, dictionary);
  if (rest.length >= BUCKET_BYTES || !isZero(rest)) {
    throw new ProtocolError("trailing-bytes", "something other than padding follows the deflate stream");
  }
  if (plain.length < 4) throw malformed();
  const end = 4 + view(plain).getUint32(0);
  if (end > plain.length) throw malformed();
  return { manifest: decodeManifest(plain.subarray(4, end)), document: own(plain.subarray(end)) };
}

function malformed(): ProtocolError {
  return new ProtocolError("malformed", "the manifest is not what it should be");
}
