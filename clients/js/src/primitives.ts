/** SHA-256, HMAC, HKDF-Expand and Ed25519, from WebCrypto. */
import { type Bytes, concat, fromHex, own, utf8 } from "./bytes.ts";

const PKCS8_ED25519 = fromHex("302e020100300506032b657004220420");

export async function sha256(bytes: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", own(bytes)));
}

/** HKDF-Expand of RFC 5869: the key is uniformly random, so there is nothing to extract. */
export async function expand(
  hash: "SHA-256" | "SHA-512",
  key: Uint8Array,
  info: Uint8Array,
  length: number,
): Promise<Bytes> {
  const imported = await crypto.subtle.importKey("raw", own(key), { name: "HMAC", hash }, false, ["sign"]);
  let block: Bytes = new Uint8Array(0);
  let found: Bytes = new Uint8Array(0);
  for (let counter = 1; found.length < length; counter++) {
    const message = concat(block, info, Uint8Array.of(counter));
    block = new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
    found = concat(found, block);
  }
  return found.slice(0, length);
}

/** What signs: an Ed25519 key that never leaves it, and its raw public half (32). */
export interface Signer {
  readonly publicKey: Bytes;
  sign(message: Uint8Array): Promise<Bytes>;
}

/** Make a signer of a seed (32). The key cannot be read back from it. */
export async function signerOf(seed: Uint8Array): Promise<Signer> {
  const pkcs8 = concat(PKCS8_ED25519, seed);
  const readable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", readable);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
  return {
    publicKey: Uint8Array.from(atob((x ?? "").replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0)),
    sign: async (message) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, own(message))),
  };
}

/** Say whether a signature (64) is of a raw public key (32) over a message. */
export async function isSigned(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey("raw", own(publicKey), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, own(signature), own(message));
  } catch {
    return false;
  }
}

/** Return the short name of a raw public key: 16 hexadecimal digits of its SHA-256. */
export async function keyId(publicKey: Uint8Array): Promise<string> {
  const digest = await sha256(publicKey);
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function labelled(label: string, ...parts: readonly Uint8Array[]): Bytes {
  return concat(utf8(label), ...parts);
}
