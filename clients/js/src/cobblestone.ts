/**
 * Cobblestone-256 of C2SP chunked encryption: salt 24 ‖ commitment 32 ‖ chunks of 16 384 bytes with a tag each.
 *
 * The last chunk is always short, and may be empty. A whole stream is opened at once: no byte of it is used before all
 * of it is authenticated.
 */
import { type Bytes, concat, equal, own, random, utf8 } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";
import { expand } from "./primitives.ts";

export const CHUNK_BYTES = 16_384;
const SALT_BYTES = 24;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const COMMITMENT_BYTES = 32;
const TAG_BYTES = 16;
const LABEL = utf8("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");

interface Derived {
  readonly key: CryptoKey;
  readonly nonce: Bytes;
  readonly commitment: Bytes;
}

async function derive(key: Uint8Array, salt: Uint8Array, context: Uint8Array): Promise<Derived> {
  const length = KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES;
  const found = await expand("SHA-512", key, concat(LABEL, salt, context), length);
  return {
    key: await crypto.subtle.importKey("raw", found.slice(0, KEY_BYTES), "AES-GCM", false, ["encrypt", "decrypt"]),
    nonce: found.slice(KEY_BYTES, KEY_BYTES + NONCE_BYTES),
    commitment: found.slice(KEY_BYTES + NONCE_BYTES),
  };
}

/** XOR the number of a chunk into the last bytes of the base nonce. */
function nonceOf(base: Bytes, chunk: number): Bytes {
  const nonce = base.slice();
  let rest = chunk;
  for (let index = NONCE_BYTES - 1; rest > 0; index--) {
    nonce[index] = (nonce[index] ?? 0) ^ (rest & 0xff);
    rest = Math.floor(rest / 256);
  }
  return nonce;
}

/** Seal a message under a key (32) that is used for nothing else in this context; `salt` is for test vectors. */
export async function seal(
  key: Uint8Array,
  context: Uint8Array,
  plain: Uint8Array,
  salt: Uint8Array = random(SALT_BYTES),
): Promise<Bytes> {
  const derived = await derive(key, salt, context);
  const parts: Uint8Array[] = [salt, derived.commitment];
  for (let chunk = 0; chunk * CHUNK_BYTES <= plain.length; chunk++) {
    const piece = own(plain.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES));
    const algorithm = { name: "AES-GCM", iv: nonceOf(derived.nonce, chunk) };
    parts.push(new Uint8Array(await crypto.subtle.encrypt(algorithm, derived.key, piece)));
  }
  return concat(...parts);
}

/** Open a whole stream; throws `undecryptable`. */
export async function open(key: Uint8Array, context: Uint8Array, stream: Uint8Array): Promise<Bytes> {
  if (stream.length < SALT_BYTES + COMMITMENT_BYTES + TAG_BYTES) throw undecryptable();
  const derived = await derive(key, stream.subarray(0, SALT_BYTES), context);
  const start = SALT_BYTES + COMMITMENT_BYTES;
  if (!equal(derived.commitment, stream.subarray(SALT_BYTES, start))) throw undecryptable();
  const chunks = stream.subarray(start);
  const sealedBytes = CHUNK_BYTES + TAG_BYTES;
  const parts: Bytes[] = [];
  // The chunk after a whole one must be there, if only as a tag: a stream that was cut between two has no end.
  for (let chunk = 0; chunk * sealedBytes <= chunks.length; chunk++) {
    const piece = own(chunks.subarray(chunk * sealedBytes, (chunk + 1) * sealedBytes));
    if (piece.length < TAG_BYTES) throw undecryptable();
    try {
      const algorithm = { name: "AES-GCM", iv: nonceOf(derived.nonce, chunk) };
      parts.push(new Uint8Array(await crypto.subtle.decrypt(algorithm, derived.key, piece)));
    } catch {
      throw undecryptable();
    }
  }
  return concat(...parts);
}

function undecryptable(): ProtocolError {
  return new ProtocolError("undecryptable", "sealed under another key or context, or altered");
}
